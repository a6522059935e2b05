"""`darasa-hub shard`: spread the district's schools over a Citus cluster.

Every key of every table with a school begins with `school_id`, so each of them can be
distributed by it as it is; what has no school is on every node. Where the extension is
missing the statements are shown and nothing is done: they are unverified until somebody runs
them (docs/decisions/0012).
"""

from typing import Final, LiteralString

import asyncpg

from sync.hub.database import Link
from sync.hub.migrate import BE_OWNER

HAS_CITUS: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM pg_extension AS e WHERE e.extname = 'citus')
"""

# Partitions follow their table. The directory is asked for by its district, not by school.
TABLES: Final[LiteralString] = """
SELECT c.relname AS name,
       c.relname <> 'school' AND EXISTS (SELECT 1
                                           FROM pg_attribute AS a
                                          WHERE a.attrelid = c.oid
                                            AND a.attname  = 'school_id') AS has_school
  FROM pg_class AS c
 WHERE c.relkind IN ('r', 'p')
   AND NOT c.relispartition
   AND c.relnamespace = 'public'::regnamespace
 ORDER BY has_school, c.relname
"""

REFERENCE: Final = "SELECT create_reference_table('{name}')"
FIRST: Final = "SELECT create_distributed_table('{name}', 'school_id')"
BESIDE: Final = "SELECT create_distributed_table('{name}', 'school_id', colocate_with => '{first}')"


async def statements(link: Link) -> list[str]:
    """What makes this database a cluster, in order; one school's rows stay on one node."""
    found = await link.fetch(TABLES)
    spread = [row["name"] for row in found if row["has_school"]]
    made = [REFERENCE.format(name=row["name"]) for row in found if not row["has_school"]]
    made += [FIRST.format(name=spread[0])]
    return made + [BESIDE.format(name=name, first=spread[0]) for name in spread[1:]]


async def shard(dsn: str) -> tuple[list[str], bool]:
    """Run the statements where Citus is installed; return them, and whether they were run."""
    link = await asyncpg.connect(dsn)
    try:
        await link.execute(BE_OWNER)
        sql = await statements(link)
        has_citus = bool(await link.fetchval(HAS_CITUS))
        if has_citus:
            async with link.transaction():
                for statement in sql:
                    await link.execute(statement)
    finally:
        await link.close()
    return sql, has_citus
