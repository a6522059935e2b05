"""When the school's work was last made safe, as the district is told: two instants, no places.

By the box's own clock, whatever it was worth then; the district says so of one that is to come.
"""

from msgspec import Struct

from appliance.backups.journal import last_away
from appliance.clock import TOLD
from appliance.database.reader import Reader
from appliance.settings import Settings
from appliance.telemetry.queries import END_OF_TIME_MS, last_success_of


class Safety(Struct, frozen=True, kw_only=True):
    """None: never. A backup counts that was restored to test it and lies on another medium."""

    backup_away_at_ms: int | None
    copy_checked_at_ms: int | None


def read_safety(db: Reader, settings: Settings, *, now_ms: int, clock_quality: int) -> Safety:
    """Ask the journal of backups, and the night's for the last copy that was found whole."""
    away = last_away(settings)
    until_ms = now_ms if clock_quality >= TOLD else END_OF_TIME_MS
    return Safety(
        backup_away_at_ms=None if away is None else away.at_ms,
        copy_checked_at_ms=last_success_of(db, "full-check", until_ms=until_ms),
    )
