"""Where the running box is to be found, for `darasa-box doctor`: a file there while it runs.

Whether the last stop was clean is asked before anybody opens the database: appliance/repair.py.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from appliance.durable import put_private


class Running(Struct, frozen=True):
    """The box that runs, or was running when the power went."""

    pid: int
    port: int | None = None


_read: Final = msgspec.json.Decoder(Running)


def running_box(file: Path) -> Running | None:
    """Who runs here, or did; None after a clean stop."""
    try:
        return _read.decode(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError):
        return Running(pid=0)  # cut off while it was written: nobody runs


def note_start(file: Path, *, port: int | None) -> None:
    """Say that a box runs, and where."""
    put_private(file, msgspec.json.encode(Running(os.getpid(), port)))


def note_stop(file: Path) -> None:
    """Say that it stopped as it should."""
    file.unlink(missing_ok=True)
