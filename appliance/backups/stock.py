"""Every copy a damaged box may fall back on: on its own card, and on the stick beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from appliance.accounts.faults import KeysMissing
from appliance.accounts.keys import SchoolKeys, read_keys
from appliance.backups.envelope import read_label, unseal
from appliance.backups.faults import BackupDamaged
from appliance.backups.label import open_for_box
from appliance.backups.making import ENDING
from appliance.backups.media import FOLDER, MOUNTS, mounted
from appliance.backups.queries import origin
from appliance.backups.trial import workroom
from appliance.database.backup import reading
from appliance.database.faults import BackupUnusable
from appliance.settings import Settings

NIGHTLY: Final = "nightly-*.db"


class Copy(Struct, frozen=True):
    """A plain copy of the database, ready to be put in place. `seq` orders without a clock."""

    name: str
    path: Path
    seq: int


@contextmanager
def copies(settings: Settings) -> Iterator[list[Copy]]:
    """The copies on the card, and the newest that a stick has for this box's keys."""
    with workroom(settings) as work:
        local = [copy for path in settings.backups.glob(NIGHTLY) if (copy := _plain(path))]
        carried = _newest_sealed(settings, work)
        yield [*local, carried] if carried else local


def newest_first(stock: list[Copy]) -> list[Copy]:
    """The one with the most changes in it first."""
    return sorted(stock, key=lambda copy: (copy.seq, copy.name), reverse=True)


def _plain(path: Path) -> Copy | None:
    try:
        with reading(path) as db:
            return Copy(path.name, path, origin(db).seq)
    except BackupUnusable:
        return None


def _newest_sealed(settings: Settings, work: Path) -> Copy | None:
    try:
        keys = read_keys(settings.keys)
    except KeysMissing:
        return None
    found = [each for root in _roots(settings) for each in _sealed_on(root, keys)]
    for seq, path, secret in sorted(found, reverse=True):
        target = work / "from-stick.db"
        try:
            unseal(path, secret, target)
        except (BackupDamaged, OSError):
            continue
        return Copy(path.name, target, seq)
    return None


def _sealed_on(root: Path, keys: SchoolKeys) -> Iterator[tuple[int, Path, bytes]]:
    for path in (root / FOLDER).glob(f"*{ENDING}"):
        try:
            label = read_label(path)
        except (BackupDamaged, OSError):
            continue
        secret = open_for_box(label.for_box, keys.sealing_key)
        if secret is not None:
            yield label.seq, path, secret


def _roots(settings: Settings) -> list[Path]:
    if settings.backup_dir:
        return [Path(settings.backup_dir)]
    return [Path(each) for each in mounted(MOUNTS.read_text())] if MOUNTS.exists() else []
