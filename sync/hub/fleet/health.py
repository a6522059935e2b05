"""What a box said of itself, in plain words: space, heat, power, backups, clock, version.

Readings come five times a day, behind all of the school's work, so the newest may be old; each
page says of when they are, and how old a backup is counts from then.
"""

from typing import Final, Literal

from msgspec import Struct

from appliance.web.moments import moment
from sync.hub.fleet.models import School

# As the box itself judges: below this it refuses files, above that it slows itself down.
DISK_FREE_BYTES_MIN: Final = 200 << 20
DISK_FREE_BYTES_LOW: Final = 2 << 30  # some months of photographed hand-ins
TEMPERATURE_MC_MAX: Final = 85_000
TEMPERATURE_MC_WARM: Final = 75_000
WAL_BYTES_MAX: Final = 64 << 20
CLOCK_OFF_MS_MAX: Final = 2 * 60_000  # dates on receipts and due dates are right to minutes
DAY_MS: Final = 86_400_000
BACKUP_LATE_MS: Final = 3 * DAY_MS
BACKUP_OLD_MS: Final = 14 * DAY_MS
CHECK_LATE_MS: Final = 9 * DAY_MS  # a week, and two nights that came to nothing
AHEAD: Final = "By a clock that runs ahead"
UNITS: Final = ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"))


class Line(Struct, frozen=True, kw_only=True):
    """One thing about a box. `need`: two words for the list of schools; `advice`: what to do."""

    name: str
    value: str
    state: Literal["good", "wait", "bad", "quiet"] = "quiet"
    need: str = ""
    advice: str = ""


def box_lines(school: School, *, hub_version: str) -> list[Line]:
    """Everything that is known of the box; nothing while it never called."""
    if school.contact_at_ms is None:
        return []
    return [*_readings(school), *_clock(school), _version(school, hub_version)]


def box_needs(school: School) -> list[Line]:
    """What somebody should do something about."""
    known = [] if school.contact_at_ms is None else [*_readings(school), *_clock(school)]
    return [line for line in known if line.need]


def _readings(school: School) -> list[Line]:
    found = []
    if school.disk_free_bytes is not None:
        found.append(_space(school.disk_free_bytes))
    if school.temperature_mc is not None:
        found.append(_heat(school.temperature_mc))
    if school.under_voltage is not None:
        found.append(_power(school.under_voltage))
    if school.database_bytes is not None:
        found.append(Line(name="The school's records", value=size(school.database_bytes)))
    if school.wal_bytes is not None:
        found.append(_log(school.wal_bytes))
    if school.memory_bytes is not None:
        found.append(Line(name="Memory of the box", value=size(school.memory_bytes)))
    if school.clients_max is not None:
        people = "1 person" if school.clients_max == 1 else f"{school.clients_max} people"
        found.append(Line(name="Signed in then", value=people))
    return [*found, *_safety(school)]


def _space(free_bytes: int) -> Line:
    name, value = "Free space", size(free_bytes)
    if free_bytes < DISK_FREE_BYTES_MIN:
        advice = "The box takes no more files. Put in a larger card, or ask for help."
        return Line(name=name, value=value, state="bad", need="Card full", advice=advice)
    if free_bytes < DISK_FREE_BYTES_LOW:
        advice = "Plan for a larger card."
        return Line(name=name, value=value, state="wait", need="Little space", advice=advice)
    return Line(name=name, value=value, state="good")


def _heat(temperature_mc: int) -> Line:
    name, value = "Temperature", f"{temperature_mc / 1_000:.0f} °C"
    if temperature_mc >= TEMPERATURE_MC_MAX:
        advice = "It slows itself down. Move it to a shaded place with air around it."
        return Line(name=name, value=value, state="bad", need="Too hot", advice=advice)
    if temperature_mc >= TEMPERATURE_MC_WARM:
        return Line(name=name, value=value, state="wait", advice="Warm; give it air.")
    return Line(name=name, value=value, state="good")


def _power(under_voltage: int) -> Line:
    if not under_voltage:
        return Line(name="Power", value="No complaint from the board", state="good")
    advice = "Have it use the power supply that came with it, and a short, thick cable."
    return Line(
        name="Power", value="Too little voltage", state="bad", need="Low voltage", advice=advice
    )


def _safety(school: School) -> list[Line]:
    """Only of a box whose release says so: None means never, beside a voltage that is known."""
    if school.sampled_at_ms is None or school.under_voltage is None:
        return []
    return [
        _backup(school.backup_away_at_ms, then_ms=school.sampled_at_ms),
        _check(school.copy_checked_at_ms, then_ms=school.sampled_at_ms),
    ]


def _backup(at_ms: int | None, *, then_ms: int) -> Line:
    name, advice = "Last backup away from its card", "Have the backup stick plugged in."
    if at_ms is None:
        advice = "Have a stick plugged in, and prepared on the box's page Backups."
        return Line(name=name, value="None", state="wait", need="No backup", advice=advice)
    if _is_ahead(at_ms, then_ms):
        advice = "Nobody knows how old it is. Have the box's clock set, and a backup made."
        return Line(name=name, value=AHEAD, state="wait", need="Backup undated", advice=advice)
    age_ms = then_ms - at_ms
    if age_ms <= BACKUP_LATE_MS:
        return Line(name=name, value=moment(at_ms), state="good")
    return Line(
        name=name,
        value=f"{_span(age_ms)} old",
        state="bad" if age_ms > BACKUP_OLD_MS else "wait",
        need="Backup old",
        advice=f"It was made {moment(at_ms)}. {advice}",
    )


def _check(at_ms: int | None, *, then_ms: int) -> Line:
    """No mark in the list of schools: a young box has had no Sunday yet."""
    name = "Last copy found whole"
    advice = "Have it left on for a night, or for an hour without anybody at work."
    if at_ms is None:
        return Line(name=name, value="None yet", state="wait", advice=advice)
    if _is_ahead(at_ms, then_ms):
        advice = "Nobody knows how long ago. Have the box's clock set."
        return Line(name=name, value=AHEAD, state="wait", advice=advice)
    age_ms = then_ms - at_ms
    if age_ms <= CHECK_LATE_MS:
        return Line(name=name, value=moment(at_ms), state="good")
    return Line(
        name=name,
        value=f"{_span(age_ms)} ago",
        state="wait",
        need="Copy unchecked",
        advice=f"That was {moment(at_ms)}. {advice}",
    )


def _is_ahead(at_ms: int, then_ms: int) -> bool:
    """Whether it is to come by the hub's own clock."""
    return at_ms - then_ms >= CLOCK_OFF_MS_MAX


def _log(wal_bytes: int) -> Line:
    name, value = "Log beside the records", size(wal_bytes)
    if wal_bytes > WAL_BYTES_MAX:
        advice = "Have the box switched off and on after school; if it comes back, ask for help."
        return Line(name=name, value=value, state="wait", need="Log grows", advice=advice)
    return Line(name=name, value=value)


def _clock(school: School) -> list[Line]:
    if school.clock_offset_ms is None:
        return []
    off_ms = abs(school.clock_offset_ms)
    if off_ms < CLOCK_OFF_MS_MAX:
        return [Line(name="Clock", value="Right", state="good")]
    direction = "ahead" if school.clock_offset_ms > 0 else "behind"
    advice = "It takes the district's time with each contact. If it stays so, look at its battery."
    value = f"{_span(off_ms)} {direction}"
    return [Line(name="Clock", value=value, state="wait", need="Clock wrong", advice=advice)]


def _version(school: School, hub_version: str) -> Line:
    if school.app_version in {None, hub_version}:
        return Line(name="Version", value=school.app_version or "unknown", state="good")
    advice = f"The district has {hub_version}."
    return Line(name="Version", value=school.app_version or "unknown", advice=advice)


def _span(span_ms: int) -> str:
    unit_ms, word = next(unit for unit in UNITS if span_ms >= unit[0])
    count = span_ms // unit_ms
    return f"{count:,} {word if count != 1 else word.removesuffix('s')}"


def size(count: int) -> str:
    """Bytes as shops write them."""
    if count >= 1_000_000_000:
        return f"{count / 1_000_000_000:.1f} GB"
    return f"{count / 1_000_000:.0f} MB" if count >= 1_000_000 else "less than 1 MB"
