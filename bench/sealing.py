"""What sealing costs the board: CPU for each change, and what pupils notice of it."""

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

from appliance.clock import clock_quality, system_clock
from appliance.database.agent import AgentDatabase
from appliance.database.migrate import schema_version
from bench.classroom import Bench, dice_for
from bench.dataset import write_facts
from bench.district import Courier
from bench.results import Figure, at_most, known, percentile
from demo.people import Learner, sections_of
from sync.agent import store
from sync.agent.conversation import breathe
from sync.agent.keys import read_node_key
from sync.agent.sealing import Share, Stamp, seal_rows

ROWS: Final = 5_000
WAITING: Final = 40_000  # a month of a class; seconds of sealing without a pause
WRITES_S: Final = 40.0  # a second, by the whole class: far more than a class makes
ROUNDS: Final = 3
CLASS_ROUNDS: Final = 8  # a p99 of too few writes is their maximum
CALM_S: Final = 2.0
LANE: Final = 0
NICE: Final = 9  # the units' CPUWeight: 50 for the agent, 400 for the box

MARK_AGAIN: Final[LiteralString] = """
INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
SELECT 13, f.id, 0, 1, 0, i.seq, ?1
  FROM progress_fact AS f, sync_identity AS i
 LIMIT ?2
    ON CONFLICT (tbl, pk) DO NOTHING
"""


def seal_all(data_dir: Path) -> int:
    """Seal everything that waits, without a pause; return how many rows."""
    key = read_node_key(data_dir / "keys")
    database = data_dir / "school.db"
    stamp = Stamp(system_clock(), clock_quality(), schema_version(database), "bench")
    rows = 0
    with closing(AgentDatabase(database)) as db:
        me = store.identity(db)
        assert me is not None
        share = Share(breathe=breathe)
        while done := seal_rows(db, me, store.streams(db, me.epoch)[LANE], key, stamp, share):
            rows += done
    return rows


def cpu_of_sealing(bench: Bench) -> list[Figure]:
    """Seal full segments alone and count the processor's time."""
    taken = []
    for _ in range(ROUNDS):
        write_facts(bench.school, ROWS, now_ms=system_clock())
        began = time.process_time()
        rows = seal_all(bench.school.data_dir)
        taken.append((time.process_time() - began) * 1e6 / rows)
    return [known("seal: CPU for each 1,000 changes", min(taken), "ms")]


async def cpu_of_pushing(courier: Courier) -> list[Figure]:
    """Push what was sealed by the agent's own link: hello, TLS-less HTTP, receipts."""
    began = time.process_time()
    carried = await courier.carry()
    took, rows = time.process_time() - began, sum(each.rows for each in carried)
    return [known("push: CPU for each 1,000 changes", took * 1e6 / rows, "ms")]


async def class_writes(bench: Bench) -> list[Figure]:
    """The class reports, forty times a second; alone, and while another process seals.

    Sealing alone, over and over: in life it pauses for the link after every segment.
    """
    calm: list[float] = []
    sealing: list[float] = []
    for _ in range(CLASS_ROUNDS):
        calm += await reports(bench, CALM_S)
        mark_again(bench)
        child = await asyncio.create_subprocess_exec(*sealer(bench.school.data_dir))
        ending = asyncio.create_task(child.wait())
        while not ending.done():
            sealing += await reports(bench, 0.5)
    before, during = percentile(calm, 0.99), percentile(sealing, 0.99)
    return [
        known(f"p99 of {len(calm)} class writes, nothing else going on", before, "ms"),
        known(f"p99 of {len(sealing)} class writes while sealing", during, "ms"),
        at_most("added to the p99 of class writes while sealing", during - before, "ms", 5),
    ]


def mark_again(bench: Bench) -> None:
    """Let many rows wait."""
    with closing(AgentDatabase(bench.school.database)) as db, db.changing() as tx:
        tx.run(MARK_AGAIN, (system_clock(), WAITING))


def sealer(data_dir: Path) -> Sequence[str]:
    """The command that seals in a process of its own, as the agent does."""
    nice = ["nice", "-n", str(NICE)]
    return [*nice, sys.executable, "-m", "bench.sealing", str(data_dir)]


async def reports(bench: Bench, seconds: float) -> list[float]:
    """Pupils in turn report a section, on time whatever the answers take; milliseconds each."""
    dice, learners = dice_for("reports"), bench.room.learners
    tasks: list[asyncio.Task[float]] = []
    began = time.monotonic()
    for number in range(int(seconds * WRITES_S)):
        await asyncio.sleep(max(0.0, began + number / WRITES_S - time.monotonic()))
        learner = learners[number % len(learners)]
        tasks.append(asyncio.create_task(report(learner, dice.randrange(101))))
    return [await task for task in tasks]


async def report(learner: Learner, percent: int) -> float:
    """Milliseconds until the box has it."""
    assert learner.run is not None
    section = sections_of(learner.run)[0]
    began = time.perf_counter()
    await learner.report(section, percent)
    return (time.perf_counter() - began) * 1_000


if __name__ == "__main__":
    seal_all(Path(sys.argv[1]))
