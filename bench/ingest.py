"""Hub ingest against raw COPY: the same 5,000 rows, turn by turn, on one machine.

Judged is the hub's transaction: rows in memory are staged, merged, projected and committed,
against a transaction that copies the same rows from memory into a table with the same
columns, indexes and checks (docs/decisions/0011). The whole way from request to answer, with
HTTP, signature and unpacking, is measured beside it.
"""

import gc
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from appliance.clock import system_clock
from appliance.ids import uuid7
from bench.results import Figure, at_least, known
from sync.core.segment import open_body, read_segment
from sync.hub.database import SCOPE
from sync.hub.intake.merging import Merging, Tally, merge_segment
from sync.hub.intake.staging import sort_rows
from sync.hub.server import GC_OBJECTS

ROWS: Final = 5_000  # SEGMENT_ROWS_MAX

CREATE_TWIN: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS twin (LIKE progress_fact INCLUDING ALL)
"""
# As large from the start: an index of a few pages would flatter the COPY.
FILL_TWIN: Final[LiteralString] = "INSERT INTO twin SELECT t.* FROM progress_fact AS t"
NEWEST_FACTS: Final[LiteralString] = """
SELECT t.*
  FROM progress_fact AS t
 WHERE t.school_id = $1
 ORDER BY t.change_no DESC
 LIMIT $2
"""


class Turn(Struct, frozen=True):
    """Seconds of one segment by each way."""

    request_s: float
    merge_s: float
    copy_s: float


@asynccontextmanager
async def two_connections(
    dsn: str,
) -> AsyncIterator[tuple["asyncpg.Connection[Any]", "asyncpg.Connection[Any]"]]:
    """Connect as the ingesting role, and as a superuser for the twin."""
    ingesting = await asyncpg.connect(dsn, user="darasa_ingest")
    copying = await asyncpg.connect(dsn)
    usual = gc.get_threshold()
    gc.set_threshold(GC_OBJECTS)  # as the hub's own process; it helps both ways alike
    try:
        await copying.execute(CREATE_TWIN)
        await copying.execute(FILL_TWIN)
        yield ingesting, copying
    finally:
        gc.set_threshold(*usual)
        await ingesting.close()
        await copying.close()


async def merge_once(link: "asyncpg.Connection[Any]", payload: bytes) -> tuple[float, UUID]:
    """Merge a segment's rows as those of another school, to which they are new."""
    segment, school_id = read_segment(payload), uuid7(system_clock())
    blocks = [sort_rows(block, school_id) for block in open_body(segment)]
    header = msgspec.structs.replace(segment.header, school_id=school_id)
    began = time.perf_counter()
    async with link.transaction():
        await link.fetchval(SCOPE, str(school_id), "")
        await merge_segment(link, Merging(header, 0, system_clock(), Tally()), blocks)
    return time.perf_counter() - began, school_id


async def copy_once(link: "asyncpg.Connection[Any]", school_id: UUID) -> float:
    """COPY the rows that were just merged into the twin, in one transaction."""
    rows = [tuple(record) for record in await link.fetch(NEWEST_FACTS, school_id, ROWS)]
    assert len(rows) == ROWS, len(rows)
    began = time.perf_counter()
    async with link.transaction():
        await link.copy_records_to_table("twin", records=rows)
    return time.perf_counter() - began


def ratio(turns: list[Turn]) -> list[Figure]:
    """Compare the best turn of each: the one that was least disturbed."""
    request_s = min(turn.request_s for turn in turns)
    merge_s, copy_s = min(turn.merge_s for turn in turns), min(turn.copy_s for turn in turns)
    median_ms = statistics.median(turn.request_s for turn in turns) * 1_000
    return [
        known(f"raw COPY of {ROWS} rows, best", copy_s * 1_000, "ms"),
        known(f"hub ingest of {ROWS} rows: transaction, best", merge_s * 1_000, "ms"),
        known(f"{ROWS} rows from request to answer, best", request_s * 1_000, "ms"),
        known(f"{ROWS} rows from request to answer, median", median_ms, "ms"),
        at_least("rows a second from request to answer", ROWS / request_s, "/s", 5_000),
        known("from request to answer / raw COPY", copy_s / request_s, "x"),
        at_least("hub ingest / raw COPY", copy_s / merge_s, "x", 0.5, "ratio"),
    ]
