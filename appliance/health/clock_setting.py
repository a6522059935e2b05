"""Setting the box's clock from a phone, in one tap."""

from datetime import datetime

from appliance.clock import CERTAIN, TOLD, Clock, box_clock, clock_quality, system_clock, tell
from appliance.database.writer import Writer
from appliance.health.faults import ClockElsewhere, ClockKnown
from appliance.health.models import ClockRead
from appliance.health.timekeeping import take_step
from appliance.settings import Settings

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

    Raises ClockKnown when the district or the network has said it, ClockElsewhere.
    """
    its = box_clock()
    if its is None:
        raise ClockElsewhere("this process keeps no clock of its own")
    belief = its.belief()
    if belief.quality >= TOLD and belief.source != "phone":
        raise ClockKnown(f"it differs by {abs(phone_ms - system_clock()) // 1_000} s")
    tell(settings.clock_file, phone_ms, source="phone")
    await take_step(its, writer)


def local_ms(words: str) -> int | None:
    """Read what a datetime-local field sends, in the box's own time zone."""
    try:
        return int(datetime.fromisoformat(words).astimezone().timestamp() * 1_000)
    except (ValueError, OverflowError, OSError):
        return None
