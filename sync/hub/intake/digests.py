"""How many rows of each table the hub has, and one number that stands for their content.

The same sum as merge.digest, computed where the rows are; a test compares the two.
"""

from typing import Final

from sync.hub.database import scoped
from sync.hub.identity import identity
from sync.hub.intake.nodes import NodeClaim, node_of
from sync.hub.running import Hub
from sync.protocol import Digests, TableDigest
from sync.registry import TABLES, Table

DIGEST_BYTES: Final = 8
MODULUS: Final = 1 << 64


def digest_sql(table: Table) -> str:
    """Add up the first 64 bits of SHA-256(id, version, row_hash) of every row.

    bit(64)::bigint is signed; modulo 2^64 that makes no difference.
    """
    version = "1::bigint" if table.is_fact else "t.version"
    return f"""
SELECT count(*) AS rows,
       coalesce(sum(('x' || left(encode(sha256(uuid_send(t.id) || int8send({version})
                                               || t.row_hash), 'hex'), 16))
                    ::bit(64)::bigint::numeric), 0) AS total
  FROM {table.name} AS t
 WHERE t.school_id = $1
"""  # noqa: S608 -- names from the registry


DIGEST_SQL: Final = {table.name: digest_sql(table) for table in TABLES}


async def school_digests(hub: Hub, claim: NodeClaim) -> Digests:
    """Digest every synced table of the node's school."""
    tables = {}
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        who = await identity(link)
        for name, sql in DIGEST_SQL.items():
            found = await link.fetchrow(sql, claim.school_id)
            assert found is not None
            total = int(found["total"]) % MODULUS
            tables[name] = TableDigest(
                rows=found["rows"], digest=total.to_bytes(DIGEST_BYTES, "big")
            )
    return Digests(incarnation=who.incarnation, tables=tables)
