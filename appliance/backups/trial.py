"""A backup proves itself by being restored: beside the school, and read as people read it."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from appliance.accounts.keys import SchoolKeys
from appliance.backups.envelope import read_label, unseal
from appliance.backups.faults import BackupBusy, BackupDamaged, BackupNotVerified, WrongPassphrase
from appliance.backups.label import Label, open_for_box
from appliance.backups.media import forget_cached
from appliance.backups.queries import journey
from appliance.database.agent import AgentDatabase
from appliance.database.backup import row_count
from appliance.database.faults import BackupUnusable
from appliance.database.integrity import full_check, quick_check
from appliance.database.restoring import restore_backup
from appliance.room import require_room_for_copies
from appliance.settings import Settings

RETRY_AFTER_S: Final = 60
TRIAL_FACTOR: Final = 3.2  # the copy, then what is unsealed and restored from it, and its log

Tried = tuple[int, str]


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """One stick, one at a time: the night's job, a page, or somebody at the console.

    Raises BackupBusy.
    """
    lock = settings.backup_work.with_suffix(".lock")
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("ab") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupBusy("somebody else was first", retry_after_s=RETRY_AFTER_S) from error
        yield


@contextmanager
def workroom(settings: Settings) -> Iterator[Path]:
    """An empty folder on the card, empty again afterwards. Raises BackupBusy while it is in use."""
    folder = settings.backup_work
    with alone(settings):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def try_out(path: Path, keys: SchoolKeys, work: Path, *, is_thorough: bool = False) -> Tried:
    """Restore a backup in `work`; return how many rows there are and what was read.

    Raises BackupDamaged, BackupNotVerified, WrongPassphrase. `is_thorough` reads every index.
    """
    forget_cached(path)
    label = read_label(path)
    secret = open_for_box(label.for_box, keys.sealing_key)
    if secret is None:
        raise WrongPassphrase(f"{path.name} was sealed with other keys")
    plain = work / "unsealed.db"
    require_room_for_copies(work, label.database_bytes)
    unseal(path, secret, plain)
    rows = row_count(plain)
    if rows != label.rows:
        raise BackupNotVerified(f"{path.name}: {rows} rows came back, {label.rows} went in")
    return rows, _restored(plain, label, work, is_thorough=is_thorough)


def _restored(plain: Path, label: Label, work: Path, *, is_thorough: bool) -> str:
    school = work / "restored" / "school.db"
    shutil.rmtree(school.parent, ignore_errors=True)
    school.parent.mkdir(mode=0o700)
    require_room_for_copies(work, 2 * label.database_bytes)  # the file, and its log meanwhile
    try:
        restore_backup(plain, school, work / "aside")
    except BackupUnusable as error:
        raise BackupDamaged(error.detail) from error
    problems = (full_check if is_thorough else quick_check)(school).problems
    if problems:
        raise BackupNotVerified(f"what was restored is not sound: {problems[0]}")
    db = AgentDatabase(school)
    try:
        words = journey(db, label.school_id)
    finally:
        db.close()
    if (rows := row_count(school)) != label.rows:
        raise BackupNotVerified(f"{rows} rows after the restore, {label.rows} went in")
    return words
