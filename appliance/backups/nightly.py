"""The copies of the database on the box's own card: one a night, whoever makes it.

The running box makes it in its night, out of lessons; where it does not come to it,
`darasa-backup.timer` does (appliance/maintenance/off_duty.py). Both put it where the ladder after
damage looks (appliance/repair.py). What comes first among them, and what after a restore, says
`appliance.backups.order`.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from appliance.backups.aside import expire_aside
from appliance.backups.order import Order, next_turn, note_restored, read_order
from appliance.backups.queries import origin
from appliance.database.backup import PARTIAL_SUFFIX, back_up, reading
from appliance.database.faults import BackupUnusable
from appliance.settings import Settings

NIGHTLY: Final = "nightly-*.db"
NAME: Final = re.compile(r"nightly-(?P<turn>\d{6,})-\d{8}\.db")  # 0.2.0 wrote the day alone
KEPT: Final = 7
KEPT_IN_NEED: Final = 2
ROOM_FACTOR: Final = 2.2  # the copy, its journal, and space to hand in meanwhile


class Copy(Struct, frozen=True):
    """A plain copy of the database, ready to be put in place. `seq` is -1 where it cannot say."""

    name: str
    path: Path
    seq: int
    turn: int = 0
    is_left: bool = False

    @property
    def rank(self) -> tuple[bool, int, int, str]:
        """Its place in the order; without turns the count of changes is the next best."""
        return (not self.is_left, self.turn, self.seq, self.name)


class Copied(Struct, frozen=True):
    """Tonight's copy, and how many older ones went."""

    name: str
    size_bytes: int
    forgotten: int


def copy_tonight(settings: Settings, *, now_ms: int) -> Copied:
    """Copy the live database, verify the copy, keep the last seven. Raises BackupFailed."""
    folder = settings.backups
    for torn in folder.glob(NIGHTLY + PARTIAL_SUFFIX):
        torn.unlink()
    day = datetime.fromtimestamp(now_ms / 1_000, UTC).strftime("%Y%m%d")
    target = folder / f"nightly-{next_turn(folder, turns(folder)):06}-{day}.db"
    result = back_up(settings.database, target)
    gone = forget_old_copies(folder, but=target) + expire_aside(settings)
    return Copied(target.name, result.size_bytes, gone)


def nightly_copies(folder: Path) -> list[Path]:
    """The copies there are, the newest first."""
    return [copy.path for copy in newest_first(_all(folder))]


def readable_copies(folder: Path) -> list[Copy]:
    """Those that say where they stand; a damaged one does not."""
    return [copy for copy in _all(folder) if copy.seq >= 0]


def newest_first(stock: list[Copy]) -> list[Copy]:
    """The one to begin with first."""
    return sorted(stock, key=lambda copy: copy.rank, reverse=True)


def forget_old_copies(folder: Path, kept: int = KEPT, *, but: Path | None = None) -> int:
    """Keep the newest copies, and `but` always; return how many went."""
    known = [path for path in nightly_copies(folder) if path != but]
    old = known[kept - (but is not None) :]
    for path in old:
        path.unlink()
    return len(old)


def put_in_place(settings: Settings, turn: int, seen: Iterable[int] = ()) -> None:
    """Note which copy the database was restored from; `seen`: the turns beside it on its stick.

    A card too full for it must not keep the box from serving: the copies tell most of it.
    """
    folder = settings.backups
    with suppress(OSError):
        note_restored(folder, turn, [*turns(folder), *seen])


def turns(folder: Path) -> list[int]:
    """Of the copies that are there."""
    return [turn_of(path) for path in folder.glob(NIGHTLY)]


def turn_of(path: Path) -> int:
    """The turn a nightly copy has by its name; 0 when it has none."""
    found = NAME.fullmatch(path.name)
    return int(found["turn"]) if found else 0


def _all(folder: Path) -> list[Copy]:
    order = read_order(folder)
    return [_copy(path, order) for path in folder.glob(NIGHTLY)]


def _copy(path: Path, order: Order) -> Copy:
    turn = turn_of(path)
    return Copy(path.name, path, _seq(path), turn, order.has_left(turn))


def _seq(path: Path) -> int:
    try:
        with reading(path) as db:
            return origin(db).seq
    except BackupUnusable:
        return -1
