"""After a loss: a backup back in place, and the school's keys out of their envelope.

Both need the box stopped. A backup is a copy of the database; the keys stand beside it,
sealed to the recovery code that was printed when the box was claimed.
"""

import shutil
from pathlib import Path
from typing import Final

import msgspec

from appliance.accounts.faults import WrongRecoveryCode
from appliance.accounts.keys import SEALED, open_sealed_keys, write_keys
from appliance.database.backup import BackupResult, back_up
from appliance.database.lock import exclusive_lock
from appliance.database.restoring import restore_backup
from appliance.errors import Conflict
from appliance.settings import Settings

KEYS_ENDING: Final = ".keys"


class KeysPresent(Conflict):
    """This box has keys; others would make its PINs worthless."""

    code = "keys-present"
    title = "This box has its keys"
    hint = "Move the folder `keys` away first if it really is another school's."


def back_up_with_keys(settings: Settings, target: Path) -> BackupResult:
    """Copy the live database, and the sealed keys beside it where there are any."""
    result = back_up(settings.database, target)
    sealed = settings.keys / SEALED
    if sealed.exists():
        shutil.copyfile(sealed, sealed_beside(target))
    return result


def sealed_beside(backup: Path) -> Path:
    """Where the sealed keys of a backup stand."""
    return backup.with_name(backup.name + KEYS_ENDING)


def restore_school(settings: Settings, backup: Path, *, now_ms: int) -> Path | None:
    """Put a backup in place; return the folder that holds what was there before, if anything."""
    with exclusive_lock(settings.data_dir):
        aside = settings.data_dir / f"before-restore-{now_ms}"
        restore_backup(backup, settings.database, aside)
    return aside if aside.exists() else None


def open_keys(settings: Settings, sealed: Path, recovery_code: str) -> None:
    """Write the school's keys again. Raises WrongRecoveryCode, KeysPresent."""
    with exclusive_lock(settings.data_dir):
        if settings.keys.exists():
            raise KeysPresent(f"{settings.keys} is there")
        try:
            keys = open_sealed_keys(sealed.read_bytes(), recovery_code)
        except msgspec.DecodeError as error:
            raise WrongRecoveryCode(f"{sealed} does not hold sealed keys: {error}") from error
        write_keys(settings.keys, keys, recovery_code)
