"""Writing the rows the hub owns, and moving a row between the hub and its school.

Every write is numbered under its scope's lock, as a segment's rows are; triggers of the
schema move the row to the end of its scope's feed.
"""

from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.errors import NotFound
from sync.hub.database import Link
from sync.hub.faults import OwnedElsewhere
from sync.hub.identity import Identity, identity
from sync.hub.intake.statements import POSTGRES_TYPE
from sync.merge import row_hash
from sync.protocol import Cell
from sync.registry import TABLE, TABLES, Table

Named = dict[str, Cell]

# The row's lock: whoever writes in this scope stands in line here.
NEXT_CHANGE: Final[LiteralString] = """
UPDATE school_sync
   SET change_no = change_no + 1
 WHERE school_id = $1
RETURNING change_no
"""

NEXT_OWNER_EPOCH: Final[LiteralString] = """
UPDATE hub_identity
   SET owner_counter = owner_counter + 1
 WHERE id = 1
RETURNING (generation << 32) | owner_counter
"""

# What is given back goes to the school as its own rows do, by the pull.
OFFER_TO_PULL: Final[LiteralString] = """
INSERT INTO sync_feed_head (school_id, src_epoch, max_change_no)
VALUES ($1, $2, $3)
    ON CONFLICT (school_id, src_epoch) DO UPDATE
   SET max_change_no = excluded.max_change_no
"""


def _read_sql(table: Table) -> str:
    names = ", ".join(f"t.{column.name}" for column in table.columns)
    return f"""
SELECT {names}
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND t.id        = $2
"""  # noqa: S608 -- names from the registry


def _put_sql(table: Table) -> str:
    own = ("src_epoch", "change_no", "received_at_ms", "row_hash")
    names = [column.name for column in table.columns]
    typed = [
        f"${number}::{POSTGRES_TYPE[column.type]}"
        for number, column in enumerate(table.columns, start=6)
    ]
    changed = ",\n       ".join(f"{name} = excluded.{name}" for name in (*own, *names[1:]))
    return f"""
INSERT INTO {table.name} (school_id, {", ".join(own)}, {", ".join(names)})
VALUES ($1, $2, $3, $4, $5, {", ".join(typed)})
    ON CONFLICT (school_id, id) DO UPDATE
   SET {changed}
"""  # noqa: S608 -- names from the registry


MUTABLE: Final = [table for table in TABLES if not table.is_fact]
READ_ROW: Final = {table.name: _read_sql(table) for table in MUTABLE}
PUT_ROW: Final = {table.name: _put_sql(table) for table in MUTABLE}


class Writing(Struct, frozen=True):
    """One row about to be written under its scope's lock."""

    who: Identity
    scope_id: UUID
    table: Table
    change_no: int
    now_ms: int


async def put_row(
    link: Link, scope_id: UUID, table: str, values: Mapping[str, Cell | UUID], *, now_ms: int
) -> int:
    """Create or change one row the hub owns; return its version.

    Columns that are not named keep their value; deleting is naming `deleted_at_ms`. Raises
    OwnedElsewhere for a row of the school's own: take it over first, or send a command.
    """
    writing = await _begin(link, scope_id, table, now_ms)
    told: Named = {
        name: value.bytes if isinstance(value, UUID) else value for name, value in values.items()
    }
    before = await _current(link, writing, told["id"])
    hub = writing.who.hub_id.bytes
    if before is not None and before["owner_node_id"] != hub:
        raise OwnedElsewhere(f"{table} is a row of school {scope_id} itself")
    owned: Named = {"owner_node_id": hub}
    return await _write(link, writing, _new_row(writing.table) | (before or {}) | told | owned)


async def take_ownership(
    link: Link, school_id: UUID, table: str, row_id: UUID, *, now_ms: int
) -> int:
    """Make a row of the school the hub's; return its version.

    What the school still writes to it is refused by its lower number and kept as a conflict.
    Raises NotFound.
    """
    writing = await _begin(link, school_id, table, now_ms)
    before = await _found(link, writing, row_id)
    if before["owner_node_id"] == writing.who.hub_id.bytes:
        return _version(before)
    owned: Named = {"owner_node_id": writing.who.hub_id.bytes}
    return await _write(link, writing, before | owned | await _next_epoch(link))


async def give_back(link: Link, school_id: UUID, table: str, row_id: UUID, *, now_ms: int) -> int:
    """Make a row of the hub the school's own; return its version. Raises NotFound."""
    writing = await _begin(link, school_id, table, now_ms)
    before = await _found(link, writing, row_id)
    if before["owner_node_id"] is None:
        return _version(before)
    await link.execute(OFFER_TO_PULL, school_id, writing.who.hub_id, writing.change_no)
    owned: Named = {"owner_node_id": None}
    return await _write(link, writing, before | owned | await _next_epoch(link))


async def _begin(link: Link, scope_id: UUID, table: str, now_ms: int) -> Writing:
    change_no = await link.fetchval(NEXT_CHANGE, scope_id)
    assert change_no is not None, f"the transaction does not name scope {scope_id}"
    return Writing(await identity(link), scope_id, TABLE[table], change_no, now_ms)


async def _next_epoch(link: Link) -> Named:
    return {"owner_epoch": await link.fetchval(NEXT_OWNER_EPOCH)}


async def _found(link: Link, writing: Writing, row_id: UUID) -> Named:
    found = await _current(link, writing, row_id.bytes)
    if found is None:
        raise NotFound(f"{writing.table.name} {row_id}")
    return found


async def _current(link: Link, writing: Writing, row_id: Cell) -> Named | None:
    assert isinstance(row_id, bytes), "a row is named by its id"
    found = await link.fetchrow(READ_ROW[writing.table.name], writing.scope_id, UUID(bytes=row_id))
    if found is None:
        return None
    return {
        name: value.bytes if isinstance(value, UUID) else value for name, value in found.items()
    }


def _new_row(table: Table) -> Named:
    empty: Named = dict.fromkeys(column.name for column in table.columns)
    return empty | {"version": 0, "owner_epoch": 0}


def _version(named: Named) -> int:
    version = named["version"]
    assert isinstance(version, int)
    return version


async def _write(link: Link, writing: Writing, named: Named) -> int:
    """Write the whole row as its next version; the hub's own id is its epoch."""
    table, version = writing.table, _version(named) + 1
    whole = named | {"version": version, "updated_at_ms": writing.now_ms}
    assert len(whole) == len(table.columns), f"{table.name} has no such column: {sorted(whole)}"
    of = whole.get("org_id")
    assert of in {None, writing.scope_id.bytes}, "a box refuses a row of another school"
    cells = [whole[column.name] for column in table.columns]
    wrapped = [
        UUID(bytes=cell) if column.type == "id" and isinstance(cell, bytes) else cell
        for column, cell in zip(table.columns, cells, strict=True)
    ]
    hashed = row_hash(table, cells)
    own = (writing.scope_id, writing.who.hub_id, writing.change_no, writing.now_ms, hashed)
    await link.execute(PUT_ROW[table.name], *own, *wrapped)
    return version
