"""Three lanes for reading, so that a slow question never delays a quick one.

`here` answers bounded, indexed reads on the event loop itself (24-60 microseconds, less
than handing them to a thread). `read` has two threads for everything else. `report` has
one, watched: it may only read, and it is interrupted at its deadline.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Concatenate, Final, ParamSpec, TypeVar

import apsw

from appliance.database.connection import MMAP_SIZE_BYTES, Role, open_connection
from appliance.database.faults import ReportTooSlow
from appliance.database.reader import Reader

P = ParamSpec("P")
T = TypeVar("T")
Call = Callable[[Reader], T]

READ_THREADS: Final = 2  # the board has four big cores: loop, writer, and these two
REPORT_MS_MAX: Final = 5_000  # ten times the budget; longer means a missing index
DEADLINE_STEPS: Final = 10_000  # SQLite instructions between two looks at the clock: < 1 ms

REPORT_MAY: Final = frozenset(
    {
        apsw.SQLITE_SELECT,
        apsw.SQLITE_READ,
        apsw.SQLITE_FUNCTION,
        apsw.SQLITE_RECURSIVE,
        apsw.SQLITE_TRANSACTION,
    }
)


class Readers:
    """Owns the reading connections and their threads."""

    def __init__(
        self,
        path: Path,
        *,
        report_ms_max: int = REPORT_MS_MAX,
        mmap_size_bytes: int = MMAP_SIZE_BYTES,
        vfs: str | None = None,
    ) -> None:
        def connect(role: Role) -> apsw.Connection:
            return open_connection(path, role=role, mmap_size_bytes=mmap_size_bytes, vfs=vfs)

        self._here: Final = connect("reader")
        self._free: Final[SimpleQueue[apsw.Connection]] = SimpleQueue()
        for _ in range(READ_THREADS):
            self._free.put(connect("reader"))
        self._report: Final = connect("report")
        self._report.set_authorizer(_may_only_read)
        self._report_ms_max: Final = report_ms_max
        self._read_lane: Final = ThreadPoolExecutor(READ_THREADS, "read")
        self._report_lane: Final = ThreadPoolExecutor(1, "report")
        self.here: Final = Reader(self._here)

    async def read(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `query` on one of the two reading threads, on one snapshot."""

        def call() -> T:
            connection = self._free.get()
            try:
                return _on_one_snapshot(connection, lambda reader: query(reader, *args, **kwargs))
            finally:
                self._free.put(connection)

        return await asyncio.get_running_loop().run_in_executor(self._read_lane, call)

    async def report(
        self, query: Callable[Concatenate[Reader, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `query` in the report lane. Raises ReportTooSlow at the deadline."""

        def call() -> T:
            ends_at = time.monotonic() + self._report_ms_max / 1_000
            self._report.set_progress_handler(lambda: time.monotonic() > ends_at, DEADLINE_STEPS)
            try:
                return _on_one_snapshot(self._report, lambda reader: query(reader, *args, **kwargs))
            except apsw.InterruptError as error:
                raise ReportTooSlow(f"interrupted after {self._report_ms_max} ms") from error
            finally:
                self._report.set_progress_handler(None)

        return await asyncio.get_running_loop().run_in_executor(self._report_lane, call)

    @property
    def data_version(self) -> int:
        """A number that changes when somebody has written, the agent's process included."""
        return int(self._here.pragma("data_version"))

    def close(self) -> None:
        """Wait for reads under way and close."""
        self._read_lane.shutdown()
        self._report_lane.shutdown()
        for connection in (self._here, self._report):
            connection.close()
        while not self._free.empty():
            self._free.get().close()


def _on_one_snapshot(connection: apsw.Connection, call: Call[T]) -> T:
    """Let all statements of one query see the same state of the school."""
    connection.execute("BEGIN")
    try:
        return call(Reader(connection))
    finally:
        if connection.in_transaction:  # an interrupt may have ended it
            connection.execute("ROLLBACK")


def _may_only_read(
    action: int, _first: str | None, _second: str | None, _database: str | None, _by: str | None
) -> int:
    return apsw.SQLITE_OK if action in REPORT_MAY else apsw.SQLITE_DENY
