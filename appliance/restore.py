"""Putting a backup in place by hand, and what a keeper should know before and after.

All of it needs the box stopped. A backup of a stick brings the school's keys and the files of
hand-ins with it; a plain copy is the database alone.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from appliance.accounts.faults import WrongRecoveryCode
from appliance.accounts.keys import (
    SEALED,
    SchoolKeys,
    complete_keys,
    is_of,
    lacking,
    new_recovery_code,
    open_sealed_keys,
    write_keys,
)
from appliance.accounts.queries import identity, school
from appliance.backups.envelope import is_sealed, read_label, unseal
from appliance.backups.faults import BackupNotOurs
from appliance.backups.making import turns_in
from appliance.backups.nightly import nightly_copies, put_in_place, turn_of
from appliance.backups.opening import bring_files, open_label
from appliance.backups.trial import workroom
from appliance.backups.whose import joined_district, newer_words, school_here
from appliance.database.backup import BackupResult, back_up, reading
from appliance.database.faults import BackupUnusable
from appliance.database.lock import exclusive_lock
from appliance.database.restoring import require_school, restore_backup
from appliance.errors import Conflict
from appliance.settings import Settings
from appliance.web.moments import moment

KEYS_ENDING: Final = ".keys"


class KeysPresent(Conflict):
    """This box has keys; others would make its PINs worthless."""

    code = "keys-present"
    title = "This box has its keys"
    hint = "Move the folder `keys` away first if it really is another school's."


def restore_school(
    settings: Settings, backup: Path, *, code: Callable[[], str], now_ms: int
) -> list[str]:
    """Put a backup in place; return what a keeper should know about it.

    `code` asks for the recovery code, or the district's code for this one backup, when the
    keys of this box do not open it. Raises BackupUnusable, BackupDamaged, BackupNotOurs,
    WrongPassphrase, DataDirInUse; then nothing was changed.
    """
    with exclusive_lock(settings.data_dir), workroom(settings) as work:
        aside = settings.data_dir / f"before-restore-{now_ms}"
        if not backup.is_file():
            raise BackupUnusable(f"{backup} is not there")
        if not is_sealed(backup):
            require_school(backup)
            _refuse_other_school(settings, *_whose(backup))
            restore_backup(backup, settings.database, aside)
            put_in_place(settings, turn_of(backup))
            return _what_returns(settings, backup.name, aside)
        return _restore_sealed(settings, backup, work, aside, code)


def _restore_sealed(
    settings: Settings, backup: Path, work: Path, aside: Path, code: Callable[[], str]
) -> list[str]:
    label = read_label(backup)
    _refuse_other_school(settings, label.school_id, label.school_name)
    opened = open_label(settings, label, code)
    plain = work / "unsealed.db"
    keys = unseal(backup, opened.secret, plain)
    restore_backup(plain, settings.database, aside)
    put_in_place(settings, label.turn, turns_in(backup.parent, label.school_id))
    words = [f"{label.school_name}, as of {moment(label.made_at_ms)}."]
    words += _what_returns(settings, backup.name, aside)
    words += bring_files(settings, backup.parent, label, keys)
    return words + _write_missing_keys(settings, keys, opened.recovery_code)


def _whose(backup: Path) -> tuple[UUID | None, str]:
    """The school of a plain copy. Raises BackupUnusable."""
    with reading(backup) as db:
        me, known = identity(db), school(db)
    if me is None:
        return None, "a box that was no school yet"
    return me.school_id, known.name if known else "another school"


def _refuse_other_school(settings: Settings, school_id: UUID | None, name: str) -> None:
    """A box without keys is nobody's yet. Keys stay, and would make another school's PINs void."""
    here = _school_of_box(settings)
    if settings.keys.exists() and here is not None and here != school_id:
        raise BackupNotOurs(f"it is the backup of {name}")


def _school_of_box(settings: Settings) -> UUID | None:
    """As its file says, or where that is too damaged, the copies of its nights."""
    said = map(school_here, [settings.database, *nightly_copies(settings.backups)])
    return next((each for each in said if each is not None), None)


def _write_missing_keys(settings: Settings, keys: SchoolKeys, code: str | None) -> list[str]:
    """Keys that are there stay; a new board takes those of the backup, and PINs go on working."""
    if not lacking(settings.keys):
        return []
    new_code = code or new_recovery_code()
    _put_keys(settings, keys, new_code)
    if code:
        return ["The keys came with it: PINs and passwords work as before."]
    return [
        "The keys came with it: PINs and passwords work as before.",
        f"A new recovery code, shown this once: {new_code}",
    ]


def _what_returns(settings: Settings, name: str, aside: Path) -> list[str]:
    words = [f"{name} is in place."]
    is_enrolled = joined_district(settings.database)
    if is_enrolled:
        words.append(
            "What the district has of this school comes back at the next contact; until then"
            " newer hand-ins and marks are missing here."
        )
    else:
        words.append("This school has no district: nothing comes back from elsewhere.")
    if not aside.exists():
        return words
    words.append(f"What was there before is kept in {aside}.")
    return words + newer_words(aside / settings.database.name, settings.database)


def open_keys(settings: Settings, sealed: Path, recovery_code: str) -> None:
    """Write the school's keys again. Raises WrongRecoveryCode, KeysPresent."""
    with exclusive_lock(settings.data_dir):
        if not lacking(settings.keys):
            raise KeysPresent(f"{settings.keys} has all of them")
        try:
            keys = open_sealed_keys(sealed.read_bytes(), recovery_code)
        except msgspec.DecodeError as error:
            raise WrongRecoveryCode(f"{sealed} does not hold sealed keys: {error}") from error
        if not is_of(settings.keys, keys):
            raise KeysPresent(f"what is left in {settings.keys} is of other keys")
        _put_keys(settings, keys, recovery_code)


def _put_keys(settings: Settings, keys: SchoolKeys, recovery_code: str) -> None:
    """All of them on a new board; where some were lost, those."""
    if settings.keys.is_dir() and is_of(settings.keys, keys):
        complete_keys(settings.keys, keys, recovery_code)
    else:
        write_keys(settings.keys, keys, recovery_code)


def back_up_plainly(settings: Settings, target: Path) -> BackupResult:
    """Copy the live database unsealed, and the sealed keys beside it where there are any."""
    result = back_up(settings.database, target)
    sealed = settings.keys / SEALED
    if sealed.exists():
        shutil.copyfile(sealed, target.with_name(target.name + KEYS_ENDING))
    return result
