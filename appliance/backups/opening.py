"""Opening a backup: with the keys of this box, the printed code, or the district's code for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from appliance.accounts.faults import KeysMissing, WrongRecoveryCode
from appliance.accounts.keys import SchoolKeys, open_sealed_keys, read_keys
from appliance.backups.faults import WrongPassphrase
from appliance.backups.files import names_in, open_file, sealed_at
from appliance.backups.label import Label, open_for_box, secret_of
from appliance.backups.queries import whose_file
from appliance.backups.whose import joined_district
from appliance.database.backup import reading
from appliance.durable import put_private
from appliance.room import has_room_for_files
from appliance.settings import Settings

NO_ROOM: Final = (
    "photos and files stay on the stick: the card is almost full. Keep the stick. Those that the"
    " district has come back by themselves when there is room; for the others put in a larger card"
    " and restore again before the school goes on."
)
NAMED_MAX: Final = 20  # a screen of the console


class Opened(Struct, frozen=True):
    """The secret of a backup, and the recovery code where one was typed."""

    secret: bytes
    recovery_code: str | None


def open_label(settings: Settings, label: Label, code: Callable[[], str]) -> Opened:
    """Find the secret of a backup. Raises WrongPassphrase."""
    try:
        secret = open_for_box(label.for_box, read_keys(settings.keys).sealing_key)
    except KeysMissing:
        secret = None
    return Opened(secret, None) if secret else _with_code(label, code())


def _with_code(label: Label, typed: str) -> Opened:
    secret = secret_of(typed)
    if secret is not None:
        return Opened(secret, None)
    try:
        keys = open_sealed_keys(label.sealed_keys, typed)
    except (WrongRecoveryCode, msgspec.DecodeError) as error:
        raise WrongPassphrase(f"it is one of {label.school_name}") from error
    found = open_for_box(label.for_box, keys.sealing_key)
    if found is None:
        raise WrongPassphrase(f"it belongs to older keys of {label.school_name}")
    return Opened(found, typed)


def bring_files(settings: Settings, folder: Path, label: Label, keys: SchoolKeys) -> list[str]:
    """Put the files of hand-ins back beside the database; return what a keeper should know.

    As far as the card has room: what is left is for what is handed in from now on.
    """
    missing, brought, left = [], 0, 0
    for name in names_in(label):
        target, sealed = settings.blobs / name, sealed_at(folder, name, keys)
        if target.exists():
            continue
        if not has_room_for_files(settings.data_dir):
            left += 1
            continue
        content = open_file(sealed, name, keys) if sealed.exists() else None
        if content is None:
            missing.append(name)
            continue
        settings.blobs.mkdir(mode=0o700, exist_ok=True)
        put_private(target, content)
        brought += 1
    words = [f"{brought} photos and files of hand-ins came back."] if brought else []
    words += [f"{left} {NO_ROOM}"] if left else []
    return words + (_missing(settings, missing) if missing else [])


def _missing(settings: Settings, names: list[str]) -> list[str]:
    words = [f"{len(names)} photos and files are not on the stick, or damaged there:"]
    with reading(settings.database) as db:
        for name in names[:NAMED_MAX]:
            whose = whose_file(db, bytes.fromhex(name))
            if whose is not None:
                words.append(f"  {whose.file_name}: {whose.person_name}, {whose.task_title}")
    if len(names) > NAMED_MAX:
        words.append(f"  and {len(names) - NAMED_MAX} more.")
    if joined_district(settings.database):
        return [*words, "They come back from the district as far as it has them."]
    return [*words, "Keep the old card and other sticks: they may have them."]
