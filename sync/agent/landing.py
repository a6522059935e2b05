"""Rows the hub wrote, put into the school's database as they come.

They are not merged: they have one writer. What they meet of the school's own is kept in
sync_conflict when it was not sent yet. A row the schema has no place for is parked, so that
one row never holds up the rows behind it; a row that others of this box still name stays.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, LiteralString, cast
from uuid import UUID

import msgspec
from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.database.transaction import Transaction
from sync.agent import scopes
from sync.agent.faults import HubUntrusted
from sync.agent.recovery import BEGIN_APPLYING, END_APPLYING
from sync.agent.rows import PUT_ROW, Row, is_forgotten, is_nameless, keep_image, read_row
from sync.agent.sweeping import KEPT, ForeignKey, unnamed
from sync.core.columns import BlockCorrupt, Rows, unpack
from sync.merge import image_of
from sync.protocol import Cell, FeedPage, Gone, encode
from sync.registry import TABLE, Table

OWNER: Final = -3  # where owner_node_id stands in every mutable table
OWNER_EPOCH: Final = -4


IS_WAITING: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM sync_dirty WHERE tbl = ?1 AND pk = ?2)
"""

FORGET_MARK: Final[LiteralString] = "DELETE FROM sync_dirty WHERE tbl = ?1 AND pk = ?2"


class Ground(Struct, frozen=True):
    """Where rows land: who we are, whose rows we take, and which scopes they may be of."""

    node_id: UUID
    hub_id: UUID
    epoch: UUID
    scope_ids: Set[UUID]
    keys: Sequence[ForeignKey]
    is_replacing: bool
    now_ms: int


class Arriving(Struct, frozen=True):
    """Rows of one table: values by name, as they came."""

    scope_id: UUID
    table_name: str
    rows: Sequence[Mapping[str, Cell]]


def read_page(page: FeedPage, ground: Ground) -> list[Arriving]:
    """Unpack a page. Raises HubUntrusted when one row of it is not for this box to take."""
    try:
        blocks = [unpack(block) for block in page.rows]
    except BlockCorrupt as error:
        raise HubUntrusted(f"feed: {error}") from error
    found = [_named(page.since.scope_id, rows) for rows in blocks]
    for arriving in found:
        require_honest(arriving, ground)
    return found


def _named(scope_id: UUID, rows: Rows) -> Arriving:
    named = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    return Arriving(scope_id, rows.table, named)


def require_honest(arriving: Arriving, ground: Ground) -> None:
    """Refuse rows that no hub of ours writes: facts, other schools', other owners'."""
    table = TABLE.get(arriving.table_name)
    if table is not None and table.is_fact:
        raise HubUntrusted(f"feed: {table.name} is written by schools alone")
    for named in arriving.rows:
        if not is_honest(named, arriving.table_name, ground):
            raise HubUntrusted(
                f"feed: a row of {arriving.table_name} is of another owner or school"
            )


def is_honest(named: Mapping[str, Cell], table_name: str, ground: Ground) -> bool:
    """Say whether a row has an id, is the hub's or was given to this school, and is of ours."""
    row_id = named.get("id")
    if not isinstance(row_id, bytes) or len(row_id) != 16:
        return False
    if named.get("owner_node_id") not in {None, ground.hub_id.bytes}:
        return False
    of = row_id if table_name == "org_unit" else named.get("org_id")
    return of is None or of in {scope_id.bytes for scope_id in ground.scope_ids}


def land_page(db: AgentDatabase, page: FeedPage, ground: Ground) -> int:
    """Put a page's rows in and move the cursor, in one transaction; return how many came."""
    arriving = read_page(page, ground)
    with db.changing() as tx:
        tx.run(BEGIN_APPLYING)
        for each in arriving:
            for named in each.rows:
                land(db, tx, each, named, ground)
        for gone in sorted(page.gone, key=_children_first):
            leave(tx, gone, ground)
        scopes.move(tx, page.cursor, now_ms=ground.now_ms)
        tx.run(END_APPLYING)
    return sum(len(each.rows) for each in arriving)


def land(
    db: AgentDatabase,
    tx: Transaction,
    arriving: Arriving,
    named: Mapping[str, Cell],
    ground: Ground,
) -> None:
    """Put one row in; park it, too, when this release cannot hold all of it."""
    pk = cast(bytes, named["id"])
    table = TABLE.get(arriving.table_name)
    is_whole = table is not None and _put(db, tx, table, named, ground)
    if table is not None and ground.is_replacing:
        tx.run(scopes.NOTE_SEEN, (arriving.scope_id, table.number, pk))
    if is_whole:
        tx.run(scopes.UNPARK, (arriving.table_name, pk))
        return
    image = encode(dict(named))
    tx.run(scopes.PARK, (arriving.scope_id, arriving.table_name, pk, image, ground.now_ms))


def _put(
    db: AgentDatabase, tx: Transaction, table: Table, named: Mapping[str, Cell], ground: Ground
) -> bool:
    """Return whether the row is here with every column it came with."""
    pk = cast(bytes, named["id"])
    ours = read_row(db, table, pk)
    row = _as_row(table, named, ours)
    is_whole = {column.name for column in table.columns}.issuperset(named)
    if is_forgotten(db, table, row):
        return True
    if row == ours or (ours is not None and _is_school_s(ours, row, ground)):
        return is_whole
    waits = bool(db.value(IS_WAITING, (table.number, pk)))
    if not tx.fits(PUT_ROW[table.name], row):
        return False
    if (
        ours is not None
        and not is_nameless(table, ours)
        and _is_only_here(ours, ground, waits=waits)
    ):
        image = image_of(table, ours, ground.epoch.bytes)
        keep_image(tx, table, ours, image, now_ms=ground.now_ms)
    if row[OWNER] is not None:
        tx.run(FORGET_MARK, (table.number, pk))  # it is not ours to send any more
    return is_whole


def _is_only_here(ours: Row, ground: Ground, *, waits: bool) -> bool:
    """Say whether what gives way may hold words of the school that no hub has.

    They were not sent yet; or the hub took them over, and was then rolled back to a time
    before it had them.
    """
    if ours[OWNER] is None:
        return waits
    return ground.is_replacing and cast(int, ours[OWNER_EPOCH]) > 0


def _as_row(table: Table, named: Mapping[str, Cell], ours: Row | None) -> Row:
    """In the registry's order; what an older hub does not know stays as it is here."""
    before = ours or (None,) * len(table.columns)
    return tuple(
        named.get(column.name, kept) for column, kept in zip(table.columns, before, strict=True)
    )


def _is_school_s(ours: Row, row: Row, ground: Ground) -> bool:
    """Say whether the school owns a row under no lower number than the one that comes."""
    if ours[OWNER] not in {None, ground.node_id.bytes}:
        return False
    return cast(int, ours[OWNER_EPOCH]) >= cast(int, row[OWNER_EPOCH] or 0)


# Rows that are gone.


def _children_first(gone: Gone) -> int:
    return -TABLE[gone.t].number if gone.t in TABLE else 0


def leave(tx: Transaction, gone: Gone, ground: Ground) -> None:
    """Remove a row the hub has no longer, unless it is the school's or still named here."""
    tx.run(scopes.UNPARK, (gone.t, gone.pk))
    table = TABLE.get(gone.t)
    if table is None or table.is_fact or table.name in KEPT:
        return
    tx.run(scopes.UNSEE, (table.number, gone.pk))
    tx.run(_remove_sql(ground.keys, table), (gone.pk, ground.node_id))


def _remove_sql(keys: Sequence[ForeignKey], table: Table) -> LiteralString:
    alone = "".join(f" AND {part}" for part in unnamed(keys, table))
    return f"DELETE FROM {table.name} AS t WHERE t.id = ?1 AND t.owner_node_id <> ?2{alone}"  # noqa: S608 -- names from the registry


# Rows that waited for a migration.


def replay(db: AgentDatabase, parked: Sequence[scopes.Parked], ground: Ground) -> None:
    """Try parked rows again; what still has no place stays parked."""
    with db.changing() as tx:
        tx.run(BEGIN_APPLYING)
        for each in parked:
            named: dict[str, Any] = msgspec.msgpack.decode(each.image, type=dict[str, Any])
            table = TABLE.get(each.tbl)
            is_ours = table is not None and not table.is_fact
            if is_ours and is_honest(named, each.tbl, ground):
                land(db, tx, Arriving(each.scope_id, each.tbl, ()), named, ground)
        tx.run(END_APPLYING)
