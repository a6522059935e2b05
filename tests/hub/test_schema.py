"""The hub's schema against the registry, the box's schema, and the rules of tenancy."""

import re

import apsw
import pytest

from appliance.database.migrate import EDGE_MIGRATIONS
from sync.hub.intake.references import REFERENCES
from sync.hub.intake.statements import POSTGRES_TYPE
from sync.hub.migrate import MIGRATIONS
from sync.merge import COMPARED
from sync.registry import TABLE, TABLES

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

# Columns the hub adds to every synced table.
OF_THE_HUB = {
    "school_id": "uuid",
    "row_hash": "bytea",
    "src_epoch": "uuid",
    "change_no": "bigint",
    "received_at_ms": "bigint",
}
# Tables without a school: there is one hub, and its own history.
WITHOUT_SCHOOL = {
    "hub_identity": "one row that names the hub itself",
    "schema_migration": "describes this database",
}

COLUMNS = """
SELECT c.column_name, c.data_type, c.is_nullable = 'YES' AS is_nullable,
       c.column_default
  FROM information_schema.columns AS c
 WHERE c.table_schema = 'public' AND c.table_name = $1
 ORDER BY c.ordinal_position
"""
KEYS = """
SELECT t.relname AS table_name, i.relname AS key_name,
       pg_get_indexdef(x.indexrelid, 1, true) AS first_column
  FROM pg_index AS x
  JOIN pg_class AS t ON t.oid = x.indrelid
  JOIN pg_class AS i ON i.oid = x.indexrelid
 WHERE t.relnamespace = 'public'::regnamespace AND (x.indisprimary OR x.indisunique)
"""
CHECKS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
 WHERE conrelid = $1::text::regclass AND contype = 'c'
"""
SECURITY = """
SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced
  FROM pg_class AS c
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
"""


@pytest.fixture
async def hub(dsn, as_role):
    return await as_role("postgres")


@pytest.fixture(scope="module")
def edge():
    """The box's schema, in memory."""
    connection = apsw.Connection(":memory:")
    for path in sorted(EDGE_MIGRATIONS.glob("*.sql")):
        for _ in connection.execute(path.read_text(encoding="utf-8")):
            pass
    return connection


def edge_columns(edge, table_name):
    """Name -> whether it may be null; STRICT tables say so in table_info."""
    return {
        row[1]: not (row[3] or row[5]) for row in edge.execute(f"PRAGMA table_info({table_name})")
    }


async def test_columns_are_the_registry_s_with_the_hub_s_around_them(hub):
    for table in TABLES:
        found = {
            row["column_name"]: row["data_type"] for row in await hub.fetch(COLUMNS, table.name)
        }
        own = {column.name: POSTGRES_TYPE[column.type] for column in table.columns}
        assert found == own | OF_THE_HUB, table.name
        names = [name for name in found if name not in OF_THE_HUB]
        assert names == [column.name for column in table.columns], table.name


async def test_a_column_may_be_null_on_both_sides_or_on_neither(hub, edge):
    for table in TABLES:
        here = {
            row["column_name"]: row["is_nullable"]
            for row in await hub.fetch(COLUMNS, table.name)
            if row["column_name"] not in OF_THE_HUB
        }
        assert here == edge_columns(edge, table.name), table.name


async def test_a_later_column_begins_empty_on_both_sides(hub, edge):
    """A default would make every row differ from what was sent, and stand where nobody said so."""
    for table in TABLES:
        late = {column.name for column in table.columns if column.since}
        there = {row["column_name"]: row for row in await hub.fetch(COLUMNS, table.name)}
        here = {row[1]: row for row in edge.execute(f"PRAGMA table_info({table.name})")}
        for name in late:
            assert there[name]["is_nullable"], (table.name, name)
            assert there[name]["column_default"] is None, (table.name, name)
            assert here[name][4] is None, (table.name, name)


def test_a_compared_fact_gains_no_column():
    """It has no version that could be raised, when a release that went back had sealed it."""
    late = [table.name for table in COMPARED for column in table.columns if column.since]
    assert not [name for name in late if TABLE[name].is_fact]


def constants(sql):
    """The words and numbers of a CHECK, however each engine writes it."""
    return set(re.findall(r"'(\w+)'", sql)) | set(re.findall(r"\b\d+\b", sql))


def declared(sql):
    """One text a column; SQLite writes those that were added later on one line."""
    return re.split(r"\n|, (?=\w+ (?:INTEGER|TEXT|BLOB))", sql)


async def test_checks_are_the_box_s_or_absent(hub, edge):
    """A value the box's CHECK lets through must not end in quarantine."""
    found = 0
    for table in TABLES:
        sql = edge.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table.name,)).get
        for name, check in await hub.fetch(CHECKS, table.name):
            column = name.removeprefix(f"{table.name}_").removesuffix("_check")
            (line,) = [line for line in declared(sql) if line.split()[:1] == [column]]
            assert constants(check) == constants(line[line.index("CHECK") :]), (name, line)
            found += 1
    assert found > 30


async def test_every_key_and_every_conflict_target_begins_with_the_school(hub):
    for row in await hub.fetch(KEYS):
        if row["table_name"] not in WITHOUT_SCHOOL:
            assert row["first_column"] == "school_id", dict(row)


async def test_row_security_is_forced_on_every_table_with_a_school(hub):
    for row in await hub.fetch(SECURITY):
        assert row["is_forced"] is (row["relname"] not in WITHOUT_SCHOOL), row["relname"]


async def test_every_synced_table_can_be_paged_by_change_number(hub):
    found = {
        row["indexdef"].split("btree ")[1]
        for row in await hub.fetch("SELECT tablename, indexdef FROM pg_indexes")
        if row["tablename"] in {table.name for table in TABLES} and "_change " in row["indexdef"]
    }
    assert found == {"(school_id, change_no)"}


async def test_the_roles_may_not_see_past_row_security(hub):
    roles = await hub.fetch(
        "SELECT rolname, rolsuper OR rolbypassrls AS sees_all FROM pg_roles"
        " WHERE rolname LIKE 'darasa_%'"
    )
    assert {row["rolname"]: row["sees_all"] for row in roles} == {
        "darasa_owner": False,
        "darasa_ingest": False,
        "darasa_web": False,
    }


async def test_ingest_can_delete_nothing(hub):
    grants = await hub.fetch(
        "SELECT table_name FROM information_schema.role_table_grants"
        " WHERE grantee = 'darasa_ingest' AND privilege_type IN ('DELETE', 'TRUNCATE')"
    )
    assert grants == []


def test_references_are_the_box_s_foreign_keys(edge):
    found = {
        (table.name, row[3], row[2])
        for table in TABLES
        for row in edge.execute(f"PRAGMA foreign_key_list({table.name})")
    }
    assert set(REFERENCES) == found


def test_parents_stand_before_their_children_in_the_registry():
    """A page is closed over references in one pass, children first."""
    place = {table.name: number for number, table in enumerate(TABLES)}
    assert all(place[parent] <= place[child] for child, _, parent in REFERENCES)


def test_conflict_targets_in_the_code_begin_with_the_school():
    folder = MIGRATIONS.parents[1] / "sync"
    targets = [
        target
        for path in folder.rglob("hub/**/*.py")
        for target in re.findall(r"ON CONFLICT \(([^)]*)\)", path.read_text(encoding="utf-8"))
    ]
    assert len(targets) > 5
    strangers = [target for target in targets if not target.startswith("school_id")]
    assert strangers == ["id"]  # hub_identity, which has no school
