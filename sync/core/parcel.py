"""Files of hand-ins on a stick, beside the segments: each whole, signed and locked.

    darasa/<node>/files/<attachment>.file.box   a file the district lacks, locked with the hub's key
    darasa/<node>/back/<number>.file.box        a file the board lacks, locked with the node's

The label names the content by its hash and is signed by who packed it, so a file that is put
into another's folder, or under another name, is what it is and nothing else.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from sync.core.bundle import LOCK_BYTES, LOCKED_MAGIC, TOP, BundleCorrupt, lock
from sync.protocol import Count, Hash, Signature, decode, encode

CONTENT_BYTES_MAX: Final = 32 << 20  # a hand-in's file has at most 10 MB; a later release's more
LABEL_BYTES_MAX: Final = 1_024
FRAME_BYTES: Final = 75  # the signature's 64, and how long each of three parts is
PARCEL_BYTES_MAX: Final = (
    CONTENT_BYTES_MAX + LABEL_BYTES_MAX + FRAME_BYTES + LOCK_BYTES + len(LOCKED_MAGIC)
)
FILE_NAME: Final = re.compile(r"[0-9a-f-]{1,36}\.file\.box")


class Label(Struct, frozen=True, kw_only=True):
    """What is inside, and between whom it travels."""

    hub_id: UUID
    school_id: UUID
    node_id: UUID
    sha256: Hash
    size_bytes: Count


class Parcel(Struct, frozen=True, array_like=True):
    """A label as it was signed, and the content it names."""

    label: Annotated[bytes, Meta(max_length=LABEL_BYTES_MAX)]
    signature: Signature
    content: Annotated[bytes, Meta(max_length=CONTENT_BYTES_MAX)]


def files_folder(node_id: UUID) -> PurePosixPath:
    """What a board sends; not of one epoch, because content is what it is."""
    return PurePosixPath(TOP, str(node_id), "files")


def back_folder(node_id: UUID) -> PurePosixPath:
    """What comes back to a board."""
    return PurePosixPath(TOP, str(node_id), "back")


def file_name(words: object) -> str:
    """The name of a file in either folder: an id or a number, nothing of its content."""
    return f"{words}.file.box"


def files_in(names: Sequence[str]) -> list[str]:
    """Those names that may be ours."""
    return [name for name in names if FILE_NAME.fullmatch(name)]


def packed(label: Label, content: bytes, signature: bytes, reader_key: bytes) -> bytes:
    """Lock a file for whoever holds the private half of `reader_key`."""
    return lock(encode(Parcel(encode(label), signature, content)), reader_key)


def label_message(label: Label) -> bytes:
    """What the packer signs."""
    return b"darasa file\0" + encode(label)


def signed_label(label: Label, key: SigningKey) -> bytes:
    """Sign as a board; a hub signs with its own key's words."""
    return key.sign(label_message(label)).signature


def read_parcel(unlocked: bytes) -> tuple[Label, Parcel]:
    """Read a file and see that it is what its label says. Raises BundleCorrupt."""
    try:
        parcel = decode(unlocked, Parcel)
        label = decode(parcel.label, Label)
    except msgspec.DecodeError as error:
        raise BundleCorrupt(f"not readable as a file: {error}") from error
    if hashlib.sha256(parcel.content).digest() != label.sha256:
        raise BundleCorrupt("the content is not what its label names")
    return label, parcel


def is_signed_by(parcel: Parcel, key: bytes) -> bool:
    """Whether `key` signed this label, whatever fields a later release has added to it."""
    try:
        VerifyKey(key).verify(b"darasa file\0" + parcel.label, parcel.signature)
    except BadSignatureError:
        return False
    return True
