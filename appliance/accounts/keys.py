"""The school's keys: made once at claim, kept outside the database, mode 0600.

    node.key            this board's Ed25519 seed; signs what it sends to a district
    pin.pepper          32 bytes; without it no PIN can be checked
    sealing.key         32 bytes; sealed columns and backups
    school-keys.sealed  the three, sealed to the recovery code that was printed once

They travel only inside backups. The recovery code is the way back when the board is
gone, so it is as long as a key needs to be: 120 random bits, slowed down by argon2id.
"""

import secrets
import shutil
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from nacl.pwhash import argon2id

from appliance.accounts.faults import KeysMissing, WrongRecoveryCode
from appliance.durable import put_private, sync_path

KEY_BYTES: Final = 32
RECOVERY_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0 O 1 I L
RECOVERY_GROUPS: Final = 6
RECOVERY_GROUP_LENGTH: Final = 4
RECOVERY_OPS: Final = 3
RECOVERY_BYTES: Final = 64 << 20  # once in a box's life: half a second on the board is fine

NODE_KEY: Final = "node.key"
PIN_PEPPER: Final = "pin.pepper"
SEALING_KEY: Final = "sealing.key"
SEALED: Final = "school-keys.sealed"


class SchoolKeys(Struct, frozen=True):
    """The secrets themselves. Never logged, never in the database."""

    node_key: bytes
    pin_pepper: bytes
    sealing_key: bytes


class SealedKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """What `school-keys.sealed` holds; everything needed to open it but the code."""

    salt: bytes
    ops: int
    memory_bytes: int
    box: bytes


def new_keys() -> SchoolKeys:
    """Make fresh keys for a new school."""
    return SchoolKeys(*(secrets.token_bytes(KEY_BYTES) for _ in range(3)))


def new_recovery_code() -> str:
    """Six groups of four, to be printed and put into the school's safe."""
    letters = [
        "".join(secrets.choice(RECOVERY_LETTERS) for _ in range(RECOVERY_GROUP_LENGTH))
        for _ in range(RECOVERY_GROUPS)
    ]
    return "-".join(letters)


def seal_keys(keys: SchoolKeys, recovery_code: str) -> bytes:
    """Seal `keys` so that the recovery code, and nothing on this box, opens them."""
    salt = secrets.token_bytes(argon2id.SALTBYTES)
    private = _derived(recovery_code, salt, RECOVERY_OPS, RECOVERY_BYTES)
    box = SealedBox(private.public_key).encrypt(msgspec.msgpack.encode(keys))
    return msgspec.json.encode(SealedKeys(salt, RECOVERY_OPS, RECOVERY_BYTES, box))


def open_sealed_keys(sealed: bytes, recovery_code: str) -> SchoolKeys:
    """Open what `seal_keys` made. Raises WrongRecoveryCode."""
    told = msgspec.json.decode(sealed, type=SealedKeys)
    private = _derived(recovery_code, told.salt, told.ops, told.memory_bytes)
    try:
        plain = SealedBox(private).decrypt(told.box)
    except CryptoError as error:
        raise WrongRecoveryCode("the keys stay closed") from error
    return msgspec.msgpack.decode(plain, type=SchoolKeys)


def write_keys(folder: Path, keys: SchoolKeys, recovery_code: str) -> None:
    """Put the keys on the card, whole or not at all, before anything relies on them.

    Keys of an earlier, unfinished claim belong to nobody and are replaced.
    """
    made = folder.with_name(folder.name + ".new")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700, parents=True)
    for name, content in (
        (NODE_KEY, keys.node_key),
        (PIN_PEPPER, keys.pin_pepper),
        (SEALING_KEY, keys.sealing_key),
        (SEALED, seal_keys(keys, recovery_code)),
    ):
        put_private(made / name, content)
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)
    sync_path(folder.parent)


def lacking(folder: Path) -> list[str]:
    """What is not there of a school's keys, or is damaged."""
    whole = {NODE_KEY: KEY_BYTES, PIN_PEPPER: KEY_BYTES, SEALING_KEY: KEY_BYTES}
    found = [name for name, size in whole.items() if _size_bytes(folder / name) != size]
    return found if _size_bytes(folder / SEALED) else [*found, SEALED]


def is_of(folder: Path, keys: SchoolKeys) -> bool:
    """Whether what is left of a school's keys there is of these; a node may have a new one."""
    wanted = {PIN_PEPPER: keys.pin_pepper, SEALING_KEY: keys.sealing_key}
    there = [name for name in wanted if name not in lacking(folder)]
    return all((folder / name).read_bytes() == wanted[name] for name in there)


def complete_keys(folder: Path, keys: SchoolKeys, recovery_code: str) -> None:
    """Put what is lacking into a folder of keys that is there; what is whole stays."""
    made = {NODE_KEY: keys.node_key, PIN_PEPPER: keys.pin_pepper, SEALING_KEY: keys.sealing_key}
    for name in lacking(folder):
        put_private(folder / name, made.get(name) or seal_keys(keys, recovery_code))


def _size_bytes(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def read_keys(folder: Path) -> SchoolKeys:
    """Read the keys of a claimed box. Raises KeysMissing when one is not there."""
    return SchoolKeys(*(_read_key(folder / name) for name in (NODE_KEY, PIN_PEPPER, SEALING_KEY)))


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError as error:
        raise KeysMissing(f"{path} is missing") from error
    if len(key) != KEY_BYTES:
        raise KeysMissing(f"{path} is damaged")
    return key


def _derived(recovery_code: str, salt: bytes, ops: int, memory_bytes: int) -> PrivateKey:
    words = "".join(letter for letter in recovery_code.upper() if letter in RECOVERY_LETTERS)
    seed = argon2id.kdf(KEY_BYTES, words.encode(), salt, opslimit=ops, memlimit=memory_bytes)
    return PrivateKey(seed)
