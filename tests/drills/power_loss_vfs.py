"""A disk that forgets what was not synced.

An SQLite VFS over the real one. The real files take every write at once, so locks, the
wal-index and several connections work as ever. Beside them, each file has a shadow: the
bytes that a sync has made durable, and the operations since, in order. Cutting the power
makes every later write fail; `possible_disk` then answers what might be found on the
medium: each unsynced write kept, dropped, or torn at 512-byte sectors.

    disk = PowerLossDisk("cut-1", random.Random(7))
    writer = Writer(path, mmap_size_bytes=0, vfs=disk.name)
    disk.cut_after(40)              # the 40th write, truncate or sync from now fails
    ...                             # work until WriteFailed
    disk.power_cycle()              # the real files become one possible disk; power is back
    disk.stumble_at(3, apsw.FullError())   # or: one write fails, and the power stays on

Not covered: names of files (creating, deleting and renaming count as durable at once),
bit rot, memory-mapped reads (a VFS in Python has none), a real kernel.
"""

from pathlib import Path
from random import Random
from threading import Lock
from typing import Final

import apsw
from msgspec import Struct

SECTOR_BYTES: Final = 512


class Write(Struct, frozen=True):
    """Bytes at an offset, not yet synced."""

    offset: int
    content: bytes


class Truncate(Struct, frozen=True):
    """A new length, not yet synced."""

    size_bytes: int


Operation = Write | Truncate


class Shadow(Struct):
    """What of one file is durable, and what is merely written."""

    durable: bytearray
    pending: list[Operation]

    def sync(self) -> None:
        """Make everything written so far durable."""
        for operation in self.pending:
            _replay(self.durable, operation)
        self.pending.clear()

    def written(self) -> bytes:
        """Return what the system's cache says the file is."""
        content = bytearray(self.durable)
        for operation in self.pending:
            _replay(content, operation)
        return bytes(content)

    def possible(self, chance: Random) -> bytes:
        """Return one of the many states in which a power cut may leave this file."""
        survived = bytearray(self.durable)
        for operation in _survivors(self.pending, chance):
            _replay(survived, operation)
        return bytes(survived)


class PowerLossDisk:
    """A registered VFS together with its shadows. `lying` ignores every sync."""

    def __init__(self, name: str, chance: Random, *, is_lying: bool = False) -> None:
        self.name: Final = name
        self.is_off = False
        self.is_lying = is_lying
        self.lies_about = ""  # of which files, by the end of their names
        self.operations = 0
        self._chance: Final = chance
        self._shadows: dict[str, Shadow] = {}
        self._left: int | None = None
        self._stumble: tuple[int, apsw.Error] | None = None
        self._lock: Final = Lock()  # the writer's and the checkpoint's threads share the disk
        self._vfs: Final = _Vfs(self)

    def close(self) -> None:
        """Forget the VFS; its connections must be closed."""
        self._vfs.unregister()

    def cut_after(self, operations: int) -> None:
        """Let that many more writes, truncates and syncs begin; the last of them fails."""
        assert operations >= 1, operations
        self._left = operations

    def cut(self) -> None:
        """Cut the power now."""
        self.is_off = True

    def stumble_at(self, operation: int, error: apsw.Error) -> None:
        """Let one write, truncate or sync fail with `error` and not be done; power stays on."""
        assert operation >= 1, operation
        self._stumble = (operation, error)

    def recover(self) -> bool:
        """Forget a failure that was to come; say whether it had come."""
        has_come = self._stumble is None
        self._stumble = None
        return has_come

    def possible_disk(self, folder: Path) -> None:
        """Write into `folder` one disk that the cut may have left, under the files' names."""
        for name, content in self._possible_files().items():
            (folder / Path(name).name).write_bytes(content)

    def power_cycle(self) -> None:
        """Put one possible disk in the place of the real files and switch the power on."""
        for name, content in self._possible_files().items():
            Path(name).write_bytes(content)
            Path(name + "-shm").unlink(missing_ok=True)
        self._shadows.clear()
        self._left = None
        self.is_off = False

    def restart(self) -> None:
        """Switch on after the processes were killed: the system kept all they had written."""
        for name, shadow in self._shadows.items():
            Path(name).write_bytes(shadow.written())
            Path(name + "-shm").unlink(missing_ok=True)
        self._left = None
        self.is_off = False

    def _possible_files(self) -> dict[str, bytes]:
        return {name: shadow.possible(self._chance) for name, shadow in self._shadows.items()}

    # What the VFS reports, called from any thread.

    def opened(self, name: str) -> None:
        """Begin a shadow; what the file holds already counts as durable."""
        with self._lock:
            if name not in self._shadows:
                self._shadows[name] = Shadow(bytearray(Path(name).read_bytes()), [])

    def deleted(self, name: str) -> None:
        """Forget a file."""
        with self._lock:
            self._shadows.pop(name, None)

    def changed(self, name: str, operation: Operation) -> None:
        """Record a write or truncate; one that the cut interrupts may still be on the disk."""
        with self._lock:
            self._fail_once()
            if not self.is_off:
                self._shadows[name].pending.append(operation)
            self._step()

    def synced(self, name: str) -> None:
        """Record a sync, unless the power fails or the disk lies."""
        with self._lock:
            self._fail_once()
            self._step()
            if not (self.is_lying and name.endswith(self.lies_about)):
                self._shadows[name].sync()

    def _fail_once(self) -> None:
        if self._stumble is None:
            return
        left, error = self._stumble
        self._stumble = (left - 1, error) if left > 1 else None
        if left == 1:
            raise error

    def _step(self) -> None:
        self.operations += 1
        if self._left is not None:
            self._left -= 1
            self.is_off = self.is_off or self._left <= 0
        if self.is_off:
            raise apsw.IOError("the power is off")


class _Vfs(apsw.VFS):
    def __init__(self, disk: PowerLossDisk) -> None:
        self._disk: Final = disk
        super().__init__(name=disk.name, base="")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        file = _File(self._disk, path, name, flags)
        if path is not None:
            self._disk.opened(path)
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802, FBT001
        super().xDelete(filename, syncdir)
        self._disk.deleted(filename)


class _File(apsw.VFSFile):
    """A file with a name is watched; a temporary one is none of the disk's business."""

    def __init__(
        self,
        disk: PowerLossDisk,
        path: str | None,
        name: str | apsw.URIFilename | None,
        flags: list[int],
    ) -> None:
        super().__init__("", name, flags)
        self._disk: Final = disk
        self._path: Final = path

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._path is not None:
            self._disk.changed(self._path, Write(offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        if self._path is not None:
            self._disk.changed(self._path, Truncate(newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        # The real sync is left out: it is slow, and only the shadow decides what survives.
        if self._path is not None:
            self._disk.synced(self._path)


def _replay(content: bytearray, operation: Operation) -> None:
    match operation:
        case Truncate(size_bytes=size):
            del content[size:]
        case Write(offset=offset, content=written):
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))  # a hole reads as zeros
            content[offset : offset + len(written)] = written


def _survivors(pending: list[Operation], chance: Random) -> list[Operation]:
    """Choose how the cache was caught: empty, in order up to a point, or at random and torn."""
    match chance.randrange(4):
        case 0:
            return []
        case 1:
            return pending[: chance.randint(0, len(pending))]
        case 2:
            kept = pending[: chance.randint(0, len(pending))]
            return [*kept[:-1], *_torn(kept[-1:], chance)]
        case _:
            return _torn([one for one in pending if chance.random() < 0.5], chance)


def _torn(operations: list[Operation], chance: Random) -> list[Operation]:
    """Let each sector of each write arrive or not."""
    pieces: list[Operation] = []
    for operation in operations:
        if isinstance(operation, Truncate):
            pieces.append(operation)
            continue
        pieces += [piece for piece in _sectors(operation) if chance.random() < 0.5]
    return pieces


def _sectors(write: Write) -> list[Operation]:
    """Cut a write at the sector boundaries of the disk, not of the write."""
    pieces: list[Operation] = []
    start = 0
    while start < len(write.content):
        end = SECTOR_BYTES - (write.offset + start) % SECTOR_BYTES + start
        pieces.append(Write(write.offset + start, write.content[start:end]))
        start = end
    return pieces
