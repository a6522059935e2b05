"""On disk before anybody relies on it: a file's bytes, and then the name it goes by."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def is_regular(path: Path) -> bool:
    """Whether a stranger's file may be opened: a named pipe makes whoever opens it wait for ever.

    Raises OSError where there is none.
    """
    return stat.S_ISREG(path.stat().st_mode)


def sync_path(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> None:
    """Make a folder nobody else may look into, for good, if it is not there.

    Before anything is put in it: on FAT the first names in a new folder go to disk with the one
    above it, and syncing the folder itself would leave them in memory.
    """
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        sync_path(path.parent)


def put_private(path: Path, content: bytes) -> None:
    """Put a file nobody else may read in place for good: all of it, or what was there before."""
    partial = path.with_suffix(".partial")
    _write(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), content)
    put_in_place(partial, path)


def put_in_place(partial: Path, target: Path) -> None:
    """Give a file whose bytes are on disk its name, for good.

    Then the file once more: a FAT stick begins a new name as an empty file's, and learns the
    length only when the file itself is written out. Pulled out before, it held empty ones.
    """
    partial.replace(target)
    sync_path(target)
    sync_path(target.parent)


def add_line(path: Path, line: bytes) -> None:
    """Write a whole line for good, whatever the line before ended in."""
    _write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), b"\n" + line + b"\n")
    sync_path(path.parent)


def _write(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
