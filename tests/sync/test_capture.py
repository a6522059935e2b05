"""Every change of a synced table is noticed, and only allowed changes happen."""

import re
from uuid import UUID

import apsw
import pytest

from appliance.database.connection import open_connection
from sync.agent.sealing import READ_WAITING
from sync.capture import all_triggers
from sync.projections import SQLITE_SECTION_PROGRESS
from sync.registry import TABLE, TABLES

NOW_MS = 1_760_000_000_000
SCHOOL, NODE, OTHER_NODE = (UUID(int=number).bytes for number in (1, 2, 3))


@pytest.fixture
def unclaimed(migrated, tmp_path):
    path = tmp_path / "school.db"
    path.write_bytes(migrated)
    connection = open_connection(path, role="writer", mmap_size_bytes=0)
    connection.pragma("foreign_keys", 0)
    yield connection
    connection.close()


@pytest.fixture
def db(unclaimed):
    unclaimed.execute(
        "INSERT INTO sync_identity (node_id, school_id, epoch) VALUES (?1, ?2, ?2)", (NODE, SCHOOL)
    )
    return unclaimed


def dirty(db):
    found = db.execute("SELECT tbl, pk, lane, rank, day, seq FROM sync_dirty ORDER BY seq")
    return found.fetchall()


def put(db, table, pk, **given):
    """Insert a row that satisfies every CHECK."""
    plain = {
        "id": pk,
        "kind": KINDS.get(table.name),
        "state": STATES.get(table.name, "active"),
        "role": "learner",
        "scope_kind": "org",
        "content_hash": bytes(32),
        "sha256": bytes(32),
        "owner_node_id": None,
        "parent_id": None,
        "deleted_at_ms": None,
        "owner_epoch": 0,
    } | given
    values = [
        plain.get(column.name, {"id": SCHOOL, "int": 1, "text": "x", "blob": b"x"}[column.type])
        if column.name not in plain
        else plain[column.name]
        for column in table.columns
    ]
    names = ", ".join(column.name for column in table.columns)
    db.execute(
        f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(values))})", values
    )


KINDS = {
    "org_unit": "school",
    "assessment": "assignment",
    "command": "reset_pin",
    "proposal": "other",
}
STATES = {
    "command_result": "applied",
    "proposal_decision": "accepted",
    "course_version": "published",
    "course_run": "running",
    "submission": "submitted",
    "grade": "provisional",
}
EACH_TABLE = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def test_the_schemas_triggers_are_those_of_the_registry(db):
    here = {
        sql.strip() for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
    }
    made = re.findall(r"CREATE TRIGGER.*?^END;", all_triggers(), re.DOTALL | re.MULTILINE)
    meant = {sql.removesuffix(";").strip() for sql in [*made, SQLITE_SECTION_PROGRESS.strip()]}
    assert {sql.removesuffix(";") for sql in here} == meant


@EACH_TABLE
def test_before_the_claim_nothing_can_be_written(unclaimed, table):
    with pytest.raises(apsw.ConstraintError, match="not claimed"):
        put(unclaimed, table, NODE)
    if not table.is_fact:
        with pytest.raises(apsw.ConstraintError, match="not claimed"):
            put(unclaimed, table, NODE, owner_node_id=OTHER_NODE)


@EACH_TABLE
def test_a_new_row_is_marked_in_its_place(db, table):
    put(db, table, NODE)
    ((number, pk, lane, rank, day, seq),) = dirty(db)
    assert (number, pk, lane, rank, seq) == (table.number, NODE, table.lane, table.rank, 1)
    assert day == 0  # 1 ms after 1970


@EACH_TABLE
def test_changing_a_row_twice_leaves_one_mark_with_the_latest_number(db, table):
    put(db, table, NODE)
    if table.is_fact:
        with pytest.raises(apsw.ConstraintError, match="never changed"):
            db.execute(f"UPDATE {table.name} SET id = id")
        return
    for _ in range(2):
        db.execute(f"UPDATE {table.name} SET version = version + 1")
    assert [(mark[1], mark[-1]) for mark in dirty(db)] == [(NODE, 3)]
    with pytest.raises(apsw.ConstraintError, match="raises the version"):
        db.execute(f"UPDATE {table.name} SET updated_at_ms = 9")
    with pytest.raises(apsw.ConstraintError, match="keeps the id"):
        db.execute(f"UPDATE {table.name} SET id = ?1, version = version + 1", (OTHER_NODE,))


@EACH_TABLE
def test_rows_are_not_deleted_but_by_the_agent(db, table):
    put(db, table, NODE)
    with pytest.raises(apsw.ConstraintError, match="deleted_at_ms"):
        db.execute(f"DELETE FROM {table.name}")
    marks = dirty(db)
    db.execute("UPDATE sync_identity SET applying = 1")
    db.execute(f"DELETE FROM {table.name}")
    assert dirty(db) == marks  # pruning leaves no trace in the log


@EACH_TABLE
def test_what_the_agent_applies_is_marked_only_where_it_is_ours(db, table):
    db.execute("UPDATE sync_identity SET applying = 1")
    put(db, table, NODE)
    assert len(dirty(db)) == 1
    if not table.is_fact:
        put(db, table, SCHOOL, owner_node_id=NODE)
        put(db, table, OTHER_NODE, owner_node_id=OTHER_NODE)
        assert [mark[1] for mark in dirty(db)] == [NODE, SCHOOL]


def test_hand_ins_wait_before_facts_and_those_before_the_rest_newest_day_first(db):
    day_ms = 86_400_000
    put(db, TABLE["person"], b"p" * 16)
    put(db, TABLE["progress_fact"], b"f" * 16)
    for number, day in enumerate((3, 5, 4)):
        put(db, TABLE["submission_revision"], bytes([number]) * 16, saved_at_ms=day * day_ms)
    order = db.execute("SELECT pk FROM sync_dirty WHERE lane = 0 ORDER BY rank, day DESC, seq")
    assert [pk[:1] for (pk,) in order] == [b"\1", b"\2", b"\0", b"f", b"p"]


def test_sealing_reads_the_marks_in_order_from_one_index(db):
    plan = db.execute(f"EXPLAIN QUERY PLAN {READ_WAITING}", (0, 100, 2, 27)).fetchall()
    assert [step[-1] for step in plan] == [
        "SEARCH sync_dirty USING COVERING INDEX sync_dirty_order (lane=? AND rank<?)"
    ]


def test_a_progress_fact_with_its_mark_costs_at_most_400_bytes(db):
    facts = 5_000
    before = db.pragma("page_count") * db.pragma("page_size")
    db.execute("BEGIN")
    for number in range(facts):
        put(db, TABLE["progress_fact"], number.to_bytes(16, "big"), at_ms=NOW_MS + number)
    db.execute("COMMIT")
    after = db.pragma("page_count") * db.pragma("page_size")
    assert (after - before) / facts <= 400


def test_progress_is_a_maximum_whatever_the_order(db):
    for number, percent in enumerate((40, 100, 60)):
        put(db, TABLE["progress_fact"], bytes([number]) * 16, percent=percent)
    assert db.execute("SELECT percent FROM section_progress").fetchall() == [(100,)]
