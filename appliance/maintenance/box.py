"""What a job may touch, and what it may ask about the box as it is now."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from appliance.backups.turns import Backups
from appliance.clock import TOLD, Clock, clock_quality
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.maintenance.guards import Conditions
from appliance.maintenance.lessons import is_lesson_time, timetable
from appliance.room import card_of
from appliance.settings import Settings
from appliance.telemetry.card import read_wear
from appliance.telemetry.power import read_power
from appliance.telemetry.vitals import size_bytes, temperature_c

DAY_MS: Final = 86_400_000


def nobody_asks() -> float:
    """How long nobody has asked a box without a server for anything: for ever."""
    return float("inf")


class Box(Struct, frozen=True):
    """The machine of a job. `idle_for_s`: since anybody asked for anything."""

    settings: Settings
    writer: Writer
    readers: Readers
    clock: Clock
    backups: Backups
    idle_for_s: Callable[[], float] = nobody_asks
    quality: Callable[[], int] = clock_quality
    monotonic_s: Callable[[], float] = time.monotonic

    def local(self, at_ms: int | None = None) -> datetime:
        """The local time as the box has it, now or then."""
        ms = self.clock() if at_ms is None else at_ms
        return datetime.fromtimestamp(ms / 1_000, UTC).astimezone()

    @property
    def is_clock_sure(self) -> bool:
        """Whether somebody vouches for the time."""
        return self.quality() >= TOLD


def conditions(box: Box) -> Conditions:
    """Look at the box: about a millisecond, most of it the sensors."""
    settings = box.settings
    local = box.local() if box.is_clock_sure else None
    latest = read_wear(settings.card_wear).latest_day
    is_today = latest is not None and local is not None and latest[0] == local.date().isoformat()
    return Conditions(
        idle_for_s=box.idle_for_s(),
        is_lesson_time=is_lesson_time(
            timetable(settings.lesson_hours, settings.lesson_days), local
        ),
        card=card_of(settings.data_dir),
        database_bytes=size_bytes(settings.database),
        temperature_c=temperature_c(),
        power=read_power(),
        card_day_bytes=latest[1] if latest is not None and is_today else 0,
        card_day_bytes_max=settings.card_day_bytes_max,
    )
