"""The box's schema as SQLite itself tells it."""

import apsw
from msgspec import Struct

TABLES = "SELECT name, strict FROM pragma_table_list WHERE type = 'table'"


class BoxSchema(Struct, frozen=True):
    """Columns of keys and indexes by table, each a tuple in order."""

    tables: dict[str, bool]  # name -> is STRICT
    foreign_keys: dict[str, list[tuple[str, ...]]]
    on_delete: dict[str, set[str]]
    indexes: dict[str, list[tuple[str, ...]]]  # the primary key too
    plain_indexes: dict[str, list[tuple[str, ...]]]  # neither unique nor partial


def read_schema(path):
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        listed = connection.execute(TABLES)
        tables = {name: bool(strict) for name, strict in listed if not name.startswith("sqlite_")}
        return BoxSchema(
            tables=tables,
            foreign_keys={t: list(_keys(connection, t).values()) for t in tables},
            on_delete={t: _actions(connection, t) for t in tables},
            indexes={t: [_primary(connection, t), *_indexes(connection, t)] for t in tables},
            plain_indexes={t: _indexes(connection, t, plain=True) for t in tables},
        )
    finally:
        connection.close()


def _keys(connection, table):
    keys = {}
    for number, column in connection.execute(
        'SELECT id, "from" FROM pragma_foreign_key_list(?1) ORDER BY id, seq', (table,)
    ):
        keys[number] = (*keys.get(number, ()), column)
    return keys


def _actions(connection, table):
    rows = connection.execute("SELECT on_delete FROM pragma_foreign_key_list(?1)", (table,))
    return {action for (action,) in rows}


def _primary(connection, table):
    rows = connection.execute(
        "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk", (table,)
    )
    return tuple(name for (name,) in rows)


def _indexes(connection, table, *, plain=False):
    rows = connection.execute('SELECT name, "unique", partial FROM pragma_index_list(?1)', (table,))
    wanted = [name for name, unique, partial in rows if not (plain and (unique or partial))]
    return [_columns(connection, name) for name in wanted]


def _columns(connection, index):
    rows = connection.execute("SELECT name FROM pragma_index_info(?1) ORDER BY seqno", (index,))
    return tuple(name for (name,) in rows)
