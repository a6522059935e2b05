"""A class at human pace: what a pupil waits for, by address, on the simulator's side.

Fifty pupils read, write drafts and hand in while two teachers look at the board and mark.
Played twice: on a quiet box, and again while it is backed up and synced.
"""

import asyncio
import os
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

from appliance.clock import system_clock
from appliance.ids import uuid7
from bench.classroom import Bench, dice_for
from bench.results import Figure, at_most, known, percentile
from demo.people import Learner, Teacher, lessons_of
from demo.processes import agent_process

THINK_S: Final = (0.5, 3.5)  # between two taps; fifty pupils make 25 requests a second
TEACHER_S: Final = 2.0
BACKUP_PAUSE_S: Final = 5.0  # each copies the whole file and checks it; the night makes one
PROBE_S: Final = 0.1
PAGE: Final = bytes(4_096)
SIGN_INS: Final = 40
ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")

READ_MS: Final = 10
WRITE_MS: Final = 50
REPORT_MS: Final = 500
ALL_P99_MS: Final = 20
# Counted over a whole class or a whole submission: these are reports, not reads.
REPORTS: Final = ("/board", "/progress")


class Stopwatch:
    """Latencies in milliseconds, by method and address template."""

    def __init__(self) -> None:
        self.by_name: Final[defaultdict[str, list[float]]] = defaultdict(list)

    def note(self, method: str, path: str, seconds: float) -> None:
        """Count one answer."""
        template = ID.sub("{id}", path.partition("?")[0])
        self.by_name[f"{method} {template}"].append(seconds * 1_000)

    def figures(self, situation: str, *, is_calm: bool) -> list[Figure]:
        """p50, p95 and p99 of every address, the p95 against its budget."""
        found = []
        for name, taken in sorted(self.by_name.items()):
            title = f"{situation}: {name}"
            found += [
                known(f"{title} p50", percentile(taken, 0.50), "ms"),
                at_most(f"{title} p95", percentile(taken, 0.95), "ms", budget_ms(name)),
                known(f"{title} p99", percentile(taken, 0.99), "ms"),
            ]
        everything = [each for taken in self.by_name.values() for each in taken]
        title = f"{situation}: all {len(everything)} requests p99"
        p99 = percentile(everything, 0.99)
        found.append(at_most(title, p99, "ms", ALL_P99_MS) if is_calm else known(title, p99, "ms"))
        return found


def budget_ms(name: str) -> float:
    """ARCHITECTURE's p95 for reads, writes and reports."""
    method, _, path = name.partition(" ")
    if path.endswith(REPORTS):
        return REPORT_MS
    return READ_MS if method == "GET" else WRITE_MS


class Probe(Struct):
    """What the machine itself did meanwhile: without this, a slow figure blames the box."""

    sync_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)

    def figures(self) -> list[Figure]:
        """How long one bare sync took, and how late the simulator itself was woken."""
        return [
            known("meanwhile, one bare 4 KiB fdatasync: p50", percentile(self.sync_ms, 0.5), "ms"),
            known("meanwhile, one bare 4 KiB fdatasync: p99", percentile(self.sync_ms, 0.99), "ms"),
            known(
                "meanwhile, the simulator woken too late: p99", percentile(self.late_ms, 0.99), "ms"
            ),
        ]


async def probe(file: Path, found: Probe) -> None:
    """Write and sync a page of our own ten times a second, on a thread, until cancelled."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(PROBE_S)
        found.late_ms.append((time.perf_counter() - began - PROBE_S) * 1_000)
        found.sync_ms.append(await asyncio.to_thread(sync_one_page, file))


def sync_one_page(file: Path) -> float:
    """Return the milliseconds of one write with its sync."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        began = time.perf_counter()
        os.pwrite(descriptor, PAGE, 0)
        os.fdatasync(descriptor)
        return (time.perf_counter() - began) * 1_000
    finally:
        os.close(descriptor)


async def calm_pace(bench: Bench, seconds: float) -> list[Figure]:
    """Play the class on a quiet box."""
    watch, found = Stopwatch(), Probe()
    probing = asyncio.create_task(probe(bench.folder / "probe", found))
    await play(bench, watch, seconds)
    probing.cancel()
    return [*watch.figures("human pace", is_calm=True), *found.figures()]


async def stirred_pace(bench: Bench, seconds: float) -> list[Figure]:
    """Play it again while backups are taken and the agent brings everything to the hub."""
    watch = Stopwatch()
    with agent_process(bench.school.data_dir):
        backing_up = asyncio.create_task(keep_backing_up(bench))
        await play(bench, watch, seconds)
        backups = await _stop(backing_up)
    return [
        *watch.figures("during backups and sync", is_calm=False),
        known("backups taken meanwhile", backups, ""),
    ]


async def play(bench: Bench, watch: Stopwatch, seconds: float) -> None:
    """Let everybody work for some seconds."""
    room = bench.room
    for learner in room.learners:
        learner.phone.watch = watch.note
    for teacher in room.teachers:
        teacher.phone.watch = watch.note
    tasks = [
        asyncio.create_task(learn(learner, dice_for(learner.pupil.name), seconds))
        for learner in room.learners
    ]
    tasks += [asyncio.create_task(teach(teacher, seconds)) for teacher in room.teachers]
    await asyncio.gather(*tasks)


async def learn(learner: Learner, dice: Random, seconds: float) -> None:
    """Read and report, sometimes write, now and then hand in."""
    deadline = time.monotonic() + seconds
    assert learner.run is not None
    lessons = lessons_of(learner.run)
    await asyncio.sleep(dice.uniform(0, THINK_S[1]))
    while time.monotonic() < deadline:
        lesson = await learner.open_lesson(dice.choice(lessons))
        for section in lesson.sections[:2]:
            await asyncio.sleep(dice.uniform(*THINK_S))
            await learner.report(section.id, dice.randrange(101))
        revision_id = uuid7(system_clock())
        await learner.save_draft(revision_id, 1, learner.some_words(3))
        await asyncio.sleep(dice.uniform(*THINK_S))
        if dice.random() < 1 / 3:
            await learner.hand_in(revision_id, learner.some_words(4))
        await learner.open_course()


async def teach(teacher: Teacher, seconds: float) -> None:
    """Look at the board and at the class, mark what is there."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await asyncio.sleep(TEACHER_S)
        await teacher.mark_some(await teacher.board(), most=2)
        await teacher.phone.send("GET", f"/api/v1/course-runs/{teacher.school.run_id}/progress")


async def keep_backing_up(bench: Bench) -> int:
    """Take one backup after the other by the keeper's own program; return how many."""
    done = 0
    target = bench.folder / "backup.db"
    command = [sys.executable, "-m", "appliance", "backup", str(target)]
    env = {"DARASA_DATA_DIR": str(bench.school.data_dir)}
    try:
        while True:
            target.unlink(missing_ok=True)
            process = await asyncio.create_subprocess_exec(
                *command, env=env, stdout=asyncio.subprocess.DEVNULL
            )
            if await process.wait() == 0:
                done += 1
            await asyncio.sleep(BACKUP_PAUSE_S)
    except asyncio.CancelledError:
        return done


async def _stop(task: "asyncio.Task[int]") -> int:
    task.cancel()
    return await task


async def bell(bench: Bench) -> list[Figure]:
    """Forty pupils sign in within the same moment."""
    learners = bench.room.learners[:SIGN_INS]
    began = time.perf_counter()
    await asyncio.gather(*(learner.sign_in() for learner in learners))
    return [at_most(f"{SIGN_INS} sign-ins at the bell", time.perf_counter() - began, "s", 2)]


async def class_report(bench: Bench) -> list[Figure]:
    """The class report alone, and when nothing has changed since."""
    phone = bench.room.teachers[0].phone
    path = f"/api/v1/course-runs/{bench.school.run_id}/progress"
    taken, answer = [], (await phone.send("GET", path)).must(200)
    for _ in range(50):
        began = time.perf_counter()
        answer = (await phone.send("GET", path)).must(200)
        taken.append((time.perf_counter() - began) * 1_000)
    again = await phone.send("GET", path, headers={"if-none-match": answer.headers["etag"]})
    return [
        at_most("class report, 50 learners, alone: p50", percentile(taken, 0.5), "ms", 10),
        at_most("class report unchanged: status", again.status, "", 304, "correct"),
    ]
