"""Every copy a damaged box may fall back on: on its own card, and on the stick beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from appliance.accounts.faults import KeysMissing
from appliance.accounts.keys import SchoolKeys, read_keys
from appliance.backups.envelope import read_label, unseal
from appliance.backups.faults import BackupDamaged
from appliance.backups.label import open_for_box
from appliance.backups.media import ENDING, FOLDER, places
from appliance.backups.nightly import Copy, newest_first, readable_copies
from appliance.backups.order import Order, read_order
from appliance.backups.trial import workroom
from appliance.settings import Settings


@contextmanager
def copies(settings: Settings) -> Iterator[list[Copy]]:
    """The copies on the card, and the newest that a stick has for this box's keys."""
    with workroom(settings) as work:
        local = readable_copies(settings.backups)
        carried = _newest_sealed(settings, work)
        yield [*local, carried] if carried else local


def _newest_sealed(settings: Settings, work: Path) -> Copy | None:
    try:
        keys = read_keys(settings.keys)
    except KeysMissing:
        return None
    order = read_order(settings.backups)
    secrets = {
        copy: secret for root in places(settings) for copy, secret in _sealed_on(root, keys, order)
    }
    for copy in newest_first(list(secrets)):
        target = work / "from-stick.db"
        try:
            unseal(copy.path, secrets[copy], target)
        except (BackupDamaged, OSError):
            continue
        return structs.replace(copy, path=target)
    return None


def _sealed_on(root: Path, keys: SchoolKeys, order: Order) -> Iterator[tuple[Copy, bytes]]:
    for path in (root / FOLDER).glob(f"*{ENDING}"):
        try:
            label = read_label(path)
        except (BackupDamaged, OSError):
            continue
        secret = open_for_box(label.for_box, keys.sealing_key)
        if secret is not None:
            is_left = order.has_left(label.turn)
            yield Copy(path.name, path, label.seq, label.turn, is_left), secret
