"""The one mark of a box that runs: who, where, what it serves; and how the last one ended.

A file beside the database. A clean stop takes it away, so a start that finds it knows that the
last one ended in a power cut, a crash, or with damage found, and looks at the whole database.
`darasa-box doctor` and the timers find the running box by it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from appliance.clock import BOARD
from appliance.database.restoring import log_of
from appliance.durable import put_private, sync_path
from appliance.errors import DarasaError
from appliance.settings import Settings

Trouble = Literal["", "refused", "damaged"]


class Mark(Struct, frozen=True, kw_only=True):
    """What the box last wrote of itself.

    `trouble`: it closed its files and ended with an error (`refused`), or has found damage
    (`damaged`). Without any it was running when it ended.
    """

    pid: int = 0
    boot_id: str = ""
    port: int | None = None
    serves: Literal["school", "lessons"] = "school"
    trouble: Trouble = ""

    @property
    def is_alive(self) -> bool:
        """Whether this box still runs; a number of another boot is somebody else's."""
        return self.pid > 0 and self.boot_id == BOARD.boot_id() and _is_there(self.pid)


_read: Final = msgspec.json.Decoder(Mark)


def read_mark(file: Path) -> Mark | None:
    """The mark as it lies there; None after a clean stop."""
    try:
        return _read.decode(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError):
        return Mark()  # torn: it was running when the power went


def running_box(file: Path) -> Mark | None:
    """The box that runs here now."""
    mark = read_mark(file)
    return mark if mark is not None and mark.is_alive else None


def has_lost_its_log(settings: Settings) -> bool:
    """Whether the card has lost the log of an unclean stop; whoever closes the file leaves it.

    To be asked before anybody opens the file and makes an empty one.
    """
    return settings.running.exists() and not log_of(settings.database).exists()


def note_start(file: Path, *, port: int | None) -> None:
    """Say that the school's box runs, before it touches the database."""
    _put(file, Mark(pid=os.getpid(), boot_id=BOARD.boot_id(), port=port))


def note_lessons(file: Path, *, port: int) -> None:
    """Say that only lessons are shown; what the next start has to look at stays."""
    left = read_mark(file) or Mark(trouble="damaged")
    mine = Mark(pid=os.getpid(), boot_id=BOARD.boot_id(), port=port, serves="lessons")
    _put(file, structs.replace(mine, trouble=left.trouble))


def note_trouble(file: Path, trouble: Trouble) -> None:
    """Leave something for the next start to look at, whatever stop comes before it."""
    _put(file, structs.replace(read_mark(file) or Mark(), trouble=trouble))


@contextmanager
def noting_the_stop(file: Path, *, port: int | None = None) -> Iterator[None]:
    """Leave the mark for as long as the box runs; a clean stop without trouble takes it away."""
    note_start(file, port=port)
    try:
        yield
    except (DarasaError, OSError):  # it closed its files: worth a look
        note_trouble(file, "refused")
        raise
    left = read_mark(file)
    if left is not None and not left.trouble:
        file.unlink()
        sync_path(file.parent)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):  # nobody, or somebody else by now
        return False
    return True


def _put(file: Path, mark: Mark) -> None:
    put_private(file, msgspec.json.encode(mark))
