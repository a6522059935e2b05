"""How much is written to the card, day by day, as its own block device counts.

The counter begins anew with each boot. What was counted is kept in a small file on that very
card, outside the database: a backup that is put on another card must not bring the wear along.
"""

import os
from datetime import date
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from appliance.durable import put_private

DEVICES: Final = Path("/sys/dev/block")
SECTOR_BYTES: Final = 512  # of this counter, whatever the disk's own are
SECTORS_WRITTEN: Final = 6  # the seventh field of Documentation/block/stat
DAYS_KEPT: Final = 60


class Wear(Struct):
    """What was written: by ISO day, and where the counter stood in which boot."""

    boot_id: str = ""
    counter_bytes: int = 0
    days: dict[str, int] = field(default_factory=dict)

    @property
    def latest_day(self) -> tuple[str, int] | None:
        """The last day and its bytes."""
        return max(self.days.items(), default=None)


_read: Final = msgspec.json.Decoder(Wear)


def written_bytes(folder: Path, devices: Path = DEVICES) -> int | None:
    """What was written since boot to the device that holds `folder`; None if nobody counts."""
    device = folder.stat().st_dev
    stat = devices / f"{os.major(device)}:{os.minor(device)}" / "stat"
    try:
        return int(stat.read_text().split()[SECTORS_WRITTEN]) * SECTOR_BYTES
    except (OSError, IndexError, ValueError):
        return None


def read_wear(file: Path) -> Wear:
    """What was counted so far; a file that is not there or cut off begins anew."""
    try:
        return _read.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError):
        return Wear()


def counted(wear: Wear, counter_bytes: int, *, boot_id: str, today: date | None) -> Wear:
    """Add what was written since the last look. `today`: None while no clock is sure."""
    is_new = not wear.boot_id
    is_same_boot = wear.boot_id == boot_id and counter_bytes >= wear.counter_bytes
    grown_bytes = counter_bytes - (wear.counter_bytes if is_same_boot else 0)
    latest = wear.latest_day
    day = today.isoformat() if today else (latest[0] if latest else "")
    days = dict(wear.days)
    if day and not is_new:
        days[day] = days.get(day, 0) + grown_bytes
    kept = dict(sorted(days.items())[-DAYS_KEPT:])
    return Wear(boot_id=boot_id, counter_bytes=counter_bytes, days=kept)


def save_wear(file: Path, wear: Wear) -> None:
    """Keep it for the next boot."""
    put_private(file, msgspec.json.encode(wear))
