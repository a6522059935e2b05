"""Rows that were put aside, tried again: the same merge as on the day they came.

Each transaction takes some rows of one school, under that school's lock.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from sync.core.columns import Rows
from sync.hub.database import Link, rows
from sync.hub.identity import identity
from sync.hub.intake.accepting import MOVE_FEED, MOVE_SCHOOL
from sync.hub.intake.fencing import HAS_SUCCESSOR, fence
from sync.hub.intake.merging import Merging, Tally, merge_segment
from sync.hub.intake.receipts import SchoolLog, lock_school
from sync.hub.intake.setting_aside import Aside
from sync.hub.intake.staging import sort_rows
from sync.registry import TABLE

ROWS_ASIDE: Final[LiteralString] = """
SELECT q.id, q.node_id, q.epoch, q.lane, q.n, q.tbl, q.image
  FROM sync_quarantine AS q
 WHERE q.school_id = $1
   AND q.id        = ANY($2::uuid[])
   AND q.resolved_at_ms IS NULL
 ORDER BY q.first_at_ms, q.id
"""

PARKED: Final[LiteralString] = """
SELECT q.school_id, q.id
  FROM sync_quarantine AS q
 WHERE q.reason = 'unknown-table'
   AND q.tbl    = ANY($1::text[])
   AND q.resolved_at_ms IS NULL
   AND q.dismissed_at_ms IS NULL
 ORDER BY q.school_id, q.first_at_ms, q.id
"""


class Row(Struct, frozen=True):
    """One row in quarantine."""

    id: UUID
    node_id: UUID
    epoch: UUID
    lane: int
    n: int
    tbl: str
    image: bytes

    @property
    def cells(self) -> dict[str, Any]:
        """Column to value, as they were sent."""
        cells: dict[str, Any] = msgspec.msgpack.decode(self.image, type=dict[str, Any])
        return cells


class Parked(Struct, frozen=True):
    """A row of a table that is known now."""

    school_id: UUID
    id: UUID


async def parked_rows(link: Link) -> list[Parked]:
    """Find rows whose table was unknown when they came, and that nobody has dismissed.

    `link` may read the district.
    """
    return await rows(link, Parked, PARKED, list(TABLE))


async def replay_rows(
    link: Link, school_id: UUID, ids: Sequence[UUID], *, now_ms: int
) -> tuple[int, int]:
    """Merge rows that were put aside; return how many were, and how many still may not be."""
    log = await lock_school(link, school_id)
    issued = (await identity(link)).owner_epoch
    change_no, merged, kept = log.change_no, 0, 0
    for aside, blocks in _pieces(school_id, await rows(link, Row, ROWS_ASIDE, school_id, ids)):
        merging = Merging(aside, change_no, now_ms, Tally())
        found = [sort_rows(block, school_id, issued) for block in blocks]
        if await link.fetchval(HAS_SUCCESSOR, school_id, aside.node_id):
            found = [await fence(link, merging, each) for each in found]
        await merge_segment(link, merging, found)
        if merging.has_changed:
            await link.execute(MOVE_FEED, school_id, aside.epoch, merging.change_no)
        change_no = merging.change_no
        kept += merging.tally.quarantined
        merged += aside.rows - merging.tally.quarantined
    await _move(link, school_id, log, change_no)
    return merged, kept


def _pieces(school_id: UUID, found: Sequence[Row]) -> Iterator[tuple[Aside, list[Rows]]]:
    """Rows of one segment, table by table, each with the columns it came with."""
    for (node_id, epoch, lane, n), group in itertools.groupby(
        found, lambda row: (row.node_id, row.epoch, row.lane, row.n)
    ):
        of_segment = list(group)
        aside = Aside(school_id, node_id, epoch, lane, n, len(of_segment))
        blocks = [
            Rows(table, columns, [tuple(row.cells.values()) for row in same])
            for (table, columns), same in itertools.groupby(
                of_segment, lambda row: (row.tbl, tuple(row.cells))
            )
        ]
        yield aside, blocks


async def _move(link: Link, school_id: UUID, log: SchoolLog, change_no: int) -> None:
    if change_no > log.change_no:
        await link.execute(MOVE_SCHOOL, school_id, change_no, log.log_no, log.log_hash)
