"""Reading what can be read of a file that could not be repaired. Nothing is ever written to it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, LiteralString, TypeVar

import apsw
from msgspec import Struct

from appliance.database.reader import Reader, Value

T = TypeVar("T", bound=Struct)

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
