"""The night's copy of a box that does not run: what `darasa-backup.timer` asks for.

The timer survives the box and knows nothing of lessons; so it leaves a box that runs in peace,
which makes the copy itself when no class is at work.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.backups.nightly import NIGHTLY, ROOM_FACTOR, copy_tonight
from appliance.clock import BOARD, Clock
from appliance.errors import StorageFull
from appliance.maintenance.stops import Mark, has_lost_its_log, read_mark
from appliance.room import Card, card_of
from appliance.settings import Settings

HOUR_MS: Final = 3_600_000
FRESH_MS: Final = 36 * HOUR_MS  # one night may be late
TRUSTED_MS: Final = 7 * 24 * HOUR_MS  # a box that runs waits four days for a break by itself


def copy_off_duty(
    settings: Settings,
    *,
    now_ms: int,
    wall_ms: Clock = BOARD.wall_ms,
    card: Callable[[Path], Card] = card_of,
) -> str:
    """Make tonight's copy if nobody else does; say what was done, or why nothing.

    `wall_ms` is what files are dated by. Raises StorageFull where it would take the room of
    hand-ins, BackupFailed where the database is damaged: copies that are there stay.
    """
    reason = _why_not(settings, read_mark(settings.running), _age_ms(settings, wall_ms()))
    if reason is not None:
        return f"nothing to do: {reason}"
    _require_room(settings, card)
    done = copy_tonight(settings, now_ms=now_ms)
    return f"{done.name}, {done.size_bytes} bytes, verified; {done.forgotten} old ones removed"


def _why_not(settings: Settings, mark: Mark | None, age_ms: int | None) -> str | None:
    is_alive = mark is not None and mark.is_alive
    if is_alive and mark is not None and mark.serves == "lessons":
        return "the box only shows lessons, and a damaged database is not copied"
    if age_ms is not None and age_ms < FRESH_MS:
        return f"the newest copy is {age_ms // HOUR_MS} hours old"
    if is_alive and age_ms is not None and age_ms < TRUSTED_MS:
        return "the box runs, and makes its own when no class is at work"
    if not is_alive and has_lost_its_log(settings):
        return "the box has to look at its files first: its last stop has lost the log"
    return None


def _age_ms(settings: Settings, now_ms: int) -> int | None:
    """Since the newest was made; None when there is none, or the clock has gone back since."""
    made_ns = max((path.stat().st_mtime_ns for path in settings.backups.glob(NIGHTLY)), default=0)
    age_ms = now_ms - made_ns // 1_000_000
    return age_ms if made_ns and age_ms >= 0 else None


def _require_room(settings: Settings, card: Callable[[Path], Card]) -> None:
    free = card(settings.data_dir).free_bytes
    needed = int(settings.database.stat().st_size * ROOM_FACTOR)
    if free < needed:
        raise StorageFull(f"{free} bytes free, {needed} needed for tonight's copy")
