"""A backup as one sealed file: the label, the school's keys, the database in pieces.

XChaCha20-Poly1305 as libsodium's secretstream: a piece that is missing, changed, repeated or in
another place, and an end that is cut off, are found while reading.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_ABYTES as SEAL_BYTES,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_HEADERBYTES as START_BYTES,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_pull as begin_reading,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_push as begin_writing,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_pull as pull,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_push as push,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_state as State,  # noqa: N812 -- it is a class
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_TAG_FINAL as LAST,
)
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_TAG_MESSAGE as MORE,
)

from appliance.accounts.keys import SchoolKeys
from appliance.backups.faults import BackupDamaged
from appliance.backups.label import (
    LABEL_BYTES_MAX,
    LENGTH_BYTES,
    MAGIC,
    Label,
    LabelUnreadable,
    content_key,
    pack_label,
    unpack_label,
)
from appliance.durable import is_regular, sync_path

PIECE_BYTES: Final = 1 << 20
PIECE_BYTES_MAX: Final = PIECE_BYTES + (1 << 16)  # what does not compress grows by a little
PACKING: Final = 1  # a database shrinks to a third at 60 MB/s; more costs time and saves 3 %


def seal(source: Path, target: BinaryIO, label: Label, keys: SchoolKeys, secret: bytes) -> None:
    """Write label, keys and database to an open file."""
    head = pack_label(label)
    state = State()
    target.write(head + begin_writing(state, content_key(secret)))
    _write(target, push(state, msgspec.msgpack.encode(keys), head, MORE))
    with source.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            _write(target, push(state, zlib.compress(piece, PACKING), None, MORE))
    _write(target, push(state, b"", None, LAST))


def read_label(path: Path) -> Label:
    """Read what stands on a backup. Raises BackupDamaged."""
    if not is_regular(path):
        raise BackupDamaged(f"{path.name} is no file")
    with path.open("rb") as file:
        return _label(path, file)[0]


def is_sealed(path: Path) -> bool:
    """Whether this is one of ours, and not a plain copy of a database."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def unseal(path: Path, secret: bytes, target: Path) -> SchoolKeys:
    """Write the database to `target`; return the keys that came with it. Raises BackupDamaged."""
    with path.open("rb") as file, target.open("wb") as out:
        target.chmod(0o600)
        _, head = _label(path, file)
        pieces = _pieces(path, file, content_key(secret), head)
        keys = msgspec.msgpack.decode(next(pieces), type=SchoolKeys)
        for piece in pieces:
            out.write(_unpacked(path, piece))
    sync_path(target)
    return keys


def _label(path: Path, file: BinaryIO) -> tuple[Label, bytes]:
    begin = file.read(len(MAGIC) + LENGTH_BYTES)
    size = int.from_bytes(begin[len(MAGIC) :])
    if begin[: len(MAGIC)] != MAGIC or size > LABEL_BYTES_MAX:
        raise BackupDamaged(f"{path.name} does not begin like a backup of a school box")
    head = begin + file.read(size)
    try:
        return unpack_label(head), head
    except LabelUnreadable as error:
        raise BackupDamaged(f"the label of {path.name} cannot be read") from error


def _pieces(path: Path, file: BinaryIO, key: bytes, head: bytes) -> Iterator[bytes]:
    state, bound = State(), head
    try:
        begin_reading(state, file.read(START_BYTES), key)
        while True:
            size = int.from_bytes(file.read(LENGTH_BYTES))
            if not SEAL_BYTES <= size <= PIECE_BYTES_MAX:
                raise BackupDamaged(f"{path.name} is cut off")
            piece, tag = pull(state, file.read(size), bound or None)
            if tag == LAST:
                return
            bound = b""
            yield piece
    except (RuntimeError, ValueError, TypeError) as error:  # what PyNaCl makes of each damage
        raise BackupDamaged(f"{path.name} does not read back as it was written") from error


def _unpacked(path: Path, piece: bytes) -> bytes:
    try:
        return zlib.decompress(piece)
    except zlib.error as error:
        raise BackupDamaged(f"{path.name} does not unpack") from error


def _write(target: BinaryIO, piece: bytes) -> None:
    target.write(len(piece).to_bytes(LENGTH_BYTES) + piece)
