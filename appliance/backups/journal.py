"""What became of each backup, drill and repair, in two files beside the database.

Not in it: who repairs a database must be able to read this, and a restore must not take it
back. One JSON object a line, only ever added to; a line that a power cut has torn is none.
"""

from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from appliance.durable import add_line, put_private
from appliance.settings import Settings

LINES_MAX: Final = 800  # two years of nights
LINES_KEPT: Final = 400

T = TypeVar("T", bound=Struct)


class Run(Struct, frozen=True, kw_only=True):
    """One backup or one drill. `rows` were in what was restored from it."""

    at_ms: int
    kind: Literal["backup", "drill"]
    is_verified: bool
    place: str
    words: str
    file: str = ""
    medium: str = ""
    is_same_card: bool = False
    size_bytes: int = 0
    rows: int = 0
    took_ms: int = 0


class Repair(Struct, frozen=True, kw_only=True):
    """What the box did about a damaged database. `missing`: rows by table.

    `may_miss`: what is or may be gone, as a teacher calls it. `turn`: of the last copy before it.
    """

    at_ms: int
    state: str
    words: list[str]
    missing: dict[str, int] = {}
    may_miss: list[str] = []
    turn: int = 0


def note_run(settings: Settings, run: Run) -> None:
    """Write one down for good."""
    _note(settings.backup_runs, run)


def runs(settings: Settings) -> list[Run]:
    """All that are known, the latest last."""
    return _read(settings.backup_runs, Run)


def last_away(settings: Settings) -> Run | None:
    """The last backup that was restored to test it and would outlive the box's own card."""
    made = [
        run
        for run in runs(settings)
        if run.kind == "backup" and run.is_verified and not run.is_same_card
    ]
    return made[-1] if made else None


def note_repair(settings: Settings, repair: Repair) -> None:
    """Write one down for good."""
    _note(settings.repairs, repair)


def repairs(settings: Settings) -> list[Repair]:
    """All that are known, the latest last."""
    return _read(settings.repairs, Repair)


def _note(path: Path, entry: Struct) -> None:
    known = _lines(path)
    if len(known) >= LINES_MAX:
        put_private(path, b"\n".join(known[-LINES_KEPT:]) + b"\n")
    add_line(path, msgspec.json.encode(entry))


def _lines(path: Path) -> list[bytes]:
    try:
        return [line for line in path.read_bytes().split(b"\n") if line]
    except FileNotFoundError:
        return []


def _read(path: Path, shape: type[T]) -> list[T]:
    found = []
    for line in _lines(path):
        try:
            found.append(msgspec.json.decode(line, type=shape))
        except msgspec.MsgspecError:
            continue
    return found
