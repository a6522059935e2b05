"""Reading rows into Structs.

Rows are trusted (the schema is STRICT and ours), so they are filled positionally; that
the columns of the statement are the fields of the Struct, in order, is compared once
per (statement, shape).
"""

import types
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, LiteralString, TypeVar, get_args, get_type_hints
from uuid import UUID

import apsw
from msgspec import Struct

Value = None | int | float | str | bytes | UUID | bool
SQLiteValue = None | int | float | str | bytes
T = TypeVar("T", bound=Struct)
Convert = Callable[[Any], Any]


class Reader:
    """One connection, for SELECTs. Not for two threads at once."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection: Final = connection

    def row(self, shape: type[T], sql: LiteralString, args: Sequence[Value] = ()) -> T | None:
        """Return the first row, or None when there is none."""
        cursor = self._connection.execute(sql, args)
        first = cursor.fetchone()
        if first is None:
            return None
        fill: Callable[[Any], T] = _filler(shape, sql, _columns(cursor))
        cursor.close()  # an unfinished SELECT would pin an old snapshot and the WAL with it
        return fill(first)

    def rows(self, shape: type[T], sql: LiteralString, args: Sequence[Value] = ()) -> list[T]:
        """Return all rows; the statement carries its own LIMIT."""
        cursor = self._connection.execute(sql, args)
        first = cursor.fetchone()
        if first is None:
            return []
        fill = _filler(shape, sql, _columns(cursor))
        return [fill(first), *map(fill, cursor)]

    def value(self, sql: LiteralString, args: Sequence[Value] = ()) -> SQLiteValue:
        """Return the first column of the first row, or None when there is none."""
        cursor = self._connection.execute(sql, args)
        first = cursor.fetchone()
        if first is None:
            return None
        cursor.close()
        value: SQLiteValue = first[0]
        return value


def _columns(cursor: apsw.Cursor) -> tuple[str, ...]:
    return tuple(column[0] for column in cursor.get_description())


@cache
def _filler(shape: type[T], sql: LiteralString, columns: tuple[str, ...]) -> Callable[[Any], T]:
    """Compile, once per statement and shape, how a row becomes a Struct."""
    assert columns == shape.__struct_fields__, (
        f"{shape.__name__} has {shape.__struct_fields__}, the statement gives {columns}: {sql}"
    )
    hints = get_type_hints(shape)
    converts = [_convert(hints[name]) for name in columns]
    if not any(converts):
        return lambda row: shape(*row)
    steps = [(index, convert) for index, convert in enumerate(converts) if convert is not None]

    def fill(row: Sequence[SQLiteValue]) -> T:
        values: list[Any] = list(row)
        for index, convert in steps:
            value = values[index]
            if value is not None:
                values[index] = convert(value)
        return shape(*values)

    return fill


def _convert(hint: Any) -> Convert | None:
    """Choose what SQLite cannot return by itself: UUID from its 16 bytes, bool from 0 and 1."""
    wanted = get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if UUID in wanted:
        return _uuid
    return bool if bool in wanted else None


def _uuid(value: bytes) -> UUID:
    return UUID(bytes=value)
