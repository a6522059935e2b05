"""Folders of files that forget: what was not synced may be gone, torn, or there after a cut.

A file's bytes last once they were synced, its name once its folder was. Each sync is one step
of the board's disk, so that the power fails between two of them, too.
"""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import apsw

from tests.simulation.replacing import replaced

WHERE = "/proc/self/fd/{}"
OPEN = {}  # the folder of a board -> its Folders


class Folders:
    """One board's: which bytes of which file, and which names, are on the card for good."""

    def __init__(self, top, disk, dice):
        self.top, self.disk, self.dice = Path(top), disk, dice
        self.bytes, self.names = {}, {}  # file number -> bytes; folder -> {name: file number}
        OPEN[str(top)] = self

    def close(self):
        OPEN.pop(str(self.top), None)

    def synced(self, path):
        """A step of the disk: it may be the last one, or fail for want of room."""
        try:
            self.disk._fail_once()
            self.disk._step()
        except apsw.FullError as error:
            raise OSError(errno.ENOSPC, "no space left") from error
        if path.is_dir():
            self.names[path] = names_in(path)
        else:
            self.bytes[path.stat().st_ino] = path.read_bytes()

    @property
    def lasting(self):
        """Names in the folder itself that no power cut takes away."""
        return set(self.names.get(self.top, {}))

    def everything_is_there(self):
        """The card was written elsewhere, and pulled out properly."""
        self.bytes, self.names = {}, {}
        for folder in self._folders():
            self.names[folder] = names_in(folder)
            self.bytes |= {path.stat().st_ino: path.read_bytes() for path in files_in(folder)}

    def power_cycle(self):
        """Leave one of the many states the folders may be in."""
        for folder in self._folders():
            now, was = names_in(folder), self.names.get(folder, {})
            for name in sorted(now.keys() | was.keys()):
                number = now.get(name)
                if number != was.get(name) and self.dice.random() < 0.5:
                    number = was.get(name)
                self._leave(folder / name, number, is_there=number == now.get(name))
        self.everything_is_there()

    def _folders(self):
        return [self.top, *sorted(path for path in self.top.rglob("*") if path.is_dir())]

    def _leave(self, path, number, *, is_there):
        if number is None:
            path.unlink(missing_ok=True)
            return
        kept = self.bytes.get(number, b"")
        written = path.read_bytes() if is_there else kept
        if written != kept:
            written = torn(self.dice, kept, written)
        path.write_bytes(written)


def torn(dice, kept, written):
    """As much as was synced, and of the rest a beginning, or room that nobody filled."""
    length = dice.randint(min(len(kept), len(written)), len(written))
    rest = written[len(kept) : length]
    return kept[:length] + (rest if dice.random() < 0.5 else bytes(len(rest)))


def names_in(folder):
    return {path.name: path.stat().st_ino for path in files_in(folder)}


def files_in(folder):
    return [path for path in sorted(folder.iterdir()) if path.is_file()]


@contextmanager
def forgetting_folders():
    """Every fsync of this process is told to the board whose file it is."""

    def fsync(descriptor):
        path = Path(WHERE.format(descriptor)).readlink()
        for top, folders in OPEN.items():
            if path.is_relative_to(top):
                folders.synced(path)

    with replaced(os, "fsync", fsync):
        yield
