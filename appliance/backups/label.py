"""What stands on a backup in clear: whose it is, when it was made, and its three locks.

One secret opens a backup. It is there three times: locked with this school's sealing key (so
that the box opens its own), beside the keys that the printed recovery code opens, and locked
for the district. The label is bound to the content: with any other it does not open.
"""

from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct
from nacl.encoding import RawEncoder
from nacl.exceptions import CryptoError
from nacl.hash import blake2b
from nacl.public import PrivateKey, SealedBox
from nacl.secret import Aead
from nacl.signing import VerifyKey

MAGIC: Final = b"darasa-backup 1\n"
LABEL_BYTES_MAX: Final = 64 << 20  # a million files
LENGTH_BYTES: Final = 4
SECRET_BYTES: Final = 16
KEY_BYTES: Final = 32
KEY_IS_FOR: Final = b"darasa-backup"

# Written by hand from a telephone: no 0 O 1 I L. Longer than a recovery code, so that the
# two cannot be taken for each other.
CODE_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
CODE_LENGTH: Final = 28
CODE_GROUP: Final = 4


class Label(Struct, frozen=True, kw_only=True):
    """The clear part. `files`: SHA-256 of every hand-in's file it names, one after the other.

    `turn`: its place among the school's backups (`appliance.backups.order`); a restore takes
    `seq` back, and this never.
    """

    school_id: UUID
    school_name: str
    made_at_ms: int
    seq: int
    app_version: str
    schema_version: int
    rows: int
    database_bytes: int
    files: bytes
    sealed_keys: bytes
    for_box: bytes
    for_district: bytes | None = None
    turn: int = 0


ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder(Label)


class LabelUnreadable(Exception):
    """This is not a backup, or its first part is damaged."""


def pack_label(label: Label) -> bytes:
    """The bytes a backup begins with."""
    encoded = ENCODER.encode(label)
    return MAGIC + len(encoded).to_bytes(LENGTH_BYTES) + encoded


def unpack_label(content: bytes) -> Label:
    """Read what `pack_label` wrote. Raises LabelUnreadable."""
    begin = len(MAGIC) + LENGTH_BYTES
    size = int.from_bytes(content[len(MAGIC) : begin])
    if content[: len(MAGIC)] != MAGIC or len(content) < begin + size:
        raise LabelUnreadable
    try:
        return DECODER.decode(content[begin : begin + size])
    except msgspec.MsgspecError as error:
        raise LabelUnreadable from error


def content_key(secret: bytes) -> bytes:
    """The key of the content."""
    return blake2b(b"", digest_size=KEY_BYTES, key=secret, person=KEY_IS_FOR, encoder=RawEncoder)


def lock_for_box(secret: bytes, sealing_key: bytes) -> bytes:
    """Lock the secret with the school's own key."""
    return bytes(Aead(sealing_key).encrypt(secret))


def open_for_box(locked: bytes, sealing_key: bytes) -> bytes | None:
    """Open it again; None with another school's key."""
    try:
        return Aead(sealing_key).decrypt(locked)
    except CryptoError:
        return None


def lock_for_district(secret: bytes, hub_key: bytes) -> bytes:
    """Lock the secret so that the district's hub can say the code."""
    return SealedBox(VerifyKey(hub_key).to_curve25519_public_key()).encrypt(secret)


def open_for_district(locked: bytes, private: PrivateKey) -> bytes | None:
    """Open it again; None with another district's key."""
    try:
        return SealedBox(private).decrypt(locked)
    except CryptoError:
        return None


def code_of(secret: bytes) -> str:
    """A secret in letters: what the district reads out for one backup."""
    number, letters = int.from_bytes(secret), []
    for _ in range(CODE_LENGTH):
        number, place = divmod(number, len(CODE_LETTERS))
        letters.append(CODE_LETTERS[place])
    groups = range(0, CODE_LENGTH, CODE_GROUP)
    return "-".join("".join(letters[at : at + CODE_GROUP]) for at in groups)


def secret_of(code: str) -> bytes | None:
    """Read a district's code; None when it is something else."""
    letters = [letter for letter in code.upper() if letter in CODE_LETTERS]
    if len(letters) != CODE_LENGTH:
        return None
    number = 0
    for letter in reversed(letters):
        number = number * len(CODE_LETTERS) + CODE_LETTERS.index(letter)
    return number.to_bytes(SECRET_BYTES) if number < 1 << 8 * SECRET_BYTES else None
