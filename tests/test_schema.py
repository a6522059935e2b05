"""Promises about the box's schema and about how each statement runs on it."""

import re

import apsw
import pytest

from tests.sources import statements

# A scan is fine where the table cannot grow with pupils or years.
SMALL = {
    "sync_identity": "one row",
    "sync_stream": "one row a lane and epoch",
    "hub_enrolment": "one row",
    "org_unit": "one row a unit of one school",
    "class_group": "some tens a school",
    "course": "some tens a school",
    "announcement": "what the district says to one school: some tens a year",
    "setting": "what the district sets for one school: some tens",
    "command": "what the district asks of one school: some hundreds a year",
    "proposal": "what one school asks of its district: some tens a year",
    "job_run": "pruned; some hundreds",
    "sync_budget": "pruned; a line a day for two months",
    "health_sample": "pruned; a thousand at most",
    "schema_migration": "one row a migration",
    "sync_exception": "rows the hub refused; normally none",
    "sync_check": "one line a table",
    "conflict_look": "what a keeper has looked at; normally none",
    "command_result": "one row a command",
    "erasure": "people who were to be forgotten: some a year",
    "sync_parked": "what only a later release has a place for; normally none",
    "sync_scope": "one row a scope: the school and its district",
    "sqlite_schema": "one row a table, index and trigger",
}
# Statements that read a whole table on purpose, and why that is no harm.
WHOLE_TABLE = {
    "appliance.accounts.queries.STAFF_EXIST": ("credential", "once a start; ends at the first"),
    "appliance.accounts.queries.SCHOOL_ADMINS": ("person", "only until somebody took over"),
    "appliance.district.queries.WAITING": (
        "sync_dirty sync_conflict",
        "what waits, counted for one keeper; met images, normally none",
    ),
    "appliance.access.commands.SHIFT_SESSIONS": ("session", "once a step of the clock; a day's"),
    "appliance.health.queries.NAMES": ("person", "once a support file, on the console"),
    "appliance.telemetry.queries.UNSENT": ("sync_dirty", "what waits, 40 bytes a row; counted"),
    "appliance.erasures.commands.FIND": ("progress_fact", "once an erasure; its key has no index"),
    "appliance.erasures.commands.REMOVE_IMAGES": ("sync_conflict", "once an erasure"),
    "appliance.backups.queries.NAMED_FILES": ("attachment", "once a backup, of the copy"),
    "appliance.backups.queries.NEWEST_WORK": (
        "submission_revision",
        "ends at the first; once a backup, of what was restored",
    ),
    "appliance.backups.queries.WORKS": ("submission_revision", "as above"),
    "appliance.backups.queries.SECTIONS": ("section", "as above"),
    "appliance.backups.queries.FIRST_SECTION": ("section", "as above"),
    "appliance.backups.queries.MEMBERS": ("class_member", "as above"),
    "appliance.database.comparing.WORK": ("submission_revision grade", "once a restore"),
    "appliance.database.comparing.ARRIVED": ("sync_custody", "once a restore"),
    "appliance.database.salvage.PROJECT": ("progress_fact", "once a salvage"),
    "appliance.lessons_only.queries.LESSONS": ("lesson", "nothing else is served then"),
    "sync.agent.parcels.NOT_KNOWN_THERE": ("attachment", "once an export"),
    "sync.agent.blobs.NAMED": ("attachment", "once a contact; two years of them take 10 ms"),
    "sync.agent.scopes.UNSEE": ("sync_seen", "empties it, when a scope was read anew"),
    "sync.agent.stick.READ_UNACKNOWLEDGED": ("sync_chain", "once an export; by its key"),
    "sync.agent.recovery.DROP_PAYLOADS": ("sync_segment", "once a recovery"),
    "sync.agent.store.READ_BACKLOG": ("sync_dirty sync_chain", "once a contact with the hub"),
}
# Foreign keys without an index, and why nobody ever asks in that direction.
UNINDEXED_KEYS = {
    "progress_fact": "the largest table; its parents are never deleted, its sums are projected",
}
ALIAS = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)(?:\s+AS\s+([a-z_]+))?", re.IGNORECASE)
PARAMETER = re.compile(r"\?(\d+)")
PLANNED = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b")
BOX_STATEMENTS = [s for s in statements("appliance", "sync/agent") if PLANNED.match(s.sql)]


@pytest.fixture(scope="module")
def planner(school_on_file):
    connection = apsw.Connection(str(school_on_file[0]))
    yield connection
    connection.close()


def plan(connection, sql):
    count = max([0, *map(int, PARAMETER.findall(sql))])
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * count)]


def scanned_tables(steps, sql):
    """Name the real tables that are read from end to end."""
    names = {alias or table: table for table, alias in ALIAS.findall(sql)}
    made = {step.split()[1] for step in steps if step.startswith(("MATERIALIZE", "CO-ROUTINE"))}
    real = [step for step in steps if step.startswith("SCAN ") and "VIRTUAL" not in step]
    scans = [step.split()[1] for step in real]
    return {names.get(name, name) for name in scans if name not in made | {"CONSTANT"}}


@pytest.mark.parametrize("statement", BOX_STATEMENTS, ids=lambda s: s.label)
def test_no_statement_reads_a_whole_table(planner, statement):
    steps = plan(planner, statement.sql)
    scanned = scanned_tables(steps, statement.sql) - set(SMALL)
    assert scanned <= allowed(statement.label), steps


def allowed(label):
    return set(WHOLE_TABLE.get(label, ("", ""))[0].split())


def test_exceptions_name_scans_that_are_there(planner):
    scans = {label: set() for label in WHOLE_TABLE}
    for statement in BOX_STATEMENTS:
        if statement.label in scans:
            steps = plan(planner, statement.sql)
            scans[statement.label] |= scanned_tables(steps, statement.sql) - set(SMALL)
    assert scans == {label: allowed(label) for label in WHOLE_TABLE}


def test_every_foreign_key_has_an_index(box_schema):
    bare = {
        f"{table}{key}"
        for table, keys in box_schema.foreign_keys.items()
        if table not in UNINDEXED_KEYS
        for key in keys
        if not any(index[: len(key)] == key for index in box_schema.indexes[table])
    }
    assert bare == set()


def test_no_index_is_the_beginning_of_another(box_schema):
    doubled = {
        f"{table}{short} in {long}"
        for table, indexes in box_schema.plain_indexes.items()
        for short in indexes
        for long in box_schema.indexes[table]
        if short != long and long[: len(short)] == short
    }
    assert doubled == set()


def test_every_table_is_strict(box_schema):
    assert {name for name, strict in box_schema.tables.items() if not strict} == set()


def test_no_foreign_key_deletes_what_a_pupil_made(box_schema):
    """Rows owned by the hub come and go; the school's own must never go with them."""
    assert {t for t, actions in box_schema.on_delete.items() if "CASCADE" in actions} == set()
