"""Whether a migration keeps what its first line claims: an older program can go on with the file.

Compares the schema at "works from" with the schema after the step. A table or view the older
program knows must still have every column it knows, and must not refuse a row it writes. What a
changed meaning of a value does no comparison sees; docs/decisions/0020 says how to think of it.
"""

import tempfile
from contextlib import closing
from pathlib import Path

import apsw

from appliance.database.migrate import lay_out, read_migrations

SCHEMA = "SELECT type, name, tbl_name, ifnull(sql, '') FROM sqlite_schema"
COLUMNS = 'SELECT name, type, "notnull", dflt_value FROM pragma_table_info(?1)'
UNIQUES = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND origin = 'c'"


def broken_claims(folder):
    """Return one sentence for each thing an older program would miss or be refused."""
    found = []
    for step in read_migrations(folder):
        if step.works_from < step.version:
            before, after = schema_at(folder, step.works_from), schema_at(folder, step.version)
            found += [f"{step.version:04}: {words}" for words in differences(before, after)]
    return found


def schema_at(folder, version):
    """Return (type, name) -> (table, text, columns, unique indexes)."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "school.db"
        lay_out(path, folder, version=version, now_ms=0)
        with closing(apsw.Connection(str(path))) as connection:
            return {
                (kind, name): (
                    table,
                    " ".join(sql.split()),
                    list(connection.execute(COLUMNS, (name,))),
                    set(connection.execute(UNIQUES, (name,))),
                )
                for kind, name, table, sql in connection.execute(SCHEMA).fetchall()
                if not name.startswith(("sqlite_", "schema_migration"))
            }


def differences(before, after):
    known = {name for kind, name in before if kind == "table"}
    for (kind, name), (_, sql, columns, uniques) in before.items():
        if kind == "index":
            continue  # slower, and still right
        if (kind, name) not in after:
            yield f"the {kind} {name} is gone"
        elif kind == "table":
            yield from of_table(name, sql, columns, uniques, after[kind, name])
        elif kind == "view":
            there = {column[0] for column in after[kind, name][2]}
            lost = [column[0] for column in columns if column[0] not in there]
            yield from (f"the view {name} has no {column} any more" for column in lost)
    for key, (table, sql, _, _) in after.items():
        is_new = key not in before or before[key][1] != sql
        if key[0] == "trigger" and table in known and is_new and "RAISE" in sql:
            yield f"the trigger {key[1]} may refuse what was allowed"


def of_table(name, sql, columns, uniques, now):
    _, sql_now, columns_now, uniques_now = now
    if columns_now[: len(columns)] != columns:
        yield f"columns of {name} are gone or different"
    elif not sql_now.removeprefix(sql.rpartition(")")[0].rstrip()).lstrip().startswith((",", ")")):
        yield f"the table {name} was made anew: its checks cannot be compared"
    for column, _, is_required, default in columns_now[len(columns) :]:
        if is_required and default is None:
            yield f"{name}.{column} must be given, and an older program does not give it"
    if uniques_now - uniques:
        yield f"rows of {name} must be unique that need not be before"
