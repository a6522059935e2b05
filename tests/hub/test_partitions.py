"""What grows is spread by school; what stood before stays, under the same locks."""

import shutil

import asyncpg
import pytest

from sync.hub.migrate import MIGRATIONS, migrate
from tests.hub.cast import NOW_MS, facts

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

FLAT = 7  # the last migration before the partitions
ADD_SECTION_PROGRESS = """
INSERT INTO section_progress (school_id, enrolment_id, section_id, percent)
SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), n FROM generate_series(1, 50) AS n
"""
LOCKS = """
SELECT p.policyname, p.cmd, p.roles, p.qual, p.with_check
  FROM pg_policies AS p
 WHERE p.tablename = $1
 ORDER BY p.policyname
"""
GRANTS = """
SELECT g.grantee, g.privilege_type
  FROM information_schema.role_table_grants AS g
 WHERE g.table_name = $1 AND g.grantee LIKE 'darasa%'
 ORDER BY g.grantee, g.privilege_type
"""
INDEXES = """
SELECT i.indexname, split_part(i.indexdef, ' USING ', 2)
  FROM pg_indexes AS i
 WHERE i.tablename = $1
 ORDER BY i.indexname
"""
TRIGGERS = """
SELECT t.tgname
  FROM pg_trigger AS t
 WHERE t.tgrelid = $1::text::regclass AND NOT t.tgisinternal
 ORDER BY t.tgname
"""


async def described(link, table):
    return {sql: [tuple(row) for row in await link.fetch(sql, table)] for sql in LOOKED_AT}


LOOKED_AT = (LOCKS, GRANTS, INDEXES, TRIGGERS)
SPREAD = ("progress_fact", "section_progress", "submission", "sync_inbox")


async def test_a_hub_with_work_in_it_is_spread_without_losing_a_row_or_a_lock(empty_dsn, tmp_path):
    for path in sorted(MIGRATIONS.glob("*.sql"))[:FLAT]:
        shutil.copy(path, tmp_path)
    await migrate(empty_dsn, lambda: NOW_MS, tmp_path)
    link = await asyncpg.connect(empty_dsn)
    await link.execute(ADD_SECTION_PROGRESS)
    rows = await link.fetch("SELECT * FROM section_progress ORDER BY school_id")
    before = {table: await described(link, table) for table in SPREAD}
    await migrate(empty_dsn, lambda: NOW_MS)
    assert await link.fetch("SELECT * FROM section_progress ORDER BY school_id") == rows
    assert {table: await described(link, table) for table in SPREAD} == before
    parts = await link.fetchval("SELECT count(DISTINCT tableoid) FROM section_progress")
    assert parts == 8
    await link.close()


async def test_one_schools_facts_stay_in_one_partition(district, dsn):
    box = await district.school()
    await box.send(facts(20))
    link = await asyncpg.connect(dsn)
    counted = await link.fetch("SELECT count(*) FROM progress_fact GROUP BY tableoid")
    assert [row["count"] for row in counted] == [20]
    await link.close()


async def test_nobody_reads_a_partition_past_the_locks(as_role, district):
    box = await district.school()
    await box.send(facts(3))
    for role in ("darasa_ingest", "darasa_web"):
        link = await as_role(role)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await link.fetch("SELECT * FROM progress_fact_0")
