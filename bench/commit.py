"""Group commit against a bare loop: what the writer's queue and its savepoints cost and bring.

All three keep the same facts by the same command on the same kind of file, at
synchronous=FULL: fifty callers through the Writer, one commit for each fact, and, as the
bound nobody can beat, bare commits of as many facts as the Writer had in a batch.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from appliance.clock import system_clock
from appliance.database.connection import open_connection
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from appliance.database.writer import Writer
from appliance.ids import uuid7
from appliance.progress.commands import keep_facts
from appliance.progress.models import ProgressFact
from bench.dataset import ENROLMENTS, SECTIONS, Place, SectionRow
from bench.results import Figure, at_least, known

CALLERS: Final = 50
RATIO_TO_SINGLE: Final = 2.0  # on a fast disk; on a card with 4 ms syncs it was 40
RATIO_TO_BATCHES: Final = 0.33  # a queue, a future and a savepoint for each command

Source = Iterator[tuple[UUID, ProgressFact]]


async def commit_ratio(database: Path, run_id: UUID, folder: Path, seconds: float) -> list[Figure]:
    """Measure the three in one run, each on its own copy of a stopped box's file."""
    group, batch = await grouped(_copy(database, folder), run_id, seconds)
    single = bare(_copy(database, folder), run_id, seconds, batch=1)
    batched = bare(_copy(database, folder), run_id, seconds, batch=max(1, round(batch)))
    return [
        known(f"group commit, {CALLERS} callers", group, "/s"),
        known("group commit: commands in a batch", batch, ""),
        known("bare loop, one commit each", single, "/s"),
        known("bare loop, batches of the same size", batched, "/s"),
        at_least("group commit / one commit each", group / single, "x", RATIO_TO_SINGLE, "ratio"),
        at_least("group commit / bare batches", group / batched, "x", RATIO_TO_BATCHES, "ratio"),
    ]


async def grouped(database: Path, run_id: UUID, seconds: float) -> tuple[float, float]:
    """Return facts a second through the Writer and the mean size of its batches."""
    writer = Writer(database)
    writer.start()
    try:
        facts = facts_of(database, run_id)
        deadline = time.perf_counter() + seconds
        await asyncio.gather(*(_call(writer, facts, deadline) for _ in range(CALLERS)))
        counts = writer.counts
        return counts.commands / seconds, counts.commands / counts.batches
    finally:
        writer.stop()


async def _call(writer: Writer, facts: Source, deadline: float) -> None:
    while time.perf_counter() < deadline:
        person_id, fact = next(facts)
        await writer.write(keep_facts, person_id, [fact])


def bare(database: Path, run_id: UUID, seconds: float, *, batch: int) -> float:
    """Return facts a second in a loop of BEGIN, `batch` commands, COMMIT."""
    facts = facts_of(database, run_id)
    with closing(open_connection(database, role="writer")) as connection:
        tx, done = Transaction(connection), 0
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            connection.execute("BEGIN IMMEDIATE")
            for person_id, fact in islice(facts, batch):
                keep_facts(tx, person_id, [fact])
            connection.execute("COMMIT")
            done += batch
    return done / seconds


def facts_of(database: Path, run_id: UUID) -> Source:
    """Make facts of the measured class, for ever."""
    with closing(open_connection(database, role="reader")) as connection:
        reader = Reader(connection)
        places = reader.rows(Place, ENROLMENTS, (run_id,))
        sections = [section.id for section in reader.rows(SectionRow, SECTIONS)]
    return _facts(places, sections, system_clock)


def _facts(places: list[Place], sections: list[UUID], clock: Callable[[], int]) -> Source:
    dice = Random(3)
    for number in count():
        place, now_ms = places[number % len(places)], clock()
        section = sections[number // len(places) % len(sections)]
        fact = ProgressFact(uuid7(now_ms), place.id, section, dice.randrange(101), now_ms)
        yield place.person_id, fact


def _copy(database: Path, folder: Path) -> Path:
    copy = folder / "commit.db"
    for old in folder.glob("commit.db*"):
        old.unlink()
    shutil.copyfile(database, copy)
    return copy
