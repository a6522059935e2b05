"""The tables of a file as the pages hold them: columns in storage order, keys, indexes."""

from typing import Final, LiteralString

import apsw
from msgspec import Struct

from appliance.database.pages import Cell
from appliance.database.reader import SQLiteValue

TABLES: Final[LiteralString] = """
SELECT name, wr
  FROM pragma_table_list
 WHERE schema = 'main'
   AND type   = 'table'
   AND name NOT LIKE 'sqlite%'
 ORDER BY name
"""
COLUMNS: Final[LiteralString] = """
SELECT name, type, dflt_value, pk
  FROM pragma_table_info(?1)
 ORDER BY cid
"""
INDEXES: Final[LiteralString] = """
SELECT name, partial
  FROM pragma_index_list(?1)
 ORDER BY name
"""
INDEX_COLUMNS: Final[LiteralString] = """
SELECT name
  FROM pragma_index_xinfo(?1)
 ORDER BY seqno
"""


class Index(Struct, frozen=True):
    """An index, and where in its entries the key of the table's row stands."""

    name: str
    width: int
    key_places: list[int]
    is_partial: bool


class TableShape(Struct, frozen=True, kw_only=True):
    """One table. `columns` are in the order they are stored in."""

    name: str
    has_rowid: bool
    columns: list[str]
    defaults: list[SQLiteValue]
    alias: int | None  # the place of an INTEGER PRIMARY KEY, which is stored as the row's number
    indexes: list[Index]
    clear: str
    insert: str
    select_keys: str

    def row(self, cell: Cell) -> list[SQLiteValue] | None:
        """The values of a row; columns that were added after it was written have their default."""
        values = cell.values + self.defaults[len(cell.values) :]
        if len(values) != len(self.columns):
            return None
        if self.alias is not None:
            values[self.alias] = cell.rowid
        return values


def shapes(connection: apsw.Connection) -> list[TableShape]:
    """Describe every table of the file."""
    return [_shape(connection, name, wr) for name, wr in connection.execute(TABLES).fetchall()]


def _shape(connection: apsw.Connection, name: str, wr: int) -> TableShape:
    found = connection.execute(COLUMNS, (name,)).fetchall()
    keys = [row[0] for row in sorted((row for row in found if row[3]), key=lambda row: row[3])]
    alias = [at for at, row in enumerate(found) if row[1] == "INTEGER" and [row[0]] == keys]
    if wr:  # the key comes first, then the rest
        found = [row for key in keys for row in found if row[0] == key] + [
            row for row in found if row[0] not in keys
        ]
    columns = [str(row[0]) for row in found]
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join("?" for _ in columns)
    key_names = ", ".join(f'"{key}"' for key in keys)
    return TableShape(
        name=name,
        has_rowid=not wr,
        columns=columns,
        defaults=[_default(connection, row[2]) for row in found],
        alias=alias[0] if alias and not wr else None,
        indexes=_indexes(connection, name, keys),
        clear=f'DELETE FROM "{name}"',  # noqa: S608 -- names of our own schema
        insert=f'INSERT OR IGNORE INTO "{name}" ({names}) VALUES ({marks})',  # noqa: S608
        select_keys=f'SELECT {key_names} FROM "{name}"',  # noqa: S608
    )


def _indexes(connection: apsw.Connection, table: str, keys: list[str]) -> list[Index]:
    found = []
    for name, partial in connection.execute(INDEXES, (table,)).fetchall():
        held = [row[0] for row in connection.execute(INDEX_COLUMNS, (name,))]
        if all(key in held for key in keys):
            places = [held.index(key) for key in keys]
            found.append(Index(name, len(held), places, bool(partial)))
    return found


def _default(connection: apsw.Connection, words: str | None) -> SQLiteValue:
    if words is None:
        return None
    value: SQLiteValue = connection.execute(f"SELECT {words}").get  # noqa: S608 -- our schema's
    return value
