"""The night's copies of a box that does not run: what `darasa-backup.timer` asks for.

The timer survives the box and knows nothing of lessons; so it leaves a box that runs in peace,
which makes the copies itself when no class is at work. One goes onto the card, one onto the
school's stick where that is plugged in.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from appliance.accounts.queries import school
from appliance.backups.faults import MediumMissing, WrongMedium
from appliance.backups.journal import last_away
from appliance.backups.making import back_up_away
from appliance.backups.media import find
from appliance.backups.nightly import NIGHTLY, ROOM_FACTOR, copy_tonight, nightly_copies
from appliance.clock import BOARD, Clock
from appliance.database.backup import reading
from appliance.errors import StorageFull
from appliance.maintenance.stops import Mark, has_lost_its_log, read_mark
from appliance.room import Card, card_of, size
from appliance.settings import Settings

HOUR_MS: Final = 3_600_000
FRESH_MS: Final = 36 * HOUR_MS  # one night may be late


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
    return f"{done.name}, {size(done.size_bytes)}, verified; {done.forgotten} older removed"


def carry_off_duty(settings: Settings, *, app_version: str, now_ms: int) -> str:
    """Make the night's backup on the school's stick if nobody else does; say why not otherwise.

    Raises what is wrong with stick, card or keys; then the journal of backups has it, too.
    """
    last = last_away(settings)
    age_ms = now_ms - last.at_ms if last is not None and last.at_ms <= now_ms else None
    reason = _why_not(settings, read_mark(settings.running), age_ms) or _lacks_stick(settings)
    if reason is not None:
        return f"nothing to do: {reason}"
    run = back_up_away(settings, app_version=app_version, now_ms=now_ms)
    return f"{run.place}: {run.file}, {size(run.size_bytes)}, {run.words}"


def _lacks_stick(settings: Settings) -> str | None:
    """Asked of the newest copy, whose school it is: nothing is opened that may be damaged."""
    newest = next(iter(nightly_copies(settings.backups)), None)
    if newest is None:
        return "there is no copy yet that says which school this is"
    with reading(newest) as db:
        known = school(db)
    if known is None:
        return "not claimed yet: nothing to back up"
    try:
        find(settings, known.id)
    except (MediumMissing, WrongMedium) as error:
        return error.detail
    return None


def _why_not(settings: Settings, mark: Mark | None, age_ms: int | None) -> str | None:
    alive = mark if mark is not None and mark.is_alive else None
    if alive is not None and alive.serves == "lessons":
        return "the box only shows lessons, and a damaged database is not copied"
    if age_ms is not None and age_ms < FRESH_MS:
        return f"the newest copy is {age_ms // HOUR_MS} hours old"
    if alive is not None:
        return "the box runs, and makes its own when no class is at work"
    if has_lost_its_log(settings):
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
        raise StorageFull(f"{size(free)} free, {size(needed)} needed for tonight's copy")
