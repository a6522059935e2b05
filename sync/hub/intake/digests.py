"""What the hub has of a school, as numbers that stand for its content: by table, by bucket, by row.

The same sum as merge.digest, computed where the rows are; a test compares the two. A box
begins with its tables, goes on to the buckets of those that differ, and asks for rows only
in the end: when both agree, comparing a school costs two kilobytes.
"""

from typing import Final
from uuid import UUID

from appliance.errors import NotFound
from sync.hub.database import Link, rows, scoped
from sync.hub.identity import identity
from sync.hub.intake.nodes import NodeClaim, node_of, schema_of
from sync.hub.intake.pulling import Page, Place, read_rows, size_of, within_bytes
from sync.hub.intake.receipts import school_log
from sync.hub.running import Hub
from sync.merge import COMPARED
from sync.protocol import (
    PAGE_ROWS_MAX,
    Bucket,
    BucketDigests,
    BucketPage,
    Digests,
    RowsPage,
    RowsRequest,
    RowState,
    TableDigest,
)
from sync.registry import TABLE, TABLES, Table

DIGEST_BYTES: Final = 8
MODULUS: Final = 1 << 64
FIRST: Final = UUID(int=0)
OWN: Final = "(t.owner_node_id IS NULL OR t.owner_node_id = $2)"
BUCKET: Final = "get_byte(uuid_send(t.id), 15)"


def total_sql(table: Table) -> str:
    """Add up the first 64 bits of SHA-256(id, version, row_hash) of every row.

    bit(64)::bigint is signed; modulo 2^64 that makes no difference.
    """
    version = "1::bigint" if table.is_fact else "t.version"
    return f"""coalesce(sum(('x' || left(encode(sha256(uuid_send(t.id) || int8send({version})
                                               || t.row_hash), 'hex'), 16))
                    ::bit(64)::bigint::numeric), 0)"""


def is_own(table: Table) -> str:
    """Whether the asking node ($2) is the owner. Facts are always the box's."""
    return "$2::uuid IS NOT NULL" if table.is_fact else OWN


def digest_sql(table: Table) -> str:
    """Digest every row of the school."""
    return f"""
SELECT count(*) AS rows, {total_sql(table)} AS total
  FROM {table.name} AS t
 WHERE t.school_id = $1
"""  # noqa: S608 -- names from the registry


def own_sql(table: Table) -> str:
    """Digest the rows the box owns."""
    return f"{digest_sql(table)}   AND {is_own(table)}\n"


def buckets_sql(table: Table) -> str:
    """Digest the rows the box owns, by the last byte of their ids."""
    return f"""
SELECT {BUCKET} AS bucket, count(*) AS rows, {total_sql(table)} AS total
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND {is_own(table)}
 GROUP BY 1
 ORDER BY 1
"""  # noqa: S608 -- names from the registry


def states_sql(table: Table) -> str:
    """List one bucket."""
    order = "0::bigint, 1::bigint" if table.is_fact else "t.owner_epoch, t.version"
    return f"""
SELECT t.id, {order}, t.row_hash
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND {is_own(table)}
   AND {BUCKET}    = $3
   AND t.id        > $4
 ORDER BY t.id
 LIMIT $5
"""  # noqa: S608 -- names from the registry


def places_sql(table: Table) -> str:
    """Find rows by id, and about how many bytes each takes."""
    return f"""
SELECT t.change_no, {table.number}::bigint AS tbl, t.id, {size_of(table)} AS size
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND t.id        = ANY($2::uuid[])
 ORDER BY t.id
"""  # noqa: S608 -- names from the registry


DIGEST_SQL: Final = {table.name: digest_sql(table) for table in TABLES}
OWN_SQL: Final = {table.name: own_sql(table) for table in COMPARED}
BUCKETS_SQL: Final = {table.name: buckets_sql(table) for table in COMPARED}
STATES_SQL: Final = {table.name: states_sql(table) for table in COMPARED}
PLACES: Final = {table.name: places_sql(table) for table in COMPARED}


async def school_digests(hub: Hub, claim: NodeClaim) -> Digests:
    """Digest every synced table of the node's school."""
    async with scoped(hub.pools.ingest, school_id=claim.school_id, at_one_moment=True) as link:
        return await _digests(link, claim, DIGEST_SQL, claim.school_id)


async def own_digests(hub: Hub, claim: NodeClaim) -> Digests:
    """Digest what the node is the owner of."""
    async with scoped(hub.pools.ingest, school_id=claim.school_id, at_one_moment=True) as link:
        return await _digests(link, claim, OWN_SQL, claim.school_id, claim.node_id)


async def _digests(
    link: Link, claim: NodeClaim, statements: dict[str, str], *args: UUID
) -> Digests:
    await node_of(link, claim)
    who, log = await identity(link), await school_log(link, claim.school_id)
    tables = {}
    for name, sql in statements.items():
        found = await link.fetchrow(sql, *args)
        assert found is not None
        tables[name] = TableDigest(rows=found["rows"], digest=_bytes_of(found["total"]))
    return Digests(incarnation=who.incarnation, tables=tables, change_no=log.change_no)


async def bucket_digests(hub: Hub, claim: NodeClaim, table: str | None) -> BucketDigests:
    """Digest the buckets of one table, or of all. Raises NotFound."""
    async with scoped(hub.pools.ingest, school_id=claim.school_id, at_one_moment=True) as link:
        await node_of(link, claim)
        who = await identity(link)
        names = [compared(table).name] if table else list(BUCKETS_SQL)
        tables = {name: await _buckets(link, claim, name) for name in names}
    return BucketDigests(incarnation=who.incarnation, tables=tables)


async def _buckets(link: Link, claim: NodeClaim, name: str) -> list[Bucket]:
    return [
        Bucket(bucket=found["bucket"], rows=found["rows"], digest=_bytes_of(found["total"]))
        for found in await link.fetch(BUCKETS_SQL[name], claim.school_id, claim.node_id)
    ]


async def bucket_page(
    hub: Hub, claim: NodeClaim, table: str, bucket: int, after: UUID
) -> BucketPage:
    """List which image of each row of a bucket is here. Raises NotFound."""
    name = compared(table).name
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        who = await identity(link)
        args = (claim.school_id, claim.node_id, bucket, after, PAGE_ROWS_MAX + 1)
        found = await link.fetch(STATES_SQL[name], *args)
    return BucketPage(
        incarnation=who.incarnation,
        rows=[
            RowState(pk=pk.bytes, owner_epoch=owner_epoch, version=version, row_hash=hashed)
            for pk, owner_epoch, version, hashed in found[:PAGE_ROWS_MAX]
        ],
        more=len(found) > PAGE_ROWS_MAX,
    )


async def rows_page(hub: Hub, claim: NodeClaim, request: RowsRequest) -> RowsPage:
    """Give rows of the node's own school by id, as many as fit. Raises NotFound."""
    table = compared(request.table)
    ids = [UUID(bytes=each) for each in request.ids]
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        who = await identity(link)
        places = await rows(link, Place, PLACES[table.name], claim.school_id, ids)
        page = Page(claim.school_id, FIRST, 0, await schema_of(link, claim), {}, {})
        await read_rows(link, page, table, [place.id for place in within_bytes(places)])
    return RowsPage(incarnation=who.incarnation, rows=page.blocks())


def compared(name: str) -> Table:
    """Raises NotFound for a table that is not compared here."""
    table = TABLE.get(name)
    if table not in COMPARED:
        raise NotFound(f"no table {name} is compared")
    return table


def _bytes_of(total: int) -> bytes:
    return (int(total) % MODULUS).to_bytes(DIGEST_BYTES, "big")
