"""The ladder after damage: sound, salvaged, restored, or lessons to read and nothing else.

Every step builds a new file, checks it, and gives it the name of the old one; the old one is
kept. Nothing is ever repaired by deleting, and no box that has keys begins an empty school.
"""

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from appliance.backups.journal import Repair, note_repair
from appliance.backups.lost import LAST_MINUTES, SINCE_COPY, what_is_gone
from appliance.backups.nightly import NIGHTLY, Copy, newest_first, put_in_place
from appliance.backups.order import read_order
from appliance.backups.stock import copies
from appliance.database.faults import BackupUnusable, SalvageFailed
from appliance.database.integrity import full_check, quick_check
from appliance.database.lock import exclusive_lock, patient_lock
from appliance.database.migrate import EDGE_MIGRATIONS, file_version
from appliance.database.restoring import log_of, remove_database, restore_backup, swap
from appliance.database.salvage import Salvaged, salvage
from appliance.database.wal import read_wal
from appliance.durable import put_private
from appliance.maintenance.stops import Mark, has_lost_its_log, read_mark
from appliance.room import card_of, require_room_to_start
from appliance.settings import Settings

logger = logging.getLogger(__name__)

State = Literal["new", "sound", "salvaged", "restored", "reading"]

LET_GO_S_MAX: Final = 20.0  # the agent looks every second, and ends what it is writing
REPORT: Final = "report.json"
LOST_LOG: Final = (
    "The write-ahead log is damaged or gone: what was written in the last minutes before the"
    " box stopped may be missing. What the district has comes back from there."
)
ONLY_LESSONS: Final = (
    "Lessons can be read. Nothing can be handed in: phones keep what is written on them."
)
MAKE_ROOM: Final = (
    "What is on the card is still there. Put in a larger card, or follow the runbook, section The"
    " card is almost full: when there is room again, the box goes on by itself."
)
NEW_CARD: Final = (
    "What is on the card is still there. Start the box again; if this stays, put in a new card and"
    " restore the backup, or call the district."
)
CUT_LOG: Final = (
    "The write-ahead log ends too early. After a power cut that is as it should be: nobody was told"
    " that the rest is kept. If the card has lost it, the last minutes may be missing."
)


class Footing(Struct, frozen=True):
    """What the box stands on after looking, and what a person should know about it."""

    state: State
    words: list[str] = []
    may_pass: bool = False  # the card let nothing begin; once it does, the box can serve


class Doubt(Struct, frozen=True):
    """Why the database must not be trusted as it lies there."""

    problems: list[str]
    notes: list[str]


def find_footing(settings: Settings, *, now_ms: int) -> Footing:
    """Look at the database after a stop and climb down the ladder as far as is needed.

    Raises DataDirInUse when something has to be repaired while the agent holds the files.
    A card that cannot be written, full or read-only, can still be read from.
    """
    try:
        require_room_to_start(settings.data_dir, settings.reserve)
    except OSError as error:
        return structs.replace(_refused(settings, error, now_ms=now_ms), may_pass=True)
    try:
        return _find_footing(settings, now_ms=now_ms)
    except OSError as error:
        return _refused(settings, error, now_ms=now_ms)


def _find_footing(settings: Settings, *, now_ms: int) -> Footing:
    settings.hands_off.unlink(missing_ok=True)  # of a start that was killed
    if not _had_school(settings):
        return _begin_anew(settings, now_ms=now_ms)
    doubt = look(settings)
    if not doubt.problems:
        for note in doubt.notes:
            _note(settings, "sound", [note], _lost_with_log(doubt), now_ms=now_ms)
        return Footing("sound", doubt.notes)
    with _alone(settings):
        return _climb(settings, doubt, now_ms=now_ms)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Ask the agent to let go of the files, and hold them alone."""
    put_private(settings.hands_off, b"repairing\n")
    try:
        with patient_lock(settings.data_dir, within_s=LET_GO_S_MAX):
            yield
    finally:
        settings.hands_off.unlink(missing_ok=True)


def look(settings: Settings) -> Doubt:
    """Read the whole file after an unclean stop; after a clean one only its first page."""
    mark, is_lost = read_mark(settings.running), has_lost_its_log(settings)
    end = read_wal(log_of(settings.database))
    is_lost = is_lost or end.is_damaged
    problems = _problems(settings.database, mark, is_thorough=is_lost)
    # Pages of the file that are ahead of a log prove that the log once went on.
    is_lost = is_lost or (end.is_cut and bool(problems))
    notes = [LOST_LOG] if is_lost else [CUT_LOG] if end.is_cut else []
    return Doubt(problems, notes)


def _problems(path: Path, mark: Mark | None, *, is_thorough: bool) -> list[str]:
    if not path.exists() or not path.stat().st_size:
        return [f"{path.name} is missing or empty"]
    if file_version(path) == 0:
        return [f"{path.name} does not begin like a school's database"]
    if mark is None:
        return []
    # What one check has found, a lighter one may overlook.
    is_thorough = is_thorough or mark.trouble == "damaged"
    return (full_check if is_thorough else quick_check)(path).problems


def first_line(doubt: Doubt) -> str:
    """SQLite tells its story in a hundred lines; the first one is the beginning."""
    return next((line for line in doubt.problems[0].splitlines() if "***" not in line), "damaged")


def _had_school(settings: Settings) -> bool:
    return settings.keys.exists() or any(settings.backups.glob(NIGHTLY))


def _begin_anew(settings: Settings, *, now_ms: int) -> Footing:
    """A box without keys was never a school's: there is nothing to lose, and still it is kept."""
    path = settings.database
    if not path.exists() or (file_version(path) and not quick_check(path).problems):
        return Footing("new")
    with exclusive_lock(settings.data_dir):
        aside = settings.data_dir / f"before-repair-{now_ms}"
        aside.mkdir(mode=0o700)
        for file in settings.data_dir.glob(f"{path.name}*"):
            shutil.move(file, aside)
    words = "This box belonged to no school yet, and its empty database was damaged: a new one."
    return Footing("new", [words])


def _climb(settings: Settings, doubt: Doubt, *, now_ms: int) -> Footing:
    logger.error("database damaged problem=%s", first_line(doubt))
    aside = settings.data_dir / f"before-repair-{now_ms}"
    with copies(settings) as stock:
        found = newest_first(stock)
        footing = _salvaged(settings, found, doubt, aside, now_ms=now_ms)
        return (
            footing
            or _restored(settings, found, aside, now_ms=now_ms)
            or _reading(settings, now_ms=now_ms)
        )


def _salvaged(
    settings: Settings, stock: list[Copy], doubt: Doubt, aside: Path, *, now_ms: int
) -> Footing | None:
    path, backup = settings.database, stock[0] if stock else None
    fresh = path.with_name(f"{path.name}.salvaged")
    remove_database(fresh)
    if not path.exists():
        return None
    try:
        saved = salvage(
            path,
            fresh,
            backup=backup.path if backup else None,
            migrations=EDGE_MIGRATIONS,
            now_ms=now_ms,
        )
    except SalvageFailed as error:
        logger.error("salvage failed cause=%s", error.detail)  # noqa: TRY400 -- the words say it
        remove_database(fresh)
        return None
    swap(fresh, path, aside)
    put_private(aside / REPORT, msgspec.json.format(msgspec.json.encode(saved)))
    words = [*salvage_words(saved, backup), *doubt.notes, f"The damaged file is kept in {aside}."]
    lost = [*what_is_gone(saved.losses), *_lost_with_log(doubt)]
    _note(settings, "salvaged", words, lost, now_ms=now_ms, saved=saved)
    return Footing("salvaged", words)


def _restored(settings: Settings, stock: list[Copy], aside: Path, *, now_ms: int) -> Footing | None:
    for copy in stock:
        try:
            restore_backup(copy.path, settings.database, aside)
        except (BackupUnusable, OSError) as error:
            logger.error("backup unusable file=%s cause=%s", copy.name, error)  # noqa: TRY400
            continue
        put_in_place(settings, copy.turn)
        words = [
            f"The database could not be read any more. The backup {copy.name} is in its place.",
            "What was written after it comes back from the district as far as it arrived.",
            f"The rest is in {aside} and may be lost.",
        ]
        _note(settings, "restored", words, [SINCE_COPY], now_ms=now_ms)
        return Footing("restored", words)
    return None


def _reading(settings: Settings, *, now_ms: int) -> Footing:
    words = ["The school's database is damaged and could not be repaired.", ONLY_LESSONS]
    if _lacks_room_to_repair(settings):
        words.append("There was too little room on the card for it.")
    words.append("Put the backup stick in and start the box again, or call the district.")
    return _noted_reading(settings, words, now_ms=now_ms)


def _lacks_room_to_repair(settings: Settings) -> bool:
    """A repair writes the file anew, and its log beside it."""
    path = settings.database
    size_bytes = path.stat().st_size if path.exists() else 0
    return card_of(settings.data_dir).free_bytes < 2 * size_bytes


def _refused(settings: Settings, error: OSError, *, now_ms: int) -> Footing:
    """The file may be sound; but a box that can write nothing can only show what it has."""
    logger.error("card refuses to be written cause=%s", error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        words = ["The storage card is full to the last block.", ONLY_LESSONS, MAKE_ROOM]
    elif error.errno == errno.EROFS:
        words = ["The storage card can only be read: it wears out.", ONLY_LESSONS, NEW_CARD]
    else:
        words = [f"The storage card refuses to be written: {error}.", ONLY_LESSONS, NEW_CARD]
    return _noted_reading(settings, words, now_ms=now_ms)


def _noted_reading(settings: Settings, words: list[str], *, now_ms: int) -> Footing:
    _note(settings, "reading", words, [], now_ms=now_ms)
    return Footing("reading", words)


def salvage_words(saved: Salvaged, backup: Copy | None) -> list[str]:
    """What was saved and what was not, for a keeper."""
    words = [f"The database was damaged. {saved.rows} rows were saved into a new one."]
    filled = sum(loss.from_backup for loss in saved.losses)
    if filled and backup is not None:
        words.append(f"{filled} of them come from the backup {backup.name} and may be older.")
    if lost := what_is_gone(saved.losses):
        words.append(f"Missing or perhaps missing: {', '.join(lost)}.")
        words.append("What had arrived at the district comes back from there.")
    else:
        words.append("Nothing of the school's is missing.")
    return words


def _lost_with_log(doubt: Doubt) -> list[str]:
    return [LAST_MINUTES] if LOST_LOG in doubt.notes else []


def _note(
    settings: Settings,
    state: State,
    words: list[str],
    may_miss: list[str],
    *,
    now_ms: int,
    saved: Salvaged | None = None,
) -> None:
    losses = saved.losses if saved else []
    repair = Repair(
        at_ms=now_ms,
        state=state,
        words=words,
        missing={loss.table: len(loss.missing) for loss in losses if loss.missing},
        may_miss=may_miss,
        turn=read_order(settings.backups).turn,
    )
    with suppress(OSError):  # a card too full for a line must not keep the box from serving
        note_repair(settings, repair)
