"""What holds housekeeping back, each as one question about the box as it is now.

A guard returns a reason in plain words, or None. Its docstring is what docs/runbook.md prints.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from appliance.backups.nightly import ROOM_FACTOR
from appliance.room import Card, size
from appliance.telemetry.power import Power
from appliance.telemetry.vitals import TEMPERATURE_C_WARM

IDLE_S: Final = 300.0  # nobody asked for anything in this long: no class is at work
SILENCE_S: Final = 3_600.0  # and in this long, by no clock: longer than a class reads on paper


class Conditions(Struct, frozen=True, kw_only=True):
    """The box as it is now, as far as housekeeping asks. `is_lesson_time`: None, nobody knows."""

    idle_for_s: float
    is_lesson_time: bool | None
    card: Card
    database_bytes: int
    temperature_c: float | None
    power: Power
    card_day_bytes: int
    card_day_bytes_max: int


Guard = Callable[[Conditions], str | None]


def class_at_work(now: Conditions) -> str | None:
    """A class is at work."""
    return "a class is at work" if now.idle_for_s < IDLE_S else None


def lesson_hours(now: Conditions) -> str | None:
    """Lesson time."""
    if now.is_lesson_time is None and now.idle_for_s < SILENCE_S:
        return "it may be lesson time: the clock is not sure"
    return "it is lesson time" if now.is_lesson_time else None


def unknown_hours(now: Conditions) -> str | None:
    """The clock is not sure."""
    return "nobody knows whether it is lesson time" if now.is_lesson_time is None else None


def little_space(now: Conditions) -> str | None:
    """Less than 2.2 times the file is free."""
    return lacks_room(now, ROOM_FACTOR)


def lacks_room(now: Conditions, factor: float) -> str | None:
    """Say why so many times the file would not fit, or None."""
    free, needed = now.card.free_bytes, int(now.database_bytes * factor)
    return f"{size(free)} free, {size(needed)} needed" if free < needed else None


def almost_full(now: Conditions) -> str | None:
    """The card fills up."""
    return f"{size(now.card.free_bytes)} free" if "readings" in now.card.sheds else None


def too_warm(now: Conditions) -> str | None:
    """Over 75 °C."""
    if now.temperature_c is None or now.temperature_c <= TEMPERATURE_C_WARM:
        return None
    return f"the board has {now.temperature_c:.0f} °C"


def weak_power(now: Conditions) -> str | None:
    """On battery, or too little voltage."""
    if now.power.on_battery:
        return "on battery"
    return "too little voltage" if now.power.under_voltage else None


def worn_today(now: Conditions) -> str | None:
    """The card was written to enough today."""
    if now.card_day_bytes <= now.card_day_bytes_max:
        return None
    return f"{size(now.card_day_bytes)} written to the card today"


QUIET: Final[tuple[Guard, ...]] = (class_at_work, lesson_hours, too_warm, weak_power)
"""For whatever reads or writes the whole file."""


def held_back(guards: tuple[Guard, ...], now: Conditions) -> str | None:
    """The first reason not to, or None."""
    return next((reason for guard in guards if (reason := guard(now)) is not None), None)
