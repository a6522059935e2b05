"""A verified copy of the live database, made while the school works.

The copy is taken from one snapshot: a reading transaction is held on the source, so
writers go on and never make the copy start over. It is a single plain file (no WAL
beside it), checked, synced, and only then given its name.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, LiteralString

import apsw
from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.faults import BackupFailed, BackupUnusable, NoRoomToMigrate
from appliance.database.reader import Reader
from appliance.durable import put_in_place, sync_path

COPIES: Final = "before-*.db"
COPIES_MAX: Final = 2  # of this update and of the one before it
# The copy, the log of what is changed, and the log of changing it back; each as large as the file.
ROOM_TIMES: Final = 3
ROOM_BYTES_MIN: Final = 16 << 20
STEP_PAGES: Final = 1_024  # 4 MiB a step: the thread can be told to stop within 20 ms
PARTIAL_SUFFIX: Final = ".partial"

# The streams go when a copy is put in place (`lineage`), so they are no part of what is counted.
TABLES: Final[LiteralString] = """
SELECT name
  FROM pragma_table_list
 WHERE schema = 'main'
   AND type   = 'table'
   AND name NOT LIKE 'sqlite%'
   AND name <> 'sync_stream'
"""


class Table(Struct, frozen=True):
    """A table by its name."""

    name: str


class BackupResult(Struct, frozen=True, kw_only=True):
    """What was copied, how long it took, and that it passed its check."""

    size_bytes: int
    pages: int
    took_ms: int
    quick_check: str


def back_up(path: Path, target: Path) -> BackupResult:
    """Copy the database at `path` to `target`, replacing it only by a verified copy.

    Raises BackupFailed; then `target` is as it was before.
    """
    began = time.monotonic_ns()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    partial.unlink(missing_ok=True)
    try:
        pages = _copy(path, partial)
        checked = _checked(partial)
    except apsw.Error as error:
        partial.unlink(missing_ok=True)
        raise BackupFailed(f"backup of {path} to {target}: {error}") from error
    if checked != "ok":
        partial.unlink()
        raise BackupFailed(f"backup of {path} to {target}: {checked}")
    sync_path(partial)
    put_in_place(partial, target)
    return BackupResult(
        size_bytes=target.stat().st_size,
        pages=pages,
        took_ms=(time.monotonic_ns() - began) // 1_000_000,
        quick_check=checked,
    )


def copy_before_update(path: Path, backup: Path, *, free_bytes: int) -> None:
    """Keep what is there now, verified, before anything is changed; older copies go after it.

    Raises NoRoomToMigrate, BackupFailed; then nothing was changed and no copy went.
    """
    log = path.with_name(path.name + "-wal")
    size_bytes = path.stat().st_size + (log.stat().st_size if log.exists() else 0)
    wanted_bytes = ROOM_TIMES * size_bytes + ROOM_BYTES_MIN
    if free_bytes < wanted_bytes:
        has, wants = free_bytes >> 20, wanted_bytes >> 20
        raise NoRoomToMigrate(f"copy {path}: {wants} MB wanted, {has} MB free")
    back_up(path, backup)
    older = sorted(
        set(backup.parent.glob(COPIES)) - {backup}, key=lambda copy: copy.stat().st_mtime
    )
    for copy in older[: -(COPIES_MAX - 1)]:
        copy.unlink()


@contextmanager
def reading(copy: Path) -> Iterator[Reader]:
    """Read a copy as it lies there. Raises BackupUnusable when it is no database."""
    flags = apsw.SQLITE_OPEN_READONLY
    try:
        with closing(apsw.Connection(str(copy), flags=flags)) as connection:
            yield Reader(connection)
    except apsw.Error as error:
        raise BackupUnusable(f"read {copy}: {error}") from error


def row_count(copy: Path) -> int:
    """How many rows there are in all tables of a copy. Raises BackupUnusable."""
    with reading(copy) as db:
        names = [table.name for table in db.rows(Table, TABLES)]
        return sum(_rows_of(db, name) for name in names)


def _rows_of(db: Reader, name: str) -> int:
    rows = db.value(f'SELECT count(*) FROM "{name}"')  # noqa: S608 -- a name of our own schema
    assert isinstance(rows, int)
    return rows


def restore(backup: Path, path: Path) -> None:
    """Put the content of `backup` into the database at `path`, in one transaction.

    Through the backup interface and not by moving files: killed half-way, the file
    holds the old content whole, because what was copied is one uncommitted transaction.
    """
    with (
        closing(apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READWRITE)) as source,
        closing(open_connection(path, role="writer")) as connection,
        connection.backup("main", source, "main") as copying,
    ):
        copying.step(-1)


def _copy(path: Path, partial: Path) -> int:
    with (
        closing(open_connection(path, role="report")) as source,
        closing(apsw.Connection(str(partial))) as copy,
    ):
        copy.pragma("synchronous", 2)
        source.execute("BEGIN")
        source.pragma("user_version")  # the snapshot begins with the first read, not with BEGIN
        with copy.backup("main", source, "main") as copying:
            while not copying.step(STEP_PAGES):
                pass
            pages = copying.page_count
        source.execute("ROLLBACK")
        copy.pragma("journal_mode", "delete")  # one file, without -wal and -shm
    return pages


def _checked(partial: Path) -> str:
    flags = apsw.SQLITE_OPEN_READONLY
    with closing(apsw.Connection(str(partial), flags=flags)) as copy:
        return str(copy.execute("PRAGMA quick_check(1)").get)
