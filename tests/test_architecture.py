"""Promises about the code itself that no type checker knows."""

import ast
import importlib
import re
import subprocess
import sys
from collections import Counter

import pytest

from sync.registry import NOT_SYNCED, TABLES
from tests.sources import CONSTANT, ROOT, modules, statements, tracked_texts

# Who may run SQL: (names that hold a connection, where its text stands among the arguments).
SQL_HOLDERS = {"tx", "transaction", "db", "reader", "here", "connection", "link"}
SQL_POSITION = {"row": 1, "rows": 1} | dict.fromkeys(
    ("value", "run", "run_many", "execute", "executemany", "fetch", "fetchrow", "fetchval"), 0
)
# Modules whose text is not a constant of their own, and where it comes from.
OTHER_TEXT = {
    "appliance.database.": "migrations, pragmas with a number in them, savepoints; callers' text",
    "appliance.health.queries": "one count a table, named by the schema",
    "sync.agent.conversation": "its link is to the hub's HTTP, not to a database",
    "sync.agent.landing": "names from the registry and from the schema's foreign keys",
    "sync.hub.backup.verifying": "one count a table, made from the registry when imported",
    "sync.hub.database": "callers' text",
    "sync.hub.intake.digests": "one statement a table, made from the registry when imported",
    "sync.hub.intake.merging": "one statement a table, made from the registry when imported",
    "sync.hub.intake.unfit": "one statement a table, made from the registry when imported",
    "sync.hub.intake.placing": "columns that a migration has made, named by the registry",
    "sync.hub.migrate": "the text of migrations",
    "sync.hub.sharding": "statements about the tables of the catalogue, also printed",
}

# Tables that a second feature writes, and why the two cannot meet.
SECOND_WRITERS = {
    ("sync_identity", "accounts"): "the claim makes the one row before any agent runs",
    ("schema_migration", "database"): "describes the file",
    ("sync_stream", "database"): "a file that is put in place leaves its lineage before it is used",
    ("section_progress", "database"): "a salvaged file computes it anew before it is used",
}
# Only the agent writes these: what comes down from the district, and its answer to an erasure.
BY_THE_AGENT = {table.name for table in TABLES if table.owner == "hub"} | {"erasure_answer"}
# It deletes what is about one person, in whatever table that is, and writes nothing else.
FORGETS = "erasures"
FEATURES = sorted(path.parent.name for path in (ROOT / "appliance").glob("*/__init__.py"))
OWNERS = [name for name in FEATURES if (ROOT / "appliance" / name / "commands.py").exists()]


def owns(feature):
    return importlib.import_module(f"appliance.{feature}.commands").OWNS


def test_a_table_has_one_owner():
    owners = Counter(table for feature in OWNERS for table in owns(feature))
    assert {table: n for table, n in owners.items() if n > 1} == {}


@pytest.mark.parametrize("feature", [name for name in FEATURES if name != FORGETS])
def test_a_feature_writes_only_its_own_tables(feature):
    own = set(owns(feature)) if feature in OWNERS else set()
    foreign = {
        (statement.label, table)
        for statement in statements(f"appliance/{feature}")
        for table in statement.tables_written - own
        if (table, feature) not in SECOND_WRITERS
    }
    assert foreign == set()


def test_queries_only_read():
    found = {s.label for s in statements("appliance", "sync") if s.module.endswith(".queries")}
    writing = {s.label for s in statements("appliance", "sync") if s.tables_written}
    assert found & writing == set()


def test_sql_is_always_a_named_constant():
    loose = [
        f"{module}:{call.lineno} {ast.unparse(call)[:80]}"
        for module, tree in modules("appliance", "sync")
        if not module.startswith(tuple(OTHER_TEXT))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and runs_sql(call) and not is_constant(sql_of(call))
    ]
    assert loose == []


def runs_sql(call):
    match call.func:
        case ast.Attribute(attr=method, value=ast.Name(id=holder)):
            return method in SQL_POSITION and holder in SQL_HOLDERS
        case ast.Attribute(attr=method, value=ast.Attribute(attr=holder)):
            return method in SQL_POSITION and holder in SQL_HOLDERS
    return False


def sql_of(call):
    place = SQL_POSITION[call.func.attr]
    return call.args[place] if len(call.args) > place else None


def is_constant(node):
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return CONSTANT.fullmatch(name) is not None
        case ast.Subscript(value=table):  # one statement a table, made once when imported
            return is_constant(table)
        case ast.Attribute(value=inner):
            return is_constant(inner)
        case ast.IfExp(body=one, orelse=other):
            return is_constant(one) and is_constant(other)
    return False


def test_no_statement_replaces_a_row():
    """A replaced row is a deleted one, which no trigger captures."""
    replacing = re.compile(r"\bINSERT\s+OR\s+REPLACE\b|\bREPLACE\s+INTO\b", re.IGNORECASE)
    code = [(s.label, s.sql) for s in statements("appliance", "sync")]
    files = [(str(path), path.read_text()) for path in (ROOT / "migrations").rglob("*.sql")]
    assert [name for name, sql in code + files if replacing.search(sql)] == []


def test_every_table_is_synced_or_says_why_not(box_schema):
    known = {table.name for table in TABLES} | set(NOT_SYNCED)
    assert set(box_schema.tables) - known == set()
    assert known - set(box_schema.tables) == set()


def test_every_table_has_an_owner(box_schema):
    owned = {table for feature in OWNERS for table in owns(feature)}
    from_hub = {table.name for table in TABLES if table.owner == "hub"}  # the agent's alone
    own_work = {name for name in box_schema.tables if not name.startswith("sync_")} - from_hub
    assert own_work - owned - BY_THE_AGENT == {"schema_migration"}
    assert owned & BY_THE_AGENT == set()


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_has_tests(feature):
    found = [*(ROOT / "tests" / feature).glob("test_*.py")]
    found += (ROOT / "tests").glob(f"test_{feature}*.py")
    assert found


def test_the_hub_never_loads_the_schools_database_library():
    """Imported afresh, since this very process has loaded it."""
    hub = [name for name, _ in modules("sync/hub") if not name.endswith("__main__")]
    program = f"import sys, {', '.join(hub)}; print('apsw' in sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"


def test_nothing_is_left_to_do():
    unfinished = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|X" + r"XX)\b|raise Not" + "Implemented")
    assert lines_with(unfinished) == []


def test_no_machine_and_no_registry_is_named():
    named = re.compile(
        r"(?<![\w.])/(?:work|root|home/\w+)/|https?://\S*(?:pypi|pythonhosted|npmjs|npmmirror|deb\.)"
    )
    assert lines_with(named) == []


def lines_with(pattern):
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in tracked_texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
