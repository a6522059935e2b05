"""The tables of a file as the pages hold them: columns in storage order, keys, indexes."""

from typing import Final, LiteralString

import apsw
from msgspec import Struct

from appliance.database.pages import Cell
from appliance.database.reader import Reader, SQLiteValue

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


class Named(Struct, frozen=True):
    """A table; `wr`: it has no rowids."""

    name: str
    wr: int


class Column(Struct, frozen=True):
    """A column; `pk` counts the places of the key from 1."""

    name: str
    type: str
    dflt_value: str | None
    pk: int


class NamedIndex(Struct, frozen=True):
    """An index; a partial one names some rows only."""

    name: str
    partial: int


class Held(Struct, frozen=True):
    """A column of an index; None is the row's number."""

    name: str | None


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
    reader = Reader(connection)
    return [
        _shape(reader, table.name, has_rowid=not table.wr) for table in reader.rows(Named, TABLES)
    ]


def _shape(reader: Reader, name: str, *, has_rowid: bool) -> TableShape:
    found = reader.rows(Column, COLUMNS, (name,))
    keys = [each.name for each in sorted(found, key=lambda each: each.pk) if each.pk]
    alias = [at for at, each in enumerate(found) if each.type == "INTEGER" and [each.name] == keys]
    if not has_rowid:  # the key comes first, then the rest
        found = sorted(found, key=lambda each: each.pk or len(found) + 1)
    columns = [each.name for each in found]
    names = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join("?" for _ in columns)
    key_names = ", ".join(f'"{key}"' for key in keys)
    return TableShape(
        name=name,
        has_rowid=has_rowid,
        columns=columns,
        defaults=[_default(each.dflt_value) for each in found],
        alias=alias[0] if alias and has_rowid else None,
        indexes=_indexes(reader, name, keys),
        clear=f'DELETE FROM "{name}"',  # noqa: S608 -- names of our own schema
        insert=f'INSERT OR IGNORE INTO "{name}" ({names}) VALUES ({marks})',  # noqa: S608
        select_keys=f'SELECT {key_names} FROM "{name}"',  # noqa: S608
    )


def _indexes(reader: Reader, table: str, keys: list[str]) -> list[Index]:
    """Those whose entries name the row's key; of a table with rowids not every index does."""
    found = []
    for index in reader.rows(NamedIndex, INDEXES, (table,)):
        held = [each.name for each in reader.rows(Held, INDEX_COLUMNS, (index.name,))]
        if all(key in held for key in keys):
            places = [held.index(key) for key in keys]
            found.append(Index(index.name, len(held), places, is_partial=bool(index.partial)))
    return found


def _default(words: str | None) -> SQLiteValue:
    """What the schema says is there in rows written before the column was."""
    if words is None or words.upper() == "NULL":
        return None
    return int(words) if words.lstrip("-").isdigit() else words.strip("'")
