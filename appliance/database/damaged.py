"""Reading what can be read of a file that could not be repaired. Nothing is ever written to it."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, LiteralString, TypeVar

import apsw
from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.migrate import file_version
from appliance.database.reader import Reader, Value

T = TypeVar("T", bound=Struct)
Answer = TypeVar("Answer")

# Immutable: no lock, no log, no shared memory, so that a card that refuses writes serves, too.
HOW: Final = "?mode=ro&immutable=1"


class DamagedFile:
    """A file of which some pages make no sense: a question it cannot answer has no rows."""

    def __init__(self, path: Path) -> None:
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        self._reader: Reader | None = None
        with suppress(apsw.Error):  # not even its first block can be read
            name = path.absolute().as_uri() + HOW
            self._reader = Reader(apsw.Connection(name, flags=flags))

    def rows(self, shape: type[T], sql: LiteralString, args: Sequence[Value] = ()) -> list[T]:
        """Return all rows, or none when the way to one of them is damaged."""
        if self._reader is None:
            return []
        try:
            return self._reader.rows(shape, sql, args)
        except apsw.Error:
            return []


def ask(path: Path, question: Callable[[Reader], Answer]) -> Answer | None:
    """Ask a file that may be sound; None when there is none, or damage is in the way."""
    if not path.exists() or not file_version(path):
        return None
    try:
        with closing(open_connection(path, role="reader")) as connection:
            return question(Reader(connection))
    except apsw.Error:
        return None
