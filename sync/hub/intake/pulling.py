"""A school's own rows on their way back: what other epochs wrote past the node's cursor.

A restored or replaced box gets here what it lost. A page brings the rows its rows refer
to, when those stand later in the sequence: each page is one transaction on the box, and a
hand-in may have been sealed before its pupil. So whoever looks between two pages finds no
row that points nowhere.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from sync.core.columns import Rows, pack
from sync.hub.database import Link, rows, scoped
from sync.hub.identity import identity
from sync.hub.intake.nodes import NodeClaim, node_of, schema_of
from sync.hub.intake.receipts import Subject, school_log, sign_receipt
from sync.hub.intake.references import REFERENCES
from sync.hub.running import Hub
from sync.protocol import PAGE_RAW_BYTES_MAX, PAGE_ROWS_MAX, Block, Cell, PullPage, StreamPosition
from sync.registry import TABLES, Table

# A page is about the school's log, not about one stream.
NO_STREAM: Final = StreamPosition(lane=0, received_n=0, received_hash=bytes(32), applied_n=0)


class Place(Struct, frozen=True):
    """One row in the school's sequence of changes, and about how many bytes it takes."""

    change_no: int
    tbl: int
    id: UUID
    size: int


def feed_sql() -> str:
    """Find the next rows of all tables by their change number; each has an index on it."""
    parts = [
        f"""(SELECT t.change_no, {table.number}::bigint AS tbl, t.id, {size_of(table)} AS size
   FROM {table.name} AS t
  WHERE t.school_id  = $1
    AND t.src_epoch <> $2
    AND t.change_no  > $3{_own(table)}
  ORDER BY t.change_no
  LIMIT $4)"""  # noqa: S608 -- names from the registry
        for table in TABLES
        if table.owner != "hub"
    ]
    return "\n UNION ALL\n".join(parts) + "\n ORDER BY change_no\n LIMIT $4"


def _own(table: Table) -> str:
    """What the hub owns goes down by its feed alone, which also says when it is gone."""
    return "" if table.is_fact else " AND t.owner_node_id IS NULL"


def size_of(table: Table) -> str:
    """Length of its texts, which PostgreSQL knows without reading them, and 16 for the rest."""
    texts = [c.name for c in table.columns if c.type == "text"]
    lengths = [f"coalesce(octet_length(t.{name}), 0)" for name in texts]
    return " + ".join([*lengths, str(16 * len(table.columns))])


def rows_sql(table: Table) -> str:
    """Read rows by id, in the registry's order of columns."""
    names = ", ".join(f"t.{column.name}" for column in table.columns)
    return f"""
SELECT {names}, t.row_hash AS current_hash
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND t.id        = ANY($2::uuid[])
 ORDER BY t.change_no
"""  # noqa: S608 -- names from the registry


def later_sql(table: Table) -> str:
    """Of these rows, keep what the node does not have and this page would not bring."""
    return f"""
SELECT t.id
  FROM {table.name} AS t
 WHERE t.school_id  = $1
   AND t.id         = ANY($2::uuid[])
   AND t.src_epoch <> $3
   AND t.change_no  > $4{_own(table)}
"""  # noqa: S608 -- names from the registry


# What the box that wrote a row sent with it and this hub has no column for.
WHOLE_ROWS: Final[LiteralString] = """
SELECT x.pk, x.row_hash, x.image
  FROM sync_extra AS x
 WHERE x.school_id = $1
   AND x.tbl       = $2
   AND x.pk        = ANY($3::uuid[])
   AND x.columns  <> '[]'
"""

FEED: Final = feed_sql()
ROWS: Final = {table.name: rows_sql(table) for table in TABLES}
LATER: Final = {table.name: later_sql(table) for table in TABLES}
COLUMN_PLACE: Final = {
    (table.name, column.name): place
    for table in TABLES
    for place, column in enumerate(table.columns)
}


class Page(Struct, frozen=True):
    """Rows gathered for one answer, by table and id; `whole`: cells this hub has no column for."""

    school_id: UUID
    epoch: UUID
    until: int
    schema_version: int
    found: dict[str, dict[UUID, tuple[Cell, ...]]]
    whole: dict[tuple[str, UUID], dict[str, Cell]]

    def missing(self, table: Table) -> set[UUID]:
        """Ids of `table` that rows of this page name and this page does not hold."""
        named: set[UUID] = set()
        for child, column, parent in REFERENCES:
            if parent == table.name:
                place = COLUMN_PLACE[child, column]
                cells = (row[place] for row in self.found.get(child, {}).values())
                named |= {UUID(bytes=cell) for cell in cells if isinstance(cell, bytes)}
        return named - self.found.get(table.name, {}).keys()

    def blocks(self) -> list[Block]:
        """Pack the rows, parents before children (the registry's order)."""
        return [pack(rows) for table in TABLES for rows in self._rows_of(table)]

    def _rows_of(self, table: Table) -> Iterator[Rows]:
        """Rows with columns of their own stand in blocks of their own."""
        known = table.known_at(self.schema_version)
        places = [table.columns.index(column) for column in known]
        by_columns: dict[tuple[str, ...], list[tuple[Cell, ...]]] = {}
        for pk, row in self.found.get(table.name, {}).items():
            more = self.whole.get((table.name, pk), {})
            columns = (*(column.name for column in known), *more)
            cells = (*(row[at] for at in places), *more.values())
            by_columns.setdefault(columns, []).append(cells)
        for columns, found in by_columns.items():
            yield Rows(table.name, columns, found)


async def pull_page(hub: Hub, claim: NodeClaim, epoch: UUID, cursor: int, limit: int) -> PullPage:
    """Return the page after `cursor`; the last one moves the cursor to the log's end."""
    limit = min(limit, PAGE_ROWS_MAX)
    async with scoped(hub.pools.ingest, school_id=claim.school_id, at_one_moment=True) as link:
        await node_of(link, claim)
        who = await identity(link)
        log = await school_log(link, claim.school_id)
        ahead = await rows(link, Place, FEED, claim.school_id, epoch, cursor, limit + 1)
        places = within_bytes(ahead[:limit])
        more = len(places) < len(ahead)
        until = places[-1].change_no if more else log.change_no
        page = Page(claim.school_id, epoch, until, await schema_of(link, claim), {}, {})
        await _gather(link, page, places)
        await _close_over_references(link, page)
    return PullPage(
        rows=page.blocks(),
        next_cursor=page.until,
        more=more,
        incarnation=who.incarnation,
        receipt=sign_receipt(
            hub.key,
            who,
            Subject(claim.school_id, claim.node_id, epoch),
            NO_STREAM,
            log,
            now_ms=hub.clock(),
        ),
    )


def within_bytes(places: Sequence[Place]) -> Sequence[Place]:
    """Cut a page where it grows too large; one row always fits."""
    total = 0
    for number, place in enumerate(places):
        total += place.size
        if total > PAGE_RAW_BYTES_MAX and number > 0:
            return places[:number]
    return places


async def _gather(link: Link, page: Page, places: Sequence[Place]) -> None:
    for table in TABLES:
        wanted = [place.id for place in places if place.tbl == table.number]
        if wanted and table.known_at(page.schema_version):
            await read_rows(link, page, table, wanted)


async def _close_over_references(link: Link, page: Page) -> None:
    """Children before parents in the registry's order backwards: one pass reaches all."""
    for table in reversed(TABLES):
        named = page.missing(table)
        if named:
            later = await link.fetch(
                LATER[table.name], page.school_id, list(named), page.epoch, page.until
            )
            if later:
                await read_rows(link, page, table, [found["id"] for found in later])


async def read_rows(link: Link, page: Page, table: Table, wanted: Sequence[UUID]) -> None:
    kept = page.found.setdefault(table.name, {})
    hashes: dict[UUID, bytes] = {}
    for found in await link.fetch(ROWS[table.name], page.school_id, wanted):
        *cells, current_hash = found
        values = tuple(cell.bytes if isinstance(cell, UUID) else cell for cell in cells)
        kept[found["id"]] = values
        hashes[found["id"]] = current_hash
    for whole in await link.fetch(WHOLE_ROWS, page.school_id, table.number, wanted):
        if hashes.get(whole["pk"]) == whole["row_hash"]:
            page.whole[table.name, whole["pk"]] = strangers(table, whole["image"])


def strangers(table: Table, image: bytes) -> dict[str, Cell]:
    """Cells of a row as sent for which its table has no column."""
    cells: dict[str, Any] = msgspec.msgpack.decode(image, type=dict[str, Any])
    own = {column.name for column in table.columns}
    return {name: cell for name, cell in sorted(cells.items()) if name not in own}
