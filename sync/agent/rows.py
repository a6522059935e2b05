"""Rows of any synced table, by statements generated from the registry.

A name in these statements comes from the registry and nowhere else.
"""

from collections.abc import Sequence
from typing import Final, LiteralString, cast
from uuid import UUID

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.database.transaction import Transaction
from sync.capture import day_expression
from sync.core.columns import Rows
from sync.merge import (
    BECOMES_CURRENT,
    CONFLICTS,
    Image,
    Outcome,
    image_of,
    judge,
    shorter_hashes,
)
from sync.protocol import Cell, encode
from sync.registry import TABLE, TABLES, Table

Row = tuple[Cell, ...]

MARK_LIMIT: Final = 200  # a transaction of 5 ms on the board


def _read_row(table: Table) -> LiteralString:
    names = ", ".join(column.name for column in table.columns)
    return f"SELECT {names} FROM {table.name} WHERE id = ?1"  # noqa: S608 -- names from the registry


def _put_row(table: Table) -> LiteralString:
    names = [column.name for column in table.columns]
    numbers = ", ".join(f"?{number}" for number in range(1, len(names) + 1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({numbers})"  # noqa: S608 -- names from the registry
        f" ON CONFLICT (id) DO UPDATE SET {changes}"
    )


def _next_ids(table: Table) -> LiteralString:
    """The school's own rows in the order of their ids, for marking them piece by piece."""
    ours = "true" if table.is_fact else "(owner_node_id IS NULL OR owner_node_id = ?3)"
    return f"SELECT id FROM {table.name} WHERE id > ?1 AND {ours} ORDER BY id LIMIT ?2"  # noqa: S608 -- names from the registry


def _mark_row(table: Table) -> LiteralString:
    """Note one row again, as its trigger would."""
    return (
        "INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)"  # noqa: S608 -- names from the registry
        f" SELECT {table.number}, t.id, {table.lane}, {table.rank}, {day_expression(table, 't.')},"
        f" i.seq, ?2 FROM {table.name} AS t JOIN sync_identity AS i WHERE t.id = ?1"
        " ON CONFLICT (tbl, pk) DO NOTHING"
    )


READ_ROW: Final = {table.name: _read_row(table) for table in TABLES}
PUT_ROW: Final = {table.name: _put_row(table) for table in TABLES}
NEXT_IDS: Final = {table.name: _next_ids(table) for table in TABLES}
MARK_ROW: Final = {table.name: _mark_row(table) for table in TABLES}

RAISE_SEQ: Final[LiteralString] = "UPDATE sync_identity SET seq = seq + 1"

IS_FORGOTTEN: Final[LiteralString] = "SELECT EXISTS (SELECT 1 FROM erasure WHERE id = ?1)"

KEEP_IMAGE: Final[LiteralString] = """
INSERT INTO sync_conflict (tbl, pk, row_hash, image, src_epoch, kept_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (tbl, pk, row_hash) DO NOTHING
"""


def read_row(db: AgentDatabase, table: Table, pk: bytes) -> Row | None:
    """Return a row's values in the registry's order."""
    found = db.tuples(READ_ROW[table.name], (pk,))
    return cast(Row, found[0]) if found else None


def in_registry_order(table: Table, rows: Rows) -> list[Row]:
    """Map columns by name; one that the hub does not know yet is empty."""
    place = {name: index for index, name in enumerate(rows.columns)}
    places = [place.get(column.name) for column in table.columns]
    return [tuple(None if at is None else row[at] for at in places) for row in rows.rows]


def is_forgotten(db: AgentDatabase, table: Table, row: Row) -> bool:
    """Whether a row is about somebody on the list; a hub of yesterday may still have it.

    The row without a name that the hub keeps in a teacher's place is about nobody any more.
    """
    if table.subject is None or is_nameless(table, row):
        return False
    return bool(db.value(IS_FORGOTTEN, (_named(table, row)[table.subject],)))


def is_nameless(table: Table, row: Row) -> bool:
    """Whether a row is what is left of somebody who was forgotten."""
    return table.subject == "id" and _named(table, row)["state"] == "erased"


def _named(table: Table, row: Row) -> dict[str, Cell]:
    return {column.name: value for column, value in zip(table.columns, row, strict=True)}


class Meeting(Struct, frozen=True):
    """Whose images meet, and when: our present epoch, and the hub that sends the other one."""

    epoch: UUID
    hub: UUID
    now_ms: int


def merge_row(
    db: AgentDatabase, tx: Transaction, table: Table, incoming: Row, meeting: Meeting
) -> Outcome:
    """Let a row from the hub meet ours; whichever is not current afterwards is kept."""
    pk = incoming[0]
    assert isinstance(pk, bytes), table.name
    if is_forgotten(db, table, incoming):
        return Outcome.SUPERSEDED
    theirs = image_of(table, incoming, meeting.hub.bytes)
    row = read_row(db, table, pk)
    if row is not None and theirs.row_hash in shorter_hashes(table, row):
        return Outcome.SUPERSEDED  # our own, as the release before had sealed it
    ours = None if row is None else image_of(table, row, meeting.epoch.bytes)
    outcome = judge(ours, theirs)
    if outcome in CONFLICTS:
        assert row is not None
        assert ours is not None
        loser = (row, ours) if outcome is Outcome.DISPLACED else (incoming, theirs)
        keep_image(tx, table, *loser, now_ms=meeting.now_ms)
    if outcome in BECOMES_CURRENT:
        tx.run(PUT_ROW[table.name], incoming)
    return outcome


def keep_image(tx: Transaction, table: Table, row: Row, image: Image, *, now_ms: int) -> None:
    """Put an image aside, once, for staff to look at."""
    words = encode(_named(table, row))
    tx.run(KEEP_IMAGE, (table.number, row[0], image.row_hash, words, image.src_epoch, now_ms))


def mark_rows(
    db: AgentDatabase, tx: Transaction, table: Table, after: bytes, node_id: UUID, *, now_ms: int
) -> bytes | None:
    """Mark the next rows of one table; return the last id, None when it was the end."""
    args: tuple[bytes | int | UUID, ...] = (after, MARK_LIMIT)
    found = db.tuples(NEXT_IDS[table.name], args if table.is_fact else (*args, node_id))
    ids = [cast(bytes, row[0]) for row in found]
    for pk in ids:
        tx.run(RAISE_SEQ)
        tx.run(MARK_ROW[table.name], (pk, now_ms))
    return ids[-1] if len(ids) == MARK_LIMIT else None


def table_after(number: int) -> Table | None:
    """The registry's next table; None after the last."""
    return next((table for table in TABLES if table.number > number), None)


def table_named(name: str) -> Table | None:
    """None for a table of a later release."""
    return TABLE.get(name)


def values_size(row: Sequence[Cell]) -> int:
    """About how many bytes a row takes before compression."""
    return sum(len(value) if isinstance(value, str | bytes) else 5 for value in row)
