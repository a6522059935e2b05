"""Moving committed frames from the WAL into the database file, beside the writer.

A side thread does the copying (PASSIVE), so that no commit waits for it. Under steady
load PASSIVE never reaches the end of the WAL and the file would grow without bound, so
past a size the writer itself, between two batches, restarts the WAL from its beginning.
RESTART and not TRUNCATE: overwriting blocks that exist costs half an fsync less than
growing the file anew; `journal_size_limit` gives space back after an outlier.
"""

import contextlib
import logging
from pathlib import Path
from threading import Event, Thread
from typing import Final

import apsw
from msgspec import Struct

from appliance.database.connection import open_connection, wait_for_lock

logger = logging.getLogger(__name__)

RESTART_WAIT_MS: Final = 20  # bounded reads end within this; a report's snapshot may not
EVERY_S: Final = 30.0  # also carries over what the agent's process committed


class WalLimits(Struct, frozen=True):
    """At how many frames (4 KiB each) of WAL something is done about it."""

    passive: int = 1_000  # since the last copy; 15 ms of copying on eMMC, SQLite's own default
    restart: int = 4_096  # 16 MiB: still in the page cache of a 4 GB board
    retry: int = 256  # how much more until a refused restart is tried again


WAL_LIMITS: Final = WalLimits()


class Checkpointer:
    """The side thread, its connection, and what it knows of the WAL's length."""

    def __init__(
        self, path: Path, *, limits: WalLimits, mmap_size_bytes: int, vfs: str | None
    ) -> None:
        # Role "agent": reads and writes an existing file with a small cache, like this thread.
        self._connection: Final = open_connection(
            path, role="agent", mmap_size_bytes=mmap_size_bytes, vfs=vfs
        )
        self._wake: Final = Event()
        self._thread: Final = Thread(target=self._run, name="checkpoint", daemon=True)
        self._is_stopping = False
        self._copied_frames = 0
        self._limits: Final = limits
        self._restart_at = limits.restart

    def start(self) -> None:
        """Begin checkpointing in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Wait for a checkpoint under way and close."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join()
        with contextlib.suppress(apsw.Error):  # see the writer's own close
            self._connection.close()

    def after_commit(self, writer: apsw.Connection, frames: int) -> None:
        """Look at the WAL's length. Called by the writer between two batches."""
        if frames < self._copied_frames:
            self._copied_frames = 0  # the WAL began anew
        if frames - self._copied_frames >= self._limits.passive:
            self._copied_frames = frames
            self._wake.set()
        if frames >= self._restart_at:
            limits = self._limits
            self._restart_at = limits.restart if restart_wal(writer) else frames + limits.retry

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.wait(EVERY_S)
            self._wake.clear()
            self._copy()

    def _copy(self) -> None:
        try:
            frames, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return  # the writer restarts the WAL at this moment, or the agent's process copies
        except apsw.Error as error:
            # Full or I/O: commits meet the same and tell their callers. The frames
            # stay valid in the WAL.
            logger.warning("checkpoint put off cause=%s", error)
            return
        assert 0 <= copied <= frames, (frames, copied)  # (-1, -1): it did nothing at all (T2)


def empty_wal(connection: apsw.Connection) -> bool:
    """Copy everything and cut the WAL to nothing; False when somebody is in it.

    The long part goes first and waits for nobody; the lock is held for the rest alone.
    """
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    connection.set_busy_timeout(RESTART_WAIT_MS)
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        return False
    finally:
        connection.set_busy_handler(wait_for_lock)
    return True


def restart_wal(writer: apsw.Connection) -> bool:
    """Copy the rest and let the next commit begin the WAL anew; False when readers are in it."""
    writer.set_busy_timeout(RESTART_WAIT_MS)
    try:
        frames, copied = writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
    except apsw.BusyError:
        return False  # a report or the side thread is in the WAL; more frames, then again
    except apsw.Error as error:
        logger.warning("wal restart put off cause=%s", error)
        return False
    finally:
        writer.set_busy_handler(wait_for_lock)
    assert 0 <= frames == copied, (frames, copied)
    return True
