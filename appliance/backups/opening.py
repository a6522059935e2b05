"""Opening a backup: with the keys of this box, the printed code, or the district's code for it."""

from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct
from nacl.exceptions import CryptoError
from nacl.secret import Aead

from appliance.accounts.faults import KeysMissing, WrongRecoveryCode
from appliance.accounts.keys import SchoolKeys, open_sealed_keys, read_keys
from appliance.backups.faults import WrongPassphrase
from appliance.backups.label import Label, open_for_box, secret_of
from appliance.backups.making import FILES, SEALED_ENDING, names_in
from appliance.durable import put_private
from appliance.settings import Settings


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
        raise WrongPassphrase("the code does not open it") from error
    found = open_for_box(label.for_box, keys.sealing_key)
    if found is None:
        raise WrongPassphrase("the code belongs to older keys of this school")
    return Opened(found, typed)


def bring_files(settings: Settings, folder: Path, label: Label, keys: SchoolKeys) -> list[str]:
    """Put the files of hand-ins back beside the database; return what a keeper should know."""
    lock, missing, brought = Aead(keys.sealing_key), 0, 0
    for name in names_in(label):
        target, sealed = settings.blobs / name, folder / FILES / f"{name}{SEALED_ENDING}"
        if target.exists():
            continue
        try:
            content = lock.decrypt(sealed.read_bytes())
        except (OSError, CryptoError):
            missing += 1
            continue
        settings.blobs.mkdir(mode=0o700, exist_ok=True)
        put_private(target, content)
        brought += 1
    words = [f"{brought} photos and files of hand-ins came back."] if brought else []
    if missing:
        words.append(
            f"{missing} photos and files are not on the stick; the district may have them."
        )
    return words
