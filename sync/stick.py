"""Reading and writing a stick, for the box and for the hub.

A stick is slow, full, pulled out, and was in other people's hands. So a file appears whole or
not at all (written beside, synced, renamed, folder synced), nothing is read past a bound,
and no link on it leads anywhere: every step down is taken from an open folder.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

PARTIAL: Final = ".part"
NAMES_MAX: Final = 100_000  # in one folder; a school makes some thousand segments a year
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
CLOSED: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
UNSYNCABLE: Final = frozenset({errno.EINVAL, errno.ENOTSUP})  # folders, on some sticks
NOT_HERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

STEP: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class StickFailed(Exception):
    """The stick did not do what was asked of it; the text says so to a person."""


class StickFull(StickFailed):
    """There is no room; what was written before is whole."""


class Stick:
    """A folder, usually where a stick is mounted."""

    def __init__(self, root: Path) -> None:
        self._root: Final = root
        if not root.is_dir():
            raise StickFailed(f"{root} is not a folder; is the stick mounted?")

    @property
    def device(self) -> int:
        """Which disk it is on."""
        return self._root.stat().st_dev

    @property
    def free_bytes(self) -> int:
        """How much room is left for whoever may write here."""
        with _in_plain_words(PurePosixPath()):
            status = os.statvfs(self._root)
        return status.f_bavail * status.f_frsize

    def names(self, place: PurePosixPath) -> list[str]:
        """What lies in a folder; nothing where there is none."""
        with _in_plain_words(place), self._folder(place) as folder:
            if folder is None:
                return []
            return sorted(os.listdir(folder))[:NAMES_MAX]  # noqa: PTH208 -- of an open folder

    def read(self, place: PurePosixPath, *, bytes_max: int) -> bytes | None:
        """Return a file of at most `bytes_max`; None where there is no such plain file."""
        with _in_plain_words(place), self._folder(place.parent) as folder:
            if folder is None:
                return None
            return _read(folder, place.name, bytes_max)

    def write(self, place: PurePosixPath, content: bytes) -> None:
        """Write a file whole, or leave what was there. Raises StickFailed."""
        with _in_plain_words(place), self._folder(place.parent, make=True) as folder:
            assert folder is not None
            try:
                _write_whole(folder, place.name, content)
            finally:
                with suppress(OSError):  # renamed already, or the stick is gone
                    os.unlink(place.name + PARTIAL, dir_fd=folder)

    def remove(self, place: PurePosixPath) -> None:
        """Make room, if the file is there."""
        with _in_plain_words(place), self._folder(place.parent) as folder:
            if folder is not None:
                with suppress(FileNotFoundError):
                    os.unlink(place.name, dir_fd=folder)

    @contextmanager
    def _folder(self, place: PurePosixPath, *, make: bool = False) -> Iterator[int | None]:
        """Open a folder step by step; yield None where a step is missing, a link or a file."""
        here = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in place.parts:
                below = _step(here, name, make=make)
                if below is None:
                    yield None
                    return
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)


def _step(folder: int, name: str, *, make: bool) -> int | None:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)
            _sync_folder(folder)
    try:
        return os.open(name, STEP, dir_fd=folder)
    except OSError as error:
        if error.errno in NOT_HERE and not make:
            return None
        raise


def _read(folder: int, name: str, bytes_max: int) -> bytes | None:
    try:
        descriptor = os.open(name, READ, dir_fd=folder)
    except OSError as error:
        if error.errno in NOT_HERE:
            return None
        raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > bytes_max:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(bytes_max)
    finally:
        os.close(descriptor)


def _write_whole(folder: int, name: str, content: bytes) -> None:
    descriptor = os.open(name + PARTIAL, WRITE, 0o644, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.rename(name + PARTIAL, name, src_dir_fd=folder, dst_dir_fd=folder)
        # Once more: FAT begins a new name as an empty file's, and learns its length only so.
        os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


@contextmanager
def _in_plain_words(place: PurePosixPath) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        trouble = StickFull if error.errno in FULL else StickFailed
        raise trouble(in_words(error, place)) from error


def in_words(error: OSError, place: PurePosixPath) -> str:
    """Say what the system said, to whoever holds the stick."""
    if error.errno in FULL:
        return f"the stick is full: {place.name} did not fit; what was written before is whole"
    if error.errno in CLOSED:
        return f"the stick may not be written to: {error.strerror}"
    return f"the stick was pulled out or is damaged: {place.name}: {error.strerror}"
