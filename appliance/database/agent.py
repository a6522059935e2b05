"""The sync agent's way in: a connection of its own and short transactions.

Foreign keys are not enforced here. The agent writes the school's rows only when it puts
back what the hub has, page by page, and a child may come a page before its parent; what
points nowhere is looked for when the last page is in (docs/decisions/0009).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString

import apsw

from appliance.database.checkpoint import empty_wal
from appliance.database.connection import MMAP_SIZE_BYTES, open_connection
from appliance.database.faults import TRANSACTION_ENDING, in_our_words
from appliance.database.reader import Reader, SQLiteValue, Value
from appliance.database.transaction import Transaction

FREE_SOME_PAGES: Final[LiteralString] = "PRAGMA incremental_vacuum(64)"  # 5 ms


class AgentDatabase(Reader):
    """Reads, and `changing()` to write. For one thread."""

    def __init__(
        self, path: Path, *, mmap_size_bytes: int = MMAP_SIZE_BYTES, vfs: str | None = None
    ) -> None:
        connection = open_connection(path, role="agent", mmap_size_bytes=mmap_size_bytes, vfs=vfs)
        connection.pragma("foreign_keys", 0)
        super().__init__(connection)
        self._transaction: Final = Transaction(connection)

    @contextmanager
    def changing(self) -> Iterator[Transaction]:
        """Open one short write: all of it or nothing, and on disk when this is left.

        Raises Busy, StorageFull or WriteFailed, and then nothing of it is kept.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._transaction
            self._connection.execute("COMMIT")
        except (apsw.BusyError, *TRANSACTION_ENDING) as error:
            raise in_our_words(error) from error
        finally:
            self._end()

    @contextmanager
    def overwriting(self) -> Iterator[None]:
        """Overwrite with zeros whatever is deleted before this is left."""
        self._connection.pragma("secure_delete", 1)
        try:
            yield
        finally:
            self._connection.pragma("secure_delete", "fast")

    def scrub(self) -> bool:
        """Leave no deleted byte in the files: free pages are given back, the WAL emptied.

        False while somebody reads an older state; try again later.
        """
        while self._connection.pragma("freelist_count"):
            with self.changing() as tx:
                tx.run(FREE_SOME_PAGES)
        return empty_wal(self._connection)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let several reads see one state; nobody's writes wait for it."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._end()

    def tuples(
        self, sql: LiteralString, args: Sequence[Value] = ()
    ) -> list[tuple[SQLiteValue, ...]]:
        """Return all rows as they are; for tables whose columns only the registry knows."""
        return self._connection.execute(sql, args).fetchall()

    @property
    def data_version(self) -> int:
        """A number that changes when another connection has written."""
        return int(self._connection.pragma("data_version"))

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _end(self) -> None:
        if self._connection.in_transaction:  # a full card has ended it already (T7)
            self._connection.execute("ROLLBACK")
