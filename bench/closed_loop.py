"""The box under as much load as it takes: progress writes and reads by wrk."""

import asyncio
from pathlib import Path
from typing import Final

from bench.classroom import Bench, cookie_of
from bench.results import Figure, at_least, at_most, known
from bench.wrk import PROGRESS, READ, Load, load
from demo.people import lessons_of
from demo.phone import Phone
from demo.processes import box_process, free_port, until_healthy

CLASS: Final = 50
CROWD: Final = 200
SMALL_QUEUE: Final = 16  # the smallest a keeper may set: two hundred clients must overflow it
BUSY: Final = 503


async def closed_loop(bench: Bench, seconds: int) -> list[Figure]:
    """Progress writes by a class and by a crowd, then reads by a class."""
    figures = []
    for clients in (CLASS, CROWD):
        figures += writes(await push(bench, bench.port, clients, seconds), clients)
    figures += await reads(bench, seconds)
    return figures


async def push(bench: Bench, port: int, clients: int, seconds: int) -> Load:
    """Write progress facts, each with a fresh id."""
    files = [bench.learners_file, bench.sections_file]
    return await load(port, PROGRESS, files, connections=clients, seconds=seconds)


def writes(measured: Load, clients: int) -> list[Figure]:
    """Judge a run of progress writes."""
    name = f"progress write, {clients} clients, closed loop"
    figures = [at_least(name, measured.per_second, "/s", 2_000)]
    p95_ms = measured.p95_us / 1_000
    if clients == CLASS:
        figures.append(at_most(f"{name}: p95", p95_ms, "ms", 50))
    else:
        figures.append(known(f"{name}: p95", p95_ms, "ms"))
    figures.append(known(f"{name}: p99", measured.p99_us / 1_000, "ms"))
    refused = measured.dropped + measured.timeouts + measured.bad_status
    figures.append(at_most(f"{name}: dropped or refused", refused, "", 0, "correct"))
    return figures


async def reads(bench: Bench, seconds: int) -> list[Figure]:
    """Read a lesson, as JSON and as a page, by a class at once."""
    run = bench.room.learners[0].run
    assert run is not None
    lesson, run_id = lessons_of(run)[0], bench.school.run_id
    figures = []
    for name, path in (
        ("lesson (JSON)", f"/api/v1/lessons/{lesson}?run={run_id}"),
        ("lesson (page)", f"/learn/lessons/{lesson}?run={run_id}"),
    ):
        wishes = bench.folder / "wishes.txt"
        _write_wishes(bench, wishes, path)
        measured = await load(bench.port, READ, [wishes], connections=CLASS, seconds=seconds)
        title = f"read {name}, {CLASS} clients, closed loop"
        refused = measured.dropped + measured.timeouts + measured.bad_status
        figures += [
            known(title, measured.per_second, "/s"),
            known(f"{title}: p95", measured.p95_us / 1_000, "ms"),
            at_most(f"{title}: dropped or refused", refused, "", 0, "correct"),
        ]
    return figures


def _write_wishes(bench: Bench, file: Path, path: str) -> None:
    lines = [f"{cookie_of(learner.phone)} {path}\n" for learner in bench.room.learners]
    file.write_text("".join(lines))


async def overload(bench: Bench, seconds: int) -> list[Figure]:
    """Past the bound of the queue: 503 with Retry-After, and still no connection dropped.

    The box must have been stopped: another one with the smallest queue takes its files.
    """
    port = free_port()
    data_dir = bench.school.data_dir
    with box_process(data_dir, port, settings={"DARASA_QUEUE_MAX": str(SMALL_QUEUE)}) as box:
        await until_healthy(box, port)
        flood = asyncio.create_task(push(bench, port, CROWD, seconds))
        told = await _first_busy(bench, port, flood)
        measured = await flood
    name = f"past the bound, {CROWD} clients and a queue of {SMALL_QUEUE}"
    broken = measured.dropped + measured.timeouts
    return [
        known(f"{name}: answered 503", measured.bad_status, ""),
        at_most(f"{name}: dropped", broken, "", 0, "correct"),
        at_least(f"{name}: a 503 names Retry-After", told, "", 1, "correct"),
    ]


async def _first_busy(bench: Bench, port: int, flood: "asyncio.Task[Load]") -> int:
    """Return 1 when a refused write said when to try again, 0 when none did."""
    learner = bench.room.learners[0]
    async with Phone(port) as phone:
        phone.cookies.update(learner.phone.cookies)
        body = {"assessment_id": bench.school.task_id, "edit_no": 1, "body": "x"}
        path = f"/api/v1/drafts/{bench.school.task_id}"  # any id will do for one draft
        while not flood.done():
            answer = await phone.send("PUT", path, body)
            if answer.status == BUSY:
                return int("retry-after" in answer.headers)
    return 0
