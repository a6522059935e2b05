"""Merging a segment's rows: sets in savepoints, and every row accounted for.

A row that PostgreSQL will not take fails its set; the set is cut in halves until that row
stands alone and is put aside. The others are merged; the stream goes on.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, LiteralString, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from appliance.ids import uuid7
from sync.hub.database import Link
from sync.hub.intake.erased import erased_people, is_about, without_erased
from sync.hub.intake.setting_aside import Aside, set_aside
from sync.hub.intake.staging import Batch, Refused, Sorted
from sync.hub.intake.statements import Statements, statements
from sync.hub.intake.unfit import unfit_rows
from sync.projections import POSTGRES_SECTION_PROGRESS
from sync.protocol import SegmentHeader
from sync.registry import Table

HAS_ROWS_ASIDE: Final[LiteralString] = """
SELECT EXISTS (SELECT 1
                 FROM sync_quarantine AS q
                WHERE q.school_id = $1
                  AND q.resolved_at_ms IS NULL)
"""

# A node that sends everything again under a new epoch makes no second copy.
KEEP_LOSER: Final[LiteralString] = """
INSERT INTO sync_conflict (school_id, id, tbl, pk, image, row_hash, src_epoch, kept_at_ms)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
 WHERE NOT EXISTS (SELECT 1
                     FROM sync_conflict AS c
                    WHERE c.school_id = $1
                      AND c.tbl       = $3
                      AND c.pk        = $4
                      AND c.row_hash  = $6)
"""

# A box that still wrote to what the hub took over is told again what the row is now.
REFEED: Final[LiteralString] = """
UPDATE sync_feed AS f
   SET xid = pg_current_xact_id(),
       no  = nextval('sync_feed_no')
 WHERE f.school_id = $1
   AND f.tbl       = $2
   AND f.pk        = ANY($3::uuid[])
"""

_encode: Final = msgspec.msgpack.Encoder(uuid_format="bytes").encode


MergeSet: TypeAlias = "Callable[[Link, Merging, Batch, Statements], Awaitable[Tally]]"


class Tally(Struct):
    """What became of a segment's rows; together they are the rows it brought."""

    inserted: int = 0
    updated: int = 0
    superseded: int = 0
    conflict: int = 0
    duplicate: int = 0
    quarantined: int = 0
    erased: int = 0

    @property
    def rows(self) -> int:
        """Every row, whatever became of it."""
        return sum(msgspec.structs.astuple(self))

    def add(self, other: "Tally") -> None:
        """Count another set's rows."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Merging(Struct):
    """One segment on its way into the tables. `change_no` is the last number given out."""

    header: SegmentHeader | Aside
    change_no: int
    now_ms: int
    tally: Tally
    has_rows_aside: bool = True

    @property
    def school_id(self) -> UUID:
        """Whose rows these are."""
        return self.header.school_id

    @property
    def scope(self) -> tuple[UUID, UUID, int]:
        """What every statement of the merge begins with: $1, $2, $3."""
        return self.school_id, self.header.epoch, self.change_no

    @property
    def place(self) -> tuple[UUID, int, int]:
        """Where in its lineage this came: epoch, lane, n."""
        return self.header.epoch, self.header.lane, self.header.n

    @property
    def has_changed(self) -> bool:
        """Whether there may be something for another epoch to pull; never for duplicates."""
        return self.tally.inserted + self.tally.updated + self.tally.conflict > 0


async def merge_segment(connection: Link, merging: Merging, blocks: list[Sorted]) -> None:
    """Merge all rows, or put aside those that cannot be. Under the school's lock."""
    merging.has_rows_aside = await connection.fetchval(HAS_ROWS_ASIDE, merging.school_id)
    people = await erased_people(connection, merging.school_id)
    for found in blocks:
        refused = [row for row in found.refused if not is_about(row, people)]
        merging.tally.erased += len(found.refused) - len(refused)
        await keep_all_aside(connection, merging, refused)
        for batch in found.batches:
            left = without_erased(batch, people)
            merging.tally.erased += len(batch.rows) - len(left.rows)
            if left.rows:
                await merge_batch(connection, merging, left)
    assert merging.tally.rows == merging.header.rows, merging


async def merge_batch(connection: Link, merging: Merging, batch: Batch) -> None:
    """Merge one set in its savepoint; cut it in halves when a row of it is refused."""
    try:
        tally = await _merge_set(connection, merging, batch)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        await _cut_down(connection, merging, batch, error)
        return
    assert tally.rows == len(batch.rows), (batch.table.name, tally)
    merging.change_no += len(batch.rows)
    merging.tally.add(tally)


async def _merge_set(connection: Link, merging: Merging, batch: Batch) -> Tally:
    """Facts are all new unless an epoch is sent again, so that is tried first.

    Looking for a conflict at every row costs two thirds as much again as the rows do
    (bench/ingest.py); a row that is there already ends the attempt at once.
    """
    if batch.table.is_fact:
        with suppress(asyncpg.UniqueViolationError):
            return await _merge_staged(connection, merging, batch, _add_all)
    return await _merge_staged(connection, merging, batch, _judge_all)


async def _cut_down(
    connection: Link, merging: Merging, batch: Batch, error: asyncpg.PostgresError
) -> None:
    wrong = await unfit_rows(connection, batch, error)
    if wrong:
        refused = [_as_sent(batch.only([at]), why) for at, why in sorted(wrong.items())]
        await keep_all_aside(connection, merging, refused)
        rest = [at for at in range(len(batch.rows)) if at not in wrong]
        if rest:
            await merge_batch(connection, merging, batch.only(rest))
        return
    if len(batch.rows) > 1:
        for half in batch.halves():
            await merge_batch(connection, merging, half)
        return
    reason = f"{type(error).__name__} {error.constraint_name or error.column_name or ''}".strip()
    await keep_all_aside(connection, merging, [_as_sent(batch, reason)])


def _as_sent(batch: Batch, reason: str) -> Refused:
    """The batch's one row with every column it came with."""
    if not batch.strangers:
        return Refused(batch.table.name, batch.names, batch.rows[0], reason)
    image = msgspec.msgpack.decode(batch.images[0], type=dict[str, Any])
    return Refused(batch.table.name, tuple(image), tuple(image.values()), reason)


async def keep_all_aside(connection: Link, merging: Merging, refused: list[Refused]) -> None:
    """Keep rows as they came. The node is told, and does not call them safe."""
    if not refused:
        return
    await set_aside(connection, merging.header, refused, now_ms=merging.now_ms)
    merging.tally.quarantined += len(refused)
    merging.has_rows_aside = True


async def _merge_staged(connection: Link, merging: Merging, batch: Batch, merge: MergeSet) -> Tally:
    sql = statements(batch.table.name, batch.names, is_whole=bool(batch.strangers))
    async with connection.transaction():
        await connection.execute(sql.stage)
        await connection.copy_records_to_table(
            sql.stage_name, records=batch.records(), columns=sql.stage_columns
        )
        tally = await merge(connection, merging, batch, sql)
        if batch.strangers:
            columns = msgspec.json.encode(batch.strangers).decode()
            await connection.execute(sql.keep_whole, merging.school_id, columns)
        if batch.table.name == "progress_fact":
            await connection.execute(POSTGRES_SECTION_PROGRESS, merging.school_id)
        if merging.has_rows_aside:
            await connection.execute(sql.settle, merging.school_id, merging.now_ms, *merging.place)
        await connection.execute(sql.unstage)
    return tally


async def _add_all(connection: Link, merging: Merging, batch: Batch, sql: Statements) -> Tally:
    """Add rows that are all new. Raises UniqueViolationError when one is not."""
    await connection.execute(sql.add, *merging.scope, merging.now_ms)
    return Tally(inserted=len(batch.rows))


async def _judge_all(connection: Link, merging: Merging, batch: Batch, sql: Statements) -> Tally:
    """Add what is new and hold the rest against what is there."""
    inserted = _count(await connection.execute(sql.insert, *merging.scope, merging.now_ms))
    if inserted == len(batch.rows):
        return Tally(inserted=inserted)
    judged = await connection.fetchrow(sql.judge, *merging.scope)
    assert judged is not None
    if judged["conflict"]:
        losers = await connection.fetch(sql.displaced, *merging.scope)
        losers += await connection.fetch(sql.outranked, *merging.scope)
        await _keep_losers(connection, merging, batch.table, losers)
        ids = [loser["id"] for loser in losers]
        await connection.execute(REFEED, merging.school_id, batch.table.number, ids)
    if judged["later"]:
        await connection.execute(sql.update, *merging.scope, merging.now_ms)
    if judged["duplicate"] and not batch.table.is_fact:
        await connection.execute(sql.note_holder, *merging.scope)
    return Tally(
        inserted=inserted,
        updated=judged["updated"],
        superseded=judged["superseded"],
        conflict=judged["conflict"],
        duplicate=judged["duplicate"],
    )


async def _keep_losers(connection: Link, merging: Merging, table: Table, losers: list[Any]) -> None:
    """Where two epochs met, the image that is not current is kept beside."""
    await connection.executemany(
        KEEP_LOSER,
        [
            (
                merging.school_id,
                uuid7(merging.now_ms),
                table.number,
                loser["id"],
                loser["image"] or _image(table, loser),
                loser["row_hash"],
                loser["src_epoch"],
                merging.now_ms,
            )
            for loser in losers
        ],
    )


def _image(table: Table, loser: Any) -> bytes:
    """The columns a record has of its table, by name."""
    there = set(loser.keys())
    return _encode({c.name: loser[c.name] for c in table.columns if c.name in there})


def _count(status: str) -> int:
    """Read 'INSERT 0 17'."""
    return int(status.rsplit(" ", 1)[1])
