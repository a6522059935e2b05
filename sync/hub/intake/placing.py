"""After a migration: what newer boxes sent too early is given the place it has now.

Runs when the hub starts, before it answers anybody: rows of tables that were unknown are
merged, and columns that were unknown are written from the rows kept whole.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final, LiteralString
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from appliance.clock import Clock
from sync.hub.database import Link, Pools, rows, scoped
from sync.hub.intake.receipts import lock_school
from sync.hub.intake.replaying import parked_rows, replay_rows
from sync.hub.intake.staging import fits
from sync.protocol import Cell
from sync.registry import TABLE_NUMBERED, Column, Table

logger = logging.getLogger(__name__)

ROWS_AT_ONCE: Final = 1_000

STRANGERS: Final[LiteralString] = """
SELECT DISTINCT x.school_id, x.tbl, x.columns
  FROM sync_extra AS x
 WHERE x.columns <> '[]'
"""

WHOLE_ROWS: Final[LiteralString] = """
SELECT x.pk, x.image
  FROM sync_extra AS x
 WHERE x.school_id = $1
   AND x.tbl       = $2
   AND x.columns   = $3
 ORDER BY x.pk
"""

HAVE_PLACED: Final[LiteralString] = """
UPDATE sync_extra
   SET columns = $4
 WHERE school_id = $1
   AND tbl       = $2
   AND pk        = $3
"""


class Strangers(Struct, frozen=True):
    """Columns of one table that had no place when some rows came."""

    school_id: UUID
    tbl: int
    columns: str

    @property
    def names(self) -> list[str]:
        """What the JSON says."""
        names: list[str] = msgspec.json.decode(self.columns, type=list[str])
        return names

    @property
    def placed(self) -> list[Column]:
        """Those of them that are columns by now."""
        return [each for each in TABLE_NUMBERED[self.tbl].columns if each.name in self.names]


class WholeRow(Struct, frozen=True):
    """A row as a newer box sent it."""

    pk: UUID
    image: bytes


async def catch_up(pools: Pools, district_id: UUID, clock: Clock) -> None:
    """Give everything its place that has one now."""
    async with scoped(pools.web, district_id=district_id) as link:
        parked = await parked_rows(link)
        strangers = [each for each in await rows(link, Strangers, STRANGERS) if each.placed]
    by_school: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for found in parked:
        by_school[found.school_id].append(found.id)
    for school_id, ids in by_school.items():
        await _replay(pools, school_id, ids, clock)
    for columns in strangers:
        async with scoped(pools.ingest, school_id=columns.school_id) as link:
            done = await place_columns(link, columns)
        logger.info("columns placed school=%s rows=%d", columns.school_id, done)


async def _replay(pools: Pools, school_id: UUID, ids: Sequence[UUID], clock: Clock) -> None:
    waiting = iter(ids)
    while some := list(islice(waiting, ROWS_AT_ONCE)):
        async with scoped(pools.ingest, school_id=school_id) as link:
            merged, kept = await replay_rows(link, school_id, some, now_ms=clock())
        logger.info("rows replayed school=%s merged=%d kept=%d", school_id, merged, kept)


async def place_columns(link: Link, found: Strangers) -> int:
    """Write what was sent into the columns that were made for it; return rows done."""
    await lock_school(link, found.school_id)
    key = (found.school_id, found.tbl, found.columns)
    whole = await rows(link, WholeRow, WHOLE_ROWS, *key)
    return sum([await _place(link, found, row) for row in whole])


async def _place(link: Link, found: Strangers, row: WholeRow) -> bool:
    """A value that does not fit its new column stays where it is, with the whole row."""
    table, columns = TABLE_NUMBERED[found.tbl], found.placed
    sent: dict[str, Any] = msgspec.msgpack.decode(row.image, type=dict[str, Any])
    if not all(sent[each.name] is None or fits(each.type, sent[each.name]) for each in columns):
        return False
    values = [_cell(each, sent[each.name]) for each in columns]
    left = sorted(set(found.names) - {each.name for each in columns})
    try:
        async with link.transaction():
            await link.execute(place_sql(table, columns), found.school_id, row.pk, *values)
            text = msgspec.json.encode(left).decode()
            await link.execute(HAVE_PLACED, found.school_id, found.tbl, row.pk, text)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError):
        return False
    return True


def place_sql(table: Table, columns: Sequence[Column]) -> str:
    """Fill columns of one row. $1 school, $2 id, then the values."""
    changes = ", ".join(f"{column.name} = ${at}" for at, column in enumerate(columns, 3))
    return f"UPDATE {table.name} SET {changes} WHERE school_id = $1 AND id = $2"  # noqa: S608 -- names from the registry


def _cell(column: Column, value: Cell) -> Cell | UUID:
    if column.type == "id" and isinstance(value, bytes):
        return UUID(bytes=value)
    return value
