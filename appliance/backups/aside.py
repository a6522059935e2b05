"""What an update, a repair or a restore has put aside, and for how long it stays.

It is kept in case the file that took its place turns out worse. That is proven by nights and not
by a date: each nightly copy was read through before it got its name, so thirty of them say that
the school has gone on well for a month. After that it only holds people who were to be forgotten.
"""

import shutil
from pathlib import Path
from typing import Final

from appliance.backups.order import note_aside, read_order
from appliance.settings import Settings

KEPT: Final = 3  # of each kind: of this accident, and of two before it
NIGHTS_KEPT: Final = 30
NIGHTS_PROVEN: Final = 7  # on a full card: as many as there are copies of the file in its place


def expire_aside(settings: Settings) -> int:
    """Count one more good night, and let go of what has had its time; return how many went."""
    nights = {name: count + 1 for name, count in _nights(settings).items()}
    gone = [
        path
        for kind in _kinds(settings)
        for place, path in enumerate(_newest_first(kind, nights))
        if place >= KEPT or nights[path.name] >= NIGHTS_KEPT
    ]
    _remove(gone)
    left = {path.name: nights[path.name] for kind in _kinds(settings) for path in kind}
    if left != read_order(settings.backups).aside:
        note_aside(settings.backups, left)
    return len(gone)


def shed_aside(settings: Settings) -> int:
    """On a full card: let go of all but the last of each kind, and of that once a week was well."""
    nights = _nights(settings)
    gone = [
        path
        for kind in _kinds(settings)
        for place, path in enumerate(_newest_first(kind, nights))
        if place >= 1 or nights[path.name] >= NIGHTS_PROVEN
    ]
    _remove(gone)
    return len(gone)


def _kinds(settings: Settings) -> list[list[Path]]:
    return [
        list(settings.backups.glob("before-*.db")),
        list(settings.data_dir.glob("before-repair-*")),
        list(settings.data_dir.glob("before-restore-*")),
    ]


def _nights(settings: Settings) -> dict[str, int]:
    """How many good nights each has seen; -1 where it has come since the last one."""
    known = read_order(settings.backups).aside
    return {path.name: known.get(path.name, -1) for kind in _kinds(settings) for path in kind}


def _newest_first(kind: list[Path], nights: dict[str, int]) -> list[Path]:
    by_name = sorted(kind, reverse=True)
    return sorted(by_name, key=lambda path: nights[path.name])


def _remove(gone: list[Path]) -> None:
    for path in gone:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
