"""What the box costs: bytes and syncs an answer, memory, start-up, the first page."""

import asyncio
import gzip
import re
import shutil
import signal
import statistics
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

import psutil

from appliance.database.agent import AgentDatabase
from bench.classroom import PUPILS, Bench
from bench.closed_loop import push
from bench.results import Figure, at_most, known
from demo.people import Learner, sections_of
from demo.phone import Phone
from demo.processes import Process, agent_process, box_process, free_port, until_healthy

ALONE: Final = 200  # answers; enough to even out a page that happened to split
STARTS: Final = 5
SETTLE_S: Final = 3.0
GIB: Final = 1 << 30
MIB: Final = 1 << 20
WRITES_A_DAY: Final = 40 * 264  # 60 facts, 200 autosaves and 4 more for each of 40 pupils
KIB: Final = 1 << 10
ASSET: Final = re.compile(rb'(?:href|src)="(/static/[^"]+)"')

USED_PAGES: Final[LiteralString] = """
SELECT (SELECT page_count FROM pragma_page_count)
     - (SELECT freelist_count FROM pragma_freelist_count)
"""


async def bytes_and_syncs(bench: Bench, seconds: int) -> list[Figure]:
    """Of one progress write: alone on a quiet box, and in a burst of the whole class."""
    learner = bench.room.learners[0]
    alone_bytes, syncs = await _alone(bench, learner)
    before_file, before_written = used_bytes(bench), written(bench.box)
    burst = await push(bench, bench.port, PUPILS, seconds)
    stored = (used_bytes(bench) - before_file) / burst.requests
    figures = [
        at_most("progress write: kept on disk", stored, "B", 400),
        at_most("progress write alone: written to the device", alone_bytes / KIB, "KiB", 40),
        at_most(
            f"a school day's {WRITES_A_DAY} writes, were each alone: written",
            alone_bytes * WRITES_A_DAY / GIB,
            "GiB",
            2,
        ),
        at_most(
            f"progress write, burst of {PUPILS}: written to the device",
            (written(bench.box) - before_written) / burst.requests / KIB,
            "KiB",
            8,
        ),
    ]
    if syncs is not None:
        # One decimal: a checkpoint's own syncs fall on one answer in a thousand.
        figures.append(at_most("progress write alone: syncs", round(syncs, 1), "", 1))
    return figures


async def _alone(bench: Bench, learner: Learner) -> tuple[float, float | None]:
    """Write one fact after the other; return bytes and syncs of each."""
    assert learner.run is not None
    sections = sections_of(learner.run)
    tracer = await trace(bench.box, bench.folder / "syncs.txt")
    before = written(bench.box)
    for number in range(ALONE):
        await learner.report(sections[number % len(sections)], number % 101)
    per_answer = (written(bench.box) - before) / ALONE
    if tracer is None:
        return per_answer, None
    tracer.send_signal(signal.SIGINT)
    await tracer.wait()
    return per_answer, count_syncs(bench.folder / "syncs.txt") / ALONE


async def trace(process: Process, output: Path) -> asyncio.subprocess.Process | None:
    """Watch the process's syncs by strace, where there is one and it may."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    words = ["-f", "-qq", "-e", "trace=fsync,fdatasync", "-o", str(output), "-p", str(process.pid)]
    tracer = await asyncio.create_subprocess_exec(strace, *words, stderr=asyncio.subprocess.PIPE)
    await asyncio.sleep(1)  # strace says nothing when it has attached
    return tracer if tracer.returncode is None else None


def count_syncs(output: Path) -> int:
    """Count fsync and fdatasync in what strace wrote."""
    return output.read_text(errors="replace").count("sync(")


def written(process: Process) -> int:
    """Return the bytes this process sent towards the device, by the kernel's count."""
    lines = Path(f"/proc/{process.pid}/io").read_text().splitlines()
    counts = dict(line.split(": ") for line in lines)
    return int(counts["write_bytes"])


def used_bytes(bench: Bench) -> int:
    """Return the size of the database without free pages, what is in the WAL included."""
    with closing(AgentDatabase(bench.school.database)) as db:
        pages = db.value(USED_PAGES)
        assert isinstance(pages, int)
        return pages * 4_096


async def idle_memory(data_dir: Path) -> list[Figure]:
    """Start the box several times, then leave it and its agent alone for a moment."""
    starts, port = [], free_port()
    for _ in range(STARTS):
        with box_process(data_dir, port) as box:
            starts.append(await until_healthy(box, port))
    with box_process(data_dir, port) as box, agent_process(data_dir) as agent:
        await until_healthy(box, port)
        await asyncio.sleep(SETTLE_S)
        box_mib, agent_mib = uss_mib(box), uss_mib(agent)
    return [
        at_most("start to the first answer, median of 5", statistics.median(starts), "s", 1),
        at_most("idle memory of the box (USS)", box_mib, "MiB", 80),
        at_most("idle memory of box and agent (USS)", box_mib + agent_mib, "MiB", 150),
    ]


def uss_mib(process: Process) -> float:
    """Return the memory that only this process uses."""
    return float(psutil.Process(process.pid).memory_full_info().uss) / MIB


async def first_page(bench: Bench) -> list[Figure]:
    """Count a first visit's bytes: the sign-in page and everything it loads, compressed."""
    async with Phone(bench.port) as phone:
        page = (await phone.send("GET", "/sign-in")).must(200)
        total = len(gzip.compress(page.body))
        for asset in set(ASSET.findall(page.body)):
            answer = (await phone.send("GET", asset.decode())).must(200)
            total += len(gzip.compress(answer.body))
        asked = await phone.send("GET", "/sign-in", headers={"accept-encoding": "gzip"})
    return [
        at_most("first page with all it loads, gzip", total / KIB, "KiB", 60, "correct"),
        known("first page itself as sent", len(asked.body) / KIB, "KiB"),
    ]
