"""A page of what the hub writes: the next lines of one scope's feed and the rows they name.

Cursor and page are read in one transaction on one server, so a page never speaks of
another state of the hub than the cursor it ends in.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from sync.core.columns import Rows, pack
from sync.core.scopes import Place, Source, counts_here, judge_cursor, moved, place
from sync.hub.database import Link, row, rows, scoped, set_scope
from sync.hub.faults import CursorUnknown, ScopeForeign
from sync.hub.identity import Identity, identity
from sync.hub.intake.nodes import NodeClaim, node_of
from sync.hub.intake.references import REFERENCES
from sync.hub.running import Hub
from sync.protocol import (
    PAGE_RAW_BYTES_MAX,
    PAGE_ROWS_MAX,
    Block,
    Cell,
    FeedPage,
    Gone,
    ScopeCursor,
    ScopeState,
    SignedFeed,
    encode,
    feed_message,
)
from sync.registry import TABLE_NUMBERED, TABLES, Table

# The timeline of a server that writes stands in its WAL's file names at once; the control
# file learns of a promotion only at the next checkpoint.
SOURCE: Final[LiteralString] = """
SELECT s.system_identifier::text                                   AS system,
       CASE WHEN pg_is_in_recovery() THEN c.timeline_id
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
       END::bigint                                                 AS timeline,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint       AS horizon,
       pg_is_in_recovery()                                         AS is_replica
  FROM pg_control_system()     AS s,
       pg_control_checkpoint() AS c
"""

# Below the horizon only: a number that was drawn first may be committed last, and whoever
# has read past it would never see it.
NEXT_LINES: Final[LiteralString] = """
SELECT f.tbl, f.pk, f.xid::text::bigint AS xid, f.no
  FROM sync_feed AS f
 WHERE f.school_id = $1
   AND f.xid       < pg_snapshot_xmin(pg_current_snapshot())
   AND (f.xid, f.no) > ($2::text::xid8, $3)
 ORDER BY f.xid, f.no
 LIMIT $4
"""

NEWEST_LINES: Final[LiteralString] = """
SELECT s.id AS scope_id, f.xid::text::bigint AS xid, f.no
  FROM unnest($1::uuid[]) AS s (id)
 CROSS JOIN LATERAL (SELECT l.xid, l.no
                       FROM sync_feed AS l
                      WHERE l.school_id = s.id
                        AND l.xid       < pg_snapshot_xmin(pg_current_snapshot())
                      ORDER BY l.xid DESC, l.no DESC
                      LIMIT 1) AS f
"""

NOWHERE: Final[Place] = (0, 0)  # before every line

Cells = tuple[Cell, ...]
Found = dict[str, dict[UUID, Cells]]


class Line(Struct, frozen=True):
    """One row's place in the feed."""

    tbl: int
    pk: UUID
    xid: int
    no: int


class Newest(Struct, frozen=True):
    """Where a scope's feed ends."""

    scope_id: UUID
    xid: int
    no: int


class Here(Struct, frozen=True):
    """What SOURCE says; the incarnation is the hub's own."""

    system: str
    timeline: int
    horizon: int
    is_replica: bool


class Question(Struct, frozen=True):
    """What a box asks for."""

    cursor: ScopeCursor
    limit: int


def sizes_sql(table: Table) -> str:
    """About how many bytes a row takes; PostgreSQL knows a text's length without reading it."""
    texts = [f"coalesce(octet_length(t.{c.name}), 0)" for c in table.columns if c.type == "text"]
    return f"""
SELECT t.id, {" + ".join([*texts, str(16 * len(table.columns))])} AS size
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND t.id        = ANY($2::uuid[])
"""  # noqa: S608 -- names from the registry


def rows_sql(table: Table) -> str:
    """Read rows of these scopes by id, in the registry's order of columns.

    What was given back goes out once more, whole: the box learns by it that it is its own.
    """
    names = ", ".join(f"t.{column.name}" for column in table.columns)
    return f"""
SELECT {names}
  FROM {table.name} AS t
 WHERE t.school_id = ANY($1::uuid[])
   AND t.id        = ANY($2::uuid[])
   AND ($3 OR t.owner_node_id IS NOT NULL)
 ORDER BY t.change_no
"""  # noqa: S608 -- names from the registry


FED: Final = [table for table in TABLES if table.owner != "box"]
SIZES: Final = {table.name: sizes_sql(table) for table in FED}
ROWS: Final = {table.name: rows_sql(table) for table in FED}
NAMES: Final = {table.name: tuple(c.name for c in table.columns) for table in FED}


async def feed_page(hub: Hub, claim: NodeClaim, asked: Question) -> SignedFeed:
    """Return the page after a cursor, signed for one box.

    Raises ScopeForeign, CursorUnknown: a page from elsewhere must never look like the end.
    """
    async with scoped(hub.pools.ingest, school_id=claim.school_id, at_one_moment=True) as link:
        await node_of(link, claim)
        who = await identity(link)
        page = await read_page(link, who, claim, asked)
    body = encode(page)
    return SignedFeed(body=body, signature=hub.key.sign(feed_message(body)))


async def read_page(link: Link, who: Identity, claim: NodeClaim, asked: Question) -> FeedPage:
    """Gather a page in a transaction that sees one moment."""
    scopes, cursor = scopes_of(who, claim.school_id), asked.cursor
    if cursor.scope_id not in scopes:
        raise ScopeForeign(f"scope {cursor.scope_id} is not of school {claim.school_id}")
    source = await source_of(link, who)
    if not counts_here(cursor, source):
        raise CursorUnknown(f"scope {cursor.scope_id}: this cursor is of another hub's state")
    await set_scope(link, school_id=claim.school_id, district_id=who.district_id)
    limit = min(asked.limit, PAGE_ROWS_MAX)
    after = place(cursor)
    ahead = await rows(link, Line, NEXT_LINES, cursor.scope_id, str(after[0]), after[1], limit + 1)
    lines = await _within_bytes(link, cursor.scope_id, ahead[:limit])
    found = await _named_by(link, cursor.scope_id, lines)
    await _close_over_references(link, scopes, found)
    end = (lines[-1].xid, lines[-1].no) if lines else after
    return FeedPage(
        node_id=claim.node_id,
        since=cursor,
        cursor=moved(cursor, source, end),
        rows=list(_blocks(found)),
        gone=list(_gone(lines, found)),
        more=len(lines) < len(ahead),
    )


def scopes_of(who: Identity, school_id: UUID) -> list[UUID]:
    """What a box of this school may read: its ancestors first, which its own rows refer to."""
    assert who.district_id is not None, "there are no boxes before there is a district"
    return [who.district_id, school_id]


async def source_of(link: Link, who: Identity) -> Source:
    """Read which PostgreSQL this is and how far it may be read."""
    here = await row(link, Here, SOURCE)
    assert here is not None
    return Source(who.incarnation, here.system, here.timeline, here.horizon, here.is_replica)


async def scope_states(
    link: Link, who: Identity, school_id: UUID, told: Sequence[ScopeCursor]
) -> list[ScopeState]:
    """Say what a box should do about each scope it reads. Opens the district for reading."""
    source = await source_of(link, who)
    await set_scope(link, school_id=school_id, district_id=who.district_id)
    cursors = {cursor.scope_id: cursor for cursor in told}
    scopes = scopes_of(who, school_id)
    ends = {
        end.scope_id: (end.xid, end.no) for end in await rows(link, Newest, NEWEST_LINES, scopes)
    }
    return [
        ScopeState(
            scope_id=scope_id,
            state=judge_cursor(cursors.get(scope_id), source, ends.get(scope_id, NOWHERE)),
        )
        for scope_id in scopes
    ]


async def _within_bytes(link: Link, scope_id: UUID, lines: Sequence[Line]) -> Sequence[Line]:
    """Cut a page where it grows too large; one row always fits."""
    sizes: dict[UUID, int] = {}
    for table, wanted in _by_table(lines):
        found = await link.fetch(SIZES[table.name], scope_id, wanted)
        sizes |= {each["id"]: each["size"] for each in found}
    total = 0
    for number, line in enumerate(lines):
        total += sizes.get(line.pk, 0)
        if total > PAGE_RAW_BYTES_MAX and number > 0:
            return lines[:number]
    return lines


def _by_table(lines: Sequence[Line]) -> Iterator[tuple[Table, list[UUID]]]:
    for table in FED:
        wanted = [line.pk for line in lines if line.tbl == table.number]
        if wanted:
            yield table, wanted


async def _named_by(link: Link, scope_id: UUID, lines: Sequence[Line]) -> Found:
    found: Found = {}
    for table, wanted in _by_table(lines):
        await _read_rows(link, found, table, [scope_id], wanted, is_line=True)
    return found


async def _close_over_references(link: Link, scopes: Sequence[UUID], found: Found) -> None:
    """Add what these rows name, whether it came before or not: it is small.

    Children before parents in the registry's order backwards: one pass reaches all.
    """
    for table in reversed(FED):
        missing = _missing(table, found)
        if missing:
            await _read_rows(link, found, table, scopes, missing, is_line=False)


def _missing(table: Table, found: Found) -> list[UUID]:
    named: set[UUID] = set()
    for child, column, parent in REFERENCES:
        if parent == table.name and child in found:
            at = NAMES[child].index(column)
            cells = (values[at] for values in found[child].values())
            named |= {UUID(bytes=cell) for cell in cells if isinstance(cell, bytes)}
    return list(named - found.get(table.name, {}).keys())


async def _read_rows(
    link: Link,
    found: Found,
    table: Table,
    scopes: Sequence[UUID],
    wanted: Sequence[UUID],
    *,
    is_line: bool,
) -> None:
    kept = found.setdefault(table.name, {})
    for each in await link.fetch(ROWS[table.name], scopes, wanted, is_line):
        kept[each["id"]] = tuple(cell.bytes if isinstance(cell, UUID) else cell for cell in each)


def _blocks(found: Mapping[str, Mapping[UUID, Cells]]) -> Iterator[Block]:
    """Pack the rows, parents before children (the registry's order)."""
    for table in FED:
        if found.get(table.name):
            yield pack(Rows(table.name, NAMES[table.name], list(found[table.name].values())))


def _gone(lines: Sequence[Line], found: Mapping[str, Mapping[UUID, Cells]]) -> Iterator[Gone]:
    """Lines whose row was taken out of the hub: its person was erased."""
    for line in lines:
        name = TABLE_NUMBERED[line.tbl].name
        if line.pk not in found.get(name, {}):
            yield Gone(t=name, pk=line.pk.bytes)
