"""Who may touch the school's files.

darasa-box and darasa-agent hold the lock together while they run. Migrate, restore,
repair and swap need the files for themselves and say so plainly when they cannot.
One box at a time serves a folder or brings it to its release; the folder itself is that lock,
so that a card which is full or can only be read needs no new file for it.
The kernel drops the lock when a process dies, so there is never a stale one.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from appliance.database.faults import BoxRunsAlready, DataDirInUse

LOCK_NAME: Final = "school.lock"
KNOCK_S: Final = 0.1


@contextmanager
def shared_lock(data_dir: Path) -> Iterator[None]:
    """Hold the files together with other running parts of the box."""
    with _locked(data_dir, fcntl.LOCK_SH):
        yield


@contextmanager
def exclusive_lock(data_dir: Path) -> Iterator[None]:
    """Hold the files alone. Raises DataDirInUse when anybody else holds them."""
    with _locked(data_dir, fcntl.LOCK_EX):
        yield


@contextmanager
def patient_lock(data_dir: Path, *, within_s: float) -> Iterator[None]:
    """Hold the files alone as soon as everybody else has let go. Raises DataDirInUse."""
    deadline = time.monotonic() + within_s
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(_locked(data_dir, fcntl.LOCK_EX))
                break
            except DataDirInUse:
                if time.monotonic() > deadline:
                    raise
            time.sleep(KNOCK_S)
        yield


@contextmanager
def only_box(data_dir: Path) -> Iterator[None]:
    """Be the only box of this folder, before anything in it is touched. Raises BoxRunsAlready."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            _take(folder, fcntl.LOCK_EX, f"it looks after {data_dir}")
        except DataDirInUse as error:
            raise BoxRunsAlready(error.detail) from error
        yield
    finally:
        os.close(folder)


@contextmanager
def _locked(data_dir: Path, kind: int) -> Iterator[None]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # children's data: nobody else looks
    with (data_dir / LOCK_NAME).open("ab") as lock:
        _take(lock.fileno(), kind, f"{data_dir} is held by another process")
        yield


def _take(descriptor: int, kind: int, words: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataDirInUse(words) from error
