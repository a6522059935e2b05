"""Every table of the hub, as the catalogue lists them: which may still name a forgotten person.

A new table with a column that may point at somebody turns this red until `erase_person` reaches
it, or until it is said here why an id that leads nowhere may stay.
"""

from uuid import UUID

import pytest

from appliance.ids import uuid7
from sync.hub.erasure.commands import ERASE
from tests.hub.cast import NOW_MS

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

AMINA, SCHOOL, DISTRICT = UUID(int=0xA1), UUID(int=0xB1), UUID(int=0xB2)

# Words for what is never a person: places in a log, boxes, and what people work on.
NOT_PEOPLE = {
    "school_id",
    "org_id",
    "parent_id",
    "district_id",
    "for_school_id",
    "hub_id",
    "incarnation",
    "epoch",
    "src_epoch",
    "node_id",
    "owner_node_id",
    "used_by_node",
    "scope_id",
    "class_group_id",
    "course_id",
    "course_version_id",
    "module_id",
    "lesson_id",
    "section_id",
    "course_run_id",
    "enrolment_id",
    "assessment_id",
    "submission_id",
    "submission_revision_id",
    "conflict_id",
    "command_id",
    "proposal_id",
}
# An id, in tables whose rows are no people; rows about people go by another column.
OF_PEOPLE = {"person", "erasure", "erasure_request"}

STAYS = {
    ("erasure", "id"): "the list: whoever is on it is never taken in again",
    ("erasure_request", "id"): "who asked, and why",
    ("erasure_answer", "erasure_id"): "which boxes have forgotten them",
    ("sync_feed", "pk"): "a box lets go of a row by its id",
    ("grade", "by_person_id"): "a mark is the pupil's; who gave it is a row without a name",
    ("proposal", "by_person_id"): "what they wrote of somebody else",
    ("command", "by_person_id"): "staff of the district, who are no school's people",
    ("enrolment_token", "by_person_id"): "staff of the district",
    ("erasure_request", "by_person_id"): "staff of the district",
    ("conflict_look", "by_person_id"): "staff of the district",
    ("node", "revoked_by"): "staff of the district",
    ("sync_quarantine", "dismissed_by"): "staff of the district",
    ("sync_quarantine", "replayed_by"): "staff of the district",
}
# Bytes that are no rows: sums, keys, names of tables.
NOT_CONTENT = {
    "row_hash",
    "content_hash",
    "sha256",
    "hub_key",
    "node_key",
    "used_by_key",
    "token_hash",
    "secret_hash",
    "hash",
    "prev_hash",
    "received_hash",
    "log_hash",
}
# Bytes that go with everything a school sent, whoever is forgotten; see test_erasure.py.
ALL_GO = {("sync_inbox", "raw"), ("sync_held", "raw"), ("sync_raw", "raw")}

TABLES = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS kind, a.attnotnull
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT c.relispartition
 ORDER BY c.relname, a.attnum
"""
DROP_CHECKS = """
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT conrelid::regclass AS tbl, conname FROM pg_constraint AS k
              JOIN pg_class AS r ON r.oid = k.conrelid AND NOT r.relispartition
             WHERE k.contype = 'c' AND r.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.tbl, c.conname);
    END LOOP;
END $$;
"""
LISTED = "UPDATE erasure SET school_id = $1, id = $2"
SCOPE = "SELECT set_config('app.school_id', $1, true), set_config('app.district', $2, true)"
VALUE = {
    "uuid": lambda: uuid7(NOW_MS),
    "bigint": lambda: 1,
    "text": lambda: "text",
    "bytea": lambda: bytes(32),
    "xid8": lambda: "1",
    "boolean": lambda: False,
}
TRACE = b"\xa9person_id\xc4\x10" + AMINA.bytes


@pytest.fixture
async def root(dsn, as_role):
    """The superuser, in a transaction that leaves nothing behind; any row may be written."""
    root = await as_role("postgres")
    transaction = root.transaction()
    await transaction.start()
    await root.execute(DROP_CHECKS)
    yield root
    await transaction.rollback()


@pytest.fixture
async def tables(root):
    found = {}
    for name, column, kind, _ in await root.fetch(TABLES):
        found.setdefault(name, {})[column] = kind
    return found


async def put(root, tables, name, **given):
    """One row of a table, whatever it is, with `given` in it."""
    of_school = {"school_id": SCHOOL} if "school_id" in tables[name] else {}
    row = {column: VALUE[kind]() for column, kind in tables[name].items()} | of_school | given
    places = ", ".join(
        f"${at}::text::xid8" if tables[name][column] == "xid8" else f"${at}"
        for at, column in enumerate(row, start=1)
    )
    sql = f"INSERT INTO {name} ({', '.join(row)}) VALUES ({places})"
    await root.execute("SET LOCAL session_replication_role = replica")
    await root.execute(sql, *row.values())
    await root.execute("SET LOCAL session_replication_role = origin")


async def forget(root, tables):
    await put(root, tables, "erasure", id=AMINA)
    await root.execute(SCOPE, str(SCHOOL), str(DISTRICT))
    await root.execute("SET LOCAL ROLE darasa_web")
    await root.fetchval(ERASE, AMINA)
    await root.execute("RESET ROLE")


def may_be_people(tables):
    return {
        (name, column)
        for name, columns in tables.items()
        for column, kind in columns.items()
        if kind == "uuid"
        and column not in NOT_PEOPLE
        and (column != "id" or name in OF_PEOPLE)
        and "school_id" in columns
    }


async def test_every_column_that_may_be_a_person_is_emptied_or_has_a_reason(root, tables):
    places = may_be_people(tables)
    assert STAYS.keys() <= places
    seen = uuid7(NOW_MS)
    await put(root, tables, "sync_conflict", id=seen)
    for name, column in places - {("erasure", "id")}:
        looked_at = {"conflict_id": seen} if name == "conflict_look" else {}
        await put(root, tables, name, **{column: AMINA}, **looked_at)
    await forget(root, tables)
    still = set()
    for name, column in places:
        sql = f"SELECT EXISTS (SELECT 1 FROM {name} WHERE {column} = $1 AND school_id = $2)"
        if await root.fetchval(sql, AMINA, SCHOOL):
            still.add((name, column))
    assert still - STAYS.keys() == set(), "these still name a forgotten person"
    assert STAYS.keys() - still == set(), "these reasons are no longer needed"


async def test_every_image_of_a_row_about_the_person_is_gone(root, tables):
    kept = {
        (name, column)
        for name, columns in tables.items()
        for column, kind in columns.items()
        if kind == "bytea" and column not in NOT_CONTENT and "school_id" in columns
    }
    assert kept >= ALL_GO
    for name, column in kept - ALL_GO:
        await put(root, tables, name, **{column: b"\x82" + TRACE + b"\xa4name\xa5Amina"})
    await forget(root, tables)
    for name, column in kept - ALL_GO:
        sql = f"SELECT count(*) FROM {name} WHERE position($1 IN {column}) > 0"
        assert await root.fetchval(sql, TRACE) == 0, (name, column)


async def test_what_hangs_on_a_row_that_goes_goes_with_it(root, tables):
    """Somebody's answer to what was said of them, who held their row, who has looked at it."""
    row, other = uuid7(NOW_MS), uuid7(NOW_MS)
    of_amina = {"id": row, "person_id": AMINA}
    for name in ("proposal", "command", "submission"):
        await put(root, tables, name, **of_amina)
        await put(root, tables, name, id=other)
    for name, column in (
        ("proposal_decision", "proposal_id"),
        ("command_result", "command_id"),
        ("sync_holder", "pk"),
        ("sync_quarantine", "pk"),
        ("sync_conflict", "pk"),
        ("sync_extra", "pk"),
    ):
        for value in (row, other):
            await put(root, tables, name, **{column: value})
    (kept,) = await root.fetch("SELECT id FROM sync_conflict WHERE pk = $1", other)
    (lost,) = await root.fetch("SELECT id FROM sync_conflict WHERE pk = $1", row)
    for conflict in (kept["id"], lost["id"]):
        await put(root, tables, "conflict_look", conflict_id=conflict)
    await forget(root, tables)
    for name in ("proposal_decision", "command_result", "sync_holder", "sync_quarantine"):
        assert await root.fetchval(f"SELECT count(*) FROM {name}") == 1, name
    looks = await root.fetch("SELECT conflict_id FROM conflict_look")
    assert [look["conflict_id"] for look in looks] == [kept["id"]]
