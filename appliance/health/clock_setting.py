"""Setting the box's clock from a phone, in one tap."""

from datetime import datetime
from typing import Final

from appliance.clock import (
    BOARD,
    CERTAIN,
    TOLD,
    Clock,
    box_clock,
    clock_quality,
    system_clock,
    tell,
)
from appliance.database.writer import Writer
from appliance.health.faults import ClockElsewhere, ClockJustSet, ClockKnown
from appliance.health.models import ClockRead
from appliance.health.timekeeping import take_step
from appliance.settings import Settings

SAME_MS: Final = 60_000  # two phones of one staff room
WAIT_MS: Final = 60_000  # two keepers tap at the same moment; a wrong tap is corrected later
WORDS = {"hub": "the district", "phone": "a phone", "network": "the network"}


def clock_read(clock: Clock) -> ClockRead:
    """What time it is here, and who says so."""
    quality, its = clock_quality(), box_clock()
    source = its.belief().source if its is not None else ""
    return ClockRead(
        now_ms=clock(),
        quality=quality,
        is_sure=quality >= TOLD,
        source=WORDS["network"] if quality == CERTAIN else WORDS.get(source, ""),
    )


async def set_clock(settings: Settings, writer: Writer, phone_ms: int) -> None:
    """Believe the phone until the next boot, or until the district says otherwise.

    Raises ClockKnown when the district or the network has said it, ClockJustSet when another
    phone was first with another time, ClockElsewhere.
    """
    its = box_clock()
    if its is None:
        raise ClockElsewhere("this process keeps no clock of its own")
    belief = its.belief()
    if belief.quality >= TOLD and belief.source != "phone":
        raise ClockKnown(f"it differs by {abs(phone_ms - system_clock()) // 1_000} s")
    apart_ms = abs(phone_ms - system_clock())
    if belief.quality >= TOLD and apart_ms > SAME_MS and _told_ago_ms(settings) < WAIT_MS:
        raise ClockJustSet(f"the two differ by {apart_ms // 1_000} s")
    tell(settings.clock_file, phone_ms, source="phone")
    await take_step(its, writer)


def _told_ago_ms(settings: Settings) -> int:
    """By the kernel's clock, which a told time does not move."""
    try:
        return abs(BOARD.wall_ms() - settings.clock_file.stat().st_mtime_ns // 1_000_000)
    except FileNotFoundError:
        return WAIT_MS


def local_ms(words: str) -> int | None:
    """Read what a datetime-local field sends, in the box's own time zone."""
    try:
        return int(datetime.fromisoformat(words).astimezone().timestamp() * 1_000)
    except (ValueError, OverflowError, OSError):
        return None
