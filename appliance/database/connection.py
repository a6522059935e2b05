"""Opening SQLite the one way the box needs it.

Every connection says what it is for (its Role) and asserts what it got: a pragma that
silently did not take effect is a durability bug found months later.
"""

import ctypes
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import apsw

Role = Literal["writer", "reader", "report", "agent"]

APPLICATION_ID: Final = 0x44617261  # "Dara": `file school.db` tells what it is
PAGE_SIZE_BYTES: Final = 4_096  # the erase-block-friendly unit of ext4 and of most cards
MMAP_SIZE_BYTES: Final = 256 << 20  # a two-year school is 200-300 MB; reads cost no copy
BUSY_TIMEOUT_MS: Final = 5_000  # the agent's transactions last 10 ms; 5 s means it hangs
# SQLite's own waiting backs off to 100 ms, while a busy writer leaves the lock free for
# 0.1 ms between two batches: beside 200 clients the agent waited up to 1.9 s. Knocking
# this often it waits 0.1 s at most, and costs CPU only while there is contention. The writer
# knocks as often: the agent holds the lock for 1-4 ms, twenty times for each full segment.
KNOCK_S: Final = 0.000_5
KNOCKS_MAX: Final = round(BUSY_TIMEOUT_MS / 1_000 / KNOCK_S)
JOURNAL_SIZE_BYTES_MAX: Final = 32 << 20  # after a long report the WAL file shrinks to this
STATEMENT_CACHE: Final = 256  # all statements of all features stay prepared

# KiB, negative as SQLite wants it. Readers share pages through mmap and need little.
CACHE_SIZE: Final[dict[Role, int]] = {
    "writer": -64_000,
    "agent": -8_000,
    "reader": -8_000,
    "report": -16_000,
}
SYNCHRONOUS_FULL: Final = 2
SECURE_DELETE_FAST: Final = 2  # what is deleted is zeroed in pages that are written anyway
TEMP_STORE_MEMORY: Final = 2
AUTO_VACUUM_INCREMENTAL: Final = 2


def open_connection(
    path: Path, *, role: Role, mmap_size_bytes: int = MMAP_SIZE_BYTES, vfs: str | None = None
) -> apsw.Connection:
    """Open `path` and assert every pragma. Only a writer may create the file.

    A VFS written in Python cannot map memory: pass `mmap_size_bytes=0` with it.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if role == "writer" else 0)
    connection = apsw.Connection(
        str(path), flags=flags, vfs=vfs, statementcachesize=STATEMENT_CACHE
    )
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)  # first: every pragma below may need a lock (T4)
    if role in {"writer", "agent"}:
        connection.set_busy_handler(wait_for_lock)
    else:
        # The last one to close would carry the log over; a file that is looked at because it
        # may be damaged must not be written to.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    _keep_log(connection)
    connection.convert_binding = _bind
    if role == "writer":
        _lay_out_new_file(connection)
        connection.pragma("journal_mode", "wal")
    for name, value in _pragmas(role, mmap_size_bytes):
        connection.pragma(name, value)  # one statement a call (T5)
    connection.pragma("secure_delete", "fast")
    _assert_pragmas(connection, role, mmap_size_bytes)
    if role in {"writer", "agent"}:
        _make_durable(connection)
    return connection


def _keep_log(connection: apsw.Connection) -> None:
    """Have whoever closes the file last empty the log and leave it there.

    So a log that is missing after an unclean stop is one the card has lost, whoever opened and
    closed the file between the stop and the question (`appliance.repair`).
    """
    is_kept = ctypes.c_int(1)
    connection.file_control("main", apsw.SQLITE_FCNTL_PERSIST_WAL, ctypes.addressof(is_kept))


def _make_durable(connection: apsw.Connection) -> None:
    """Sync what is found, before anyone is told of it or anything leaves the box.

    Killed between writing a commit and syncing it, a process leaves a commit that only the
    system's cache holds; opening the file makes it true, and the next power cut undoes it.
    """
    # Busy: whoever checkpoints right now syncs first. Full: the log was synced, and there is no
    # room to carry it over; a box that does not start would make none.
    with suppress(apsw.BusyError, apsw.FullError):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)


def _lay_out_new_file(connection: apsw.Connection) -> None:
    """Fix what can only be chosen before the first page is written."""
    if connection.pragma("page_count") == 0:
        connection.pragma("page_size", PAGE_SIZE_BYTES)
        connection.pragma("auto_vacuum", AUTO_VACUUM_INCREMENTAL)
        connection.pragma("application_id", APPLICATION_ID)


def _pragmas(role: Role, mmap_size_bytes: int) -> list[tuple[str, int]]:
    pragmas = [
        ("synchronous", SYNCHRONOUS_FULL),
        ("mmap_size", mmap_size_bytes),
        ("cache_size", CACHE_SIZE[role]),
        ("temp_store", TEMP_STORE_MEMORY),
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("journal_size_limit", JOURNAL_SIZE_BYTES_MAX),
        ("wal_autocheckpoint", 0),
    ]
    if role in {"reader", "report"}:
        pragmas.append(("query_only", 1))
    return pragmas


def _assert_pragmas(connection: apsw.Connection, role: Role, mmap_size_bytes: int) -> None:
    """Read back what was asked for; programmer errors and foreign files end here."""
    expected: dict[str, int | str | None] = dict(_pragmas(role, mmap_size_bytes))
    expected |= {
        "journal_mode": "wal",
        "page_size": PAGE_SIZE_BYTES,
        "auto_vacuum": AUTO_VACUUM_INCREMENTAL,
        "application_id": APPLICATION_ID,
        "secure_delete": SECURE_DELETE_FAST,
    }
    if mmap_size_bytes == 0:
        del expected["mmap_size"]  # a VFS without memory mapping answers nothing at all
    for name, value in expected.items():
        assert connection.pragma(name) == value, (name, connection.pragma(name), value)


def wait_for_lock(knocks: int) -> bool:
    """Wait a moment for the write lock; False gives up."""
    time.sleep(KNOCK_S)
    return knocks < KNOCKS_MAX


def _bind(_cursor: apsw.Cursor, _number: int, value: object) -> bytes:
    """Store a UUID as its 16 bytes; anything else SQLite does not know is our bug."""
    assert isinstance(value, UUID), f"cannot store a {type(value).__name__}"
    return value.bytes
