"""Where our backups are, in the same words on the page and in `darasa-box status`."""

from typing import Final

from msgspec import Struct

from appliance.backups.journal import Repair, Run, repairs, runs
from appliance.backups.order import read_order
from appliance.settings import Settings
from appliance.web.moments import moment

DAY_MS: Final = 86_400_000
LATE_MS: Final = 3 * DAY_MS  # a weekend without the stick is nothing to worry about
OLD_MS: Final = 14 * DAY_MS
DRILL_MS: Final = 15 * DAY_MS
REPAIR_MS: Final = 30 * DAY_MS
REPAIR_COPIES: Final = 30  # made since: a month of nights where no clock can be asked
REPAIRS_SHOWN: Final = 3  # of those that lost nothing, and of those that may have

NONE_YET: Final = "There is no backup away from this box's own card."
MAKE_ONE: Final = (
    "Plug a stick in and tap the button beside it on the page Backups, once. From then on every"
    " night that it is plugged in makes a backup."
)
LOOK_THROUGH: Final = (
    "Let each class look whether its last work is there, and hand in or enter again what is not."
    " What the district has comes back by itself. Send a support file soon: damaged files are"
    " kept for a month."
)
AHEAD: Final = "By this clock that is still to come, so nobody knows how old it is."
DRILL_AGAIN: Final = "Leave the backup stick plugged in overnight, and the box switched on."
PLUG_IN: Final = "Plug the backup stick in, and make a backup on the page Backups."

OWN_CARD: Final = "Only on the own card"
LAST: Final = "Last backup away"
NONE: Final = "No backup"
DRILL: Final = "Last restore drill"
REPAIR: Final = "Repair"


class BackupLine(Struct, frozen=True):
    """One thing to know, and what to do about it; `kind` as a badge's: good, wait, bad, info.

    `is_by_age`: nothing is wrong but how old it is, which only a clock can say.
    """

    kind: str
    title: str
    words: str
    todo: str = ""
    is_by_age: bool = False


def backup_lines(settings: Settings, *, now_ms: int) -> list[BackupLine]:
    """Say everything a keeper should know about backups, the most important first."""
    known = runs(settings)
    lines = [
        _last(known, now_ms=now_ms),
        _failed(known),
        _drilled(known, now_ms=now_ms),
        *map(_repaired, _recent_repairs(settings, now_ms=now_ms)),
    ]
    return [line for line in lines if line is not None]


def plain_backup_lines(settings: Settings, *, now_ms: int) -> list[str]:
    """The same for the console."""
    lines = backup_lines(settings, now_ms=now_ms)
    return [f"{line.title}: {line.words} {line.todo}".rstrip() for line in lines]


def _last(known: list[Run], *, now_ms: int) -> BackupLine:
    made = [run for run in known if run.kind == "backup" and run.is_verified]
    away = [run for run in made if not run.is_same_card]
    if not away:
        return _on_own_card(made[-1]) if made else BackupLine("bad", NONE, NONE_YET, MAKE_ONE)
    last = away[-1]
    words = f"The last one was made {moment(last.at_ms)} at {last.place}, and restored to test it."
    age = now_ms - last.at_ms
    if age < 0:
        return BackupLine("wait", LAST, f"{words} {AHEAD}", PLUG_IN, is_by_age=True)
    if age > LATE_MS:
        kind = "bad" if age > OLD_MS else "wait"
        words = f"{words} That is {age // DAY_MS} days ago."
        return BackupLine(kind, LAST, words, PLUG_IN, is_by_age=True)
    return BackupLine("good", LAST, words)


def _on_own_card(run: Run) -> BackupLine:
    """What would be lost with the card is no backup away from it."""
    words = (
        f"The last backup was made {moment(run.at_ms)} at {run.place}, which is the box's own card:"
        " it would be lost with it."
    )
    return BackupLine("bad", OWN_CARD, words, MAKE_ONE)


def _failed(known: list[Run]) -> BackupLine | None:
    """Only when the last try failed: what went wrong before a success is past."""
    tries = [run for run in known if run.kind == "backup"]
    if not tries or tries[-1].is_verified:
        return None
    last = tries[-1]
    words = f"The try of {moment(last.at_ms)} made none: {last.words}."
    return BackupLine("wait", "Last try", words, "Earlier backups are still good. " + PLUG_IN)


def _drilled(known: list[Run], *, now_ms: int) -> BackupLine | None:
    drills = [run for run in known if run.kind == "drill"]
    if not drills:
        return None
    last = drills[-1]
    if not last.is_verified:
        todo = "Make a new backup, if possible on another stick."
        words = f"The one of {moment(last.at_ms)} failed: {last.words}."
        return BackupLine("bad", DRILL, words, todo)
    words = f"{last.file} was restored and read {moment(last.at_ms)}: {last.words}."
    age = now_ms - last.at_ms
    if 0 <= age < DRILL_MS:
        return BackupLine("good", DRILL, words)
    old = AHEAD if age < 0 else f"That is {age // DAY_MS} days ago; one is due every week."
    return BackupLine("wait", DRILL, f"{words} {old}", DRILL_AGAIN, is_by_age=True)


def _recent_repairs(settings: Settings, *, now_ms: int) -> list[Repair]:
    """Those of the last month, by the clock and by the copies made since.

    A board without a clock battery is repaired on a date long past, so both must say it is over.
    """
    turn = read_order(settings.backups).turn
    recent = [
        each
        for each in repairs(settings)
        if now_ms - each.at_ms < REPAIR_MS or turn - each.turn < REPAIR_COPIES
    ]
    whole = [each for each in recent if not each.may_miss]
    return [each for each in recent if each.may_miss][-REPAIRS_SHOWN:] + whole[-REPAIRS_SHOWN:]


def _repaired(repair: Repair) -> BackupLine:
    if not repair.may_miss:
        return BackupLine("info", REPAIR, f"{moment(repair.at_ms)}: {' '.join(repair.words)}")
    words = (
        f"{moment(repair.at_ms)} the box found damage at its start, and went on with what was left."
        f" This may be missing: {', '.join(repair.may_miss)}."
    )
    return BackupLine("wait", REPAIR, words, LOOK_THROUGH)
