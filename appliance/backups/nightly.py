"""The copies of the database on the box's own card: one a night, whoever makes it.

The running box makes it in its night, out of lessons; where it does not come to it,
`darasa-backup.timer` does (appliance/maintenance/off_duty.py). Both put it where the ladder after
damage looks (appliance/repair.py).
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from appliance.backups.queries import origin
from appliance.database.backup import back_up, reading
from appliance.database.faults import BackupUnusable
from appliance.settings import Settings

NIGHTLY: Final = "nightly-*.db"
KEPT: Final = 7
KEPT_IN_NEED: Final = 2
ROOM_FACTOR: Final = 2.2  # the copy, its journal, and space to hand in meanwhile


class Copy(Struct, frozen=True):
    """A plain copy of the database, ready to be put in place. `seq` orders without a clock."""

    name: str
    path: Path
    seq: int


class Copied(Struct, frozen=True):
    """Tonight's copy, and how many older ones went."""

    name: str
    size_bytes: int
    forgotten: int


def copy_tonight(settings: Settings, *, now_ms: int) -> Copied:
    """Copy the live database, verify the copy, keep the last seven. Raises BackupFailed."""
    day = datetime.fromtimestamp(now_ms / 1_000, UTC).strftime("%Y%m%d")
    target = settings.backups / f"nightly-{day}.db"
    result = back_up(settings.database, target)
    return Copied(target.name, result.size_bytes, forget_old_copies(settings.backups, but=target))


def nightly_copies(folder: Path) -> list[Path]:
    """The copies there are, the one with the most changes in it first."""
    return [copy.path for copy in newest_first(_all(folder))]


def readable_copies(folder: Path) -> list[Copy]:
    """Those that say where they stand; a damaged one does not."""
    return [copy for copy in _all(folder) if copy.seq >= 0]


def newest_first(stock: list[Copy]) -> list[Copy]:
    """The one with the most changes in it first."""
    return sorted(stock, key=lambda copy: (copy.seq, copy.name), reverse=True)


def forget_old_copies(folder: Path, kept: int = KEPT, *, but: Path | None = None) -> int:
    """Keep the newest copies, damaged ones last, and `but` always; return how many went."""
    known = nightly_copies(folder)
    stay = [path for path in known if path == but]
    stay += [path for path in known if path != but][: kept - len(stay)]
    old = [path for path in known if path not in stay]
    for path in old:
        path.unlink()
    return len(old)


def set_aside_newer(settings: Settings, aside: Path) -> None:
    """After a restore: copies that know more than the school now does are of another future.

    They would be taken for the newest ones. They go where the file that was replaced went.
    """
    here = _seq(settings.database)
    for copy in _all(settings.backups):
        if copy.seq > here >= 0:
            aside.mkdir(mode=0o700, exist_ok=True)
            shutil.move(copy.path, aside)


def _all(folder: Path) -> list[Copy]:
    return [Copy(path.name, path, _seq(path)) for path in folder.glob(NIGHTLY)]


def _seq(path: Path) -> int:
    try:
        with reading(path) as db:
            return origin(db).seq
    except BackupUnusable:
        return -1
