"""Carry some school days over a link that is slow, breaks connections and is cut all the time.

    python -m tests.drills.link [KBPS] [LOSS] [CUT]

The real agent as a process, a real hub on a real PostgreSQL, and a relay between them: KBPS
kilobits a second each way, LOSS percent of the connections broken in the middle, everything
cut every CUT seconds. Ideal is what the same days cost on a link that does nothing of the
kind. Judged are the rows on both sides, the bytes, and the order in which work arrived: today's
hand-ins and marks, those of earlier days, reading, the rest, and the box's own readings.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from appliance.clock import system_clock
from appliance.database.connection import open_connection
from appliance.database.transaction import Transaction
from appliance.ids import uuid7
from demo.compare import compare
from demo.ledger import Ledger
from demo.link import CALM, Link, Weather
from demo.people import WORDS
from demo.processes import ProcessDied
from sync.agent.keys import make_node_key
from sync.core.columns import Rows
from sync.core.segment import open_body, read_segment
from sync.protocol import SegmentHeader
from sync.registry import TABLE
from tests.drills.board import FACT, GRADE, REVISION, SUBMISSION, Board
from tests.drills.district import Hub, open_district
from tests.drills.lineage import Lineage, judge_groups
from tests.drills.small_school import SmallSchool, make_small_school

KBPS: Final = 64
LOSS_PERCENT: Final = 30
CUT_S: Final = 20
PUPILS: Final = 400
DAYS: Final = 3
READ_EACH: Final = 25  # sections a day
GROUP_CHANGES: Final = 40
WORDS_EACH: Final = 150
BYTES_RATIO_MAX: Final = 1.2
DRAIN_S_MAX: Final = 900.0
DAY_MS: Final = 86_400_000
LOOK_S: Final = 0.2
SEED: Final = 1

Drain = Callable[[Board, int], Awaitable[bool]]

SAMPLE = """
INSERT INTO health_sample (id, at_ms, clock_quality, disk_free_bytes, database_bytes,
                           wal_bytes, memory_bytes, temperature_mc, clients_max)
VALUES (?1, ?2, 1, 1000000, 2000, 300, 40000, 51000, 12)
"""
ARRIVED = """
SELECT raw
  FROM sync_raw
 WHERE school_id = $1
   AND log_no > $2
 ORDER BY log_no
"""
LOG_NO = "SELECT log_no FROM school_sync WHERE school_id = $1"
DUPLICATES = "SELECT coalesce(sum(duplicate), 0) FROM sync_inbox WHERE school_id = $1"


class Carried(Struct, frozen=True):
    """What came of the days on one link."""

    rows: int
    size_bytes: int
    seconds: float
    interruptions: int
    lost: int
    resurrected: int
    duplicated: int
    is_in_order: bool
    is_done: bool


class Plan(Struct, frozen=True):
    """How much work there is, and who brings it."""

    pupils: int = PUPILS
    days: int = DAYS
    seed: int = SEED
    drain: Drain | None = None


class Verdict(Struct, frozen=True):
    """Both links."""

    calm: Carried
    rough: Carried

    @property
    def ratio(self) -> float:
        """Bytes both ways against ideal."""
        return self.rough.size_bytes / self.calm.size_bytes

    @property
    def is_good(self) -> bool:
        """Whether all of it holds."""
        rough = self.rough
        if any(each.lost or each.resurrected or each.duplicated for each in (self.calm, rough)):
            return False
        return self.ratio <= BYTES_RATIO_MAX and rough.is_in_order and rough.is_done

    def line(self, weather: Weather) -> str:
        """One line."""
        rough = self.rough
        order = "yes" if rough.is_in_order else "NO"
        return (
            f"drill-link {'PASS' if self.is_good else 'FAIL'}:"
            f" {weather.bytes_s / 125:.0f} kbit/s, {weather.loss:.0%} of connections broken,"
            f" a cut every {weather.cut_every_s:g} s:"
            f" {rough.rows} rows in {rough.seconds:.0f} s over {rough.interruptions} interruptions;"
            f" lost {rough.lost}, resurrected {rough.resurrected}, duplicated {rough.duplicated},"
            f" bytes {self.ratio:.2f} x ideal ({rough.size_bytes} of {self.calm.size_bytes}),"
            f" today's marks first: {order}"
        )


async def drill(weather: Weather, *, plan: Plan) -> Verdict:
    """Carry the same days over both links."""
    async with open_district() as hub:
        found = [
            await carry(hub, number, each, plan) for number, each in enumerate((CALM, weather))
        ]
    return Verdict(*found)


async def carry(hub: Hub, number: int, weather: Weather, plan: Plan) -> Carried:
    """A school joins in calm weather, works offline for some days, and then drains."""
    board = Board(hub.folder / f"school-{number}", Lineage())
    make_node_key(board.data_dir / "keys")
    board.school = make_small_school(board.database, plan.pupils)
    async with Link(hub.port, dice=Random(plan.seed)) as link:
        token = await hub.token("adopt")
        await asyncio.to_thread(board.command, "enrol", f"http://127.0.0.1:{link.port}", token)
        joined_at = await hub.ask(LOG_NO, board.school.school_id)
        rows = work(board.database, board.school, days=plan.days, seed=plan.seed)
        board.change_groups(Random(plan.seed), GROUP_CHANGES)
        await link.set_weather(weather)
        began, since_ms = time.monotonic(), system_clock()
        is_done = await (plan.drain or by_the_agent)(board, since_ms)
        seconds, size = time.monotonic() - began, link.bytes_up + link.bytes_down
        interruptions = link.cuts + link.broken
    lost, resurrected, duplicated, in_order = await judge(hub, board, joined_at)
    return Carried(
        rows, size, seconds, interruptions, lost, resurrected, duplicated, in_order, is_done
    )


async def by_the_agent(board: Board, since_ms: int) -> bool:
    """Run the agent until it has brought everything."""
    deadline = time.monotonic() + DRAIN_S_MAX
    with board.agent:
        while not board.is_quiet(since_ms):
            if not board.agent.is_running:
                raise ProcessDied(f"the agent ended:\n{board.agent.tail()}")
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_S)
    return True


# The work -----------------------------------------------------------------------------------


def work(database: Path, school: SmallSchool, *, days: int, seed: int) -> int:
    """Write `days` school days up to today, the oldest first; return how many rows."""
    dice, today_ms = Random(seed), system_clock() - system_clock() % DAY_MS
    rows = 0
    with closing(open_connection(database, role="writer")) as connection:
        for age in reversed(range(days)):
            connection.execute("BEGIN IMMEDIATE")
            rows += work_a_day(Transaction(connection), school, dice, today_ms - age * DAY_MS)
            connection.execute("COMMIT")
    return rows


def work_a_day(tx: Transaction, school: SmallSchool, dice: Random, day_ms: int) -> int:
    """Everybody reads, hands in a page and gets a mark; the box looks at itself."""
    words = " ".join(WORDS).split()
    for pupil in school.pupils:
        for _ in range(READ_EACH):
            where = (pupil.enrolment_id, school.section_id, pupil.person_id)
            tx.run(
                FACT, (new_id(day_ms), *where, dice.randrange(101), day_ms + dice.randrange(9_000))
            )
        submission = new_id(day_ms)
        tx.run(SUBMISSION, (submission, school.assessment_id, pupil.person_id, day_ms))
        page = " ".join(dice.choices(words, k=WORDS_EACH))
        tx.run(REVISION, (new_id(day_ms), submission, pupil.person_id, page, day_ms))
        tx.run(GRADE, (new_id(day_ms), submission, pupil.person_id, "Vizuri", day_ms))
    tx.run(SAMPLE, (new_id(day_ms), day_ms))
    return len(school.pupils) * (READ_EACH + 3) + 1


def new_id(day_ms: int) -> UUID:
    return uuid7(day_ms)


# The judgment -------------------------------------------------------------------------------


async def judge(hub: Hub, board: Board, joined_at: int) -> tuple[int, int, int, bool]:
    """Count rows that are missing or differ, are back, came twice; and look at the order."""
    assert board.school is not None
    school_id = board.school.school_id
    connection = await asyncpg.connect(hub.dsn)
    try:
        found = await compare(board.database, connection, school_id, Ledger())
        raws = [record["raw"] for record in await connection.fetch(ARRIVED, school_id, joined_at)]
        duplicated: int = await connection.fetchval(DUPLICATES, school_id)
        groups = await judge_groups(board.book, connection, school_id)
    finally:
        await connection.close()
    unequal = [match for match in found.tables if not match.is_equal]
    lost = sum(max(match.box.rows - match.hub.rows, 1) for match in unequal) + found.quarantined
    lost, duplicated = lost + len(groups.lost), duplicated + len(groups.duplicated)
    return lost, len(groups.resurrected), duplicated, is_in_order([classes(raw) for raw in raws])


def is_in_order(arrived: list[set[int]]) -> bool:
    """Whether no segment holds work that should have come before another's."""
    return all(max(before) <= min(after) for before, after in pairwise(arrived))


def classes(raw: bytes) -> set[int]:
    """Name the kinds of work in a segment by their place in the order."""
    segment = read_segment(raw)
    found: set[int] = set()
    for rows in open_body(segment):
        found |= set(places(rows, segment.header))
    return found


def places(rows: Rows, header: SegmentHeader) -> Iterator[int]:
    """0, 1, …: hand-ins and marks by age in days; then reading, the rest, readings of the box."""
    table = TABLE[rows.table]
    today = header.sealed_at_ms // DAY_MS
    for row in rows.rows:
        if table.rank == 0 and table.day_of is not None:
            at_ms = row[rows.columns.index(table.day_of)]
            assert isinstance(at_ms, int)
            yield today - at_ms // DAY_MS
        else:
            yield 1_000 * (table.rank + 1) + 10_000 * table.lane


def main() -> int:
    words = [float(word) for word in sys.argv[1:]]
    kbps, loss, cut_s = words + [KBPS, LOSS_PERCENT, CUT_S][len(words) :]
    weather = Weather(bytes_s=kbps * 125, loss=loss / 100, cut_every_s=cut_s)
    verdict = asyncio.run(drill(weather, plan=Plan()))
    print(verdict.line(weather), flush=True)  # noqa: T201 -- the verdict is the drill's whole purpose
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
