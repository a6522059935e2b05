"""When two images of one row meet: which is current, and what becomes of the other.

Images are ordered by (owner_epoch, version, row_hash). The hash decides what counters
cannot: after every restore two different images carry equal versions, and each side would
call itself clean for ever. No image from another epoch is dropped: what is not current is
kept in `sync_conflict`. Facts are no exception: a phone that repeats an id at two boards of
one school makes two images of one fact, and both sides must end with the same one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from sync.registry import TABLES, Table

Value = None | int | str | bytes

# For people to read; two images that differ only here say the same.
NOT_HASHED: Final = "updated_at_ms"
# What a box and its hub compare: what the box owns and may not let go of. What the hub owns
# is replaced as a whole by its feed; telemetry is the first to be shed.
COMPARED: Final = tuple(table for table in TABLES if table.owner != "hub" and table.lane == 0)
FACT_ORDER: Final = (0, 1)  # facts carry no counters: their first image is version 1

_encoder: Final = msgspec.msgpack.Encoder()


class Image(Struct, frozen=True):
    """What the order of two images of one row rests on."""

    owner_epoch: int
    version: int
    row_hash: bytes
    src_epoch: bytes
    holder: bytes | None = None  # a second epoch that sent this same image: it holds it too

    @property
    def order(self) -> tuple[int, int, bytes]:
        """Later is greater; equal means the same content."""
        return (self.owner_epoch, self.version, self.row_hash)


class Outcome(StrEnum):
    """What became of an incoming image. Every one of them is counted."""

    INSERTED = "inserted"
    UPDATED = "updated"  # it follows the current image
    SUPERSEDED = "superseded"  # an earlier state of the same lineage; nothing is lost
    DUPLICATE = "duplicate"
    DISPLACED = "displaced"  # it is current now; the other image goes to sync_conflict
    OUTRANKED = "outranked"  # it goes to sync_conflict itself


BECOMES_CURRENT: Final = frozenset({Outcome.INSERTED, Outcome.UPDATED, Outcome.DISPLACED})
CONFLICTS: Final = frozenset({Outcome.DISPLACED, Outcome.OUTRANKED})


def row_hash(table: Table, values: Sequence[Value]) -> bytes:
    """SHA-256 over msgpack of `values`, which stand in the registry's order; ids are bytes.

    Equal on the box and at the hub, whatever the engines' own representations.
    """
    named = list(zip(table.columns, values, strict=True))
    first = [value for column, value in named if not column.since and column.name != NOT_HASHED]
    return hash_of(first, {column.name: value for column, value in named if column.since})


def shorter_hashes(table: Table, values: Sequence[Value]) -> frozenset[bytes]:
    """The hashes this same row has where later columns are unknown, without its own.

    A release that was given the file back seals a row as far as it knows it, and leaves the
    rest where it lies. Such an image says nothing that this one does not. The counters are in
    the hash, so no other state of the row is meant.
    """
    named = list(zip(table.columns, values, strict=True))
    ages = {column.since for column in table.columns if column.since}
    cut = ([None if column.since >= age else value for column, value in named] for age in ages)
    return frozenset(row_hash(table, row) for row in cut if row != list(values))


def hash_of(first: Sequence[Value], late: Mapping[str, Value]) -> bytes:
    """Hash the columns a table began with, in order, and by name what later ones hold.

    An empty later column leaves no mark: a row says the same before and after its box is
    brought up to date, and to a hub that has no place for the column yet.
    """
    held = [[name, late[name]] for name in sorted(late) if late[name] is not None]
    return hashlib.sha256(_encoder.encode([*first, *held])).digest()


def image_of(table: Table, values: Sequence[Value], src_epoch: bytes) -> Image:
    """Read the order of a row out of its values."""
    owner_epoch, version = order_of(table, values)
    return Image(owner_epoch, version, row_hash(table, values), src_epoch)


def order_of(table: Table, values: Sequence[Value]) -> tuple[int, int]:
    """Return (owner_epoch, version) of a row."""
    if table.is_fact:
        return FACT_ORDER
    version, owner_epoch = values[-5], values[-4]  # registry.VERSION_COLUMNS
    assert isinstance(version, int), table.name
    assert isinstance(owner_epoch, int), table.name
    return owner_epoch, version


def judge(current: Image | None, incoming: Image) -> Outcome:
    """Decide about `incoming`; the same on the box, at the hub and in every order of arrival.

    Two images with equal counters and different content are concurrent even within one
    epoch: the trigger makes every update raise the version.
    """
    if current is None:
        return Outcome.INSERTED
    if current.order == incoming.order:
        return Outcome.DUPLICATE
    is_later = incoming.order > current.order
    if is_concurrent(current, incoming):
        return Outcome.DISPLACED if is_later else Outcome.OUTRANKED
    return Outcome.UPDATED if is_later else Outcome.SUPERSEDED


def is_concurrent(current: Image, incoming: Image) -> bool:
    """Say whether neither image may be taken for the other's past.

    An epoch writes on top of what it holds: what it wrote itself, or what it was seen to hold
    when it sent the same again. So the first edit of each row after a restore is no conflict.
    """
    holds = incoming.src_epoch in {current.src_epoch, current.holder}
    return not holds or current.order[:2] == incoming.order[:2]


def bucket_of(row_id: bytes) -> int:
    """Return which of 256 buckets a row is compared in: its id's last byte.

    A UUIDv7 begins with the time, so its first bytes are the same for years; the last are
    chance, and spread a table evenly.
    """
    return row_id[-1]


def digest_part(row_id: bytes, version: int, hashed: bytes) -> int:
    """One row's share of a table's digest: shares are added up modulo 2^64.

    A sum does not depend on order, so both sides add while they scan.
    """
    share = hashlib.sha256(row_id + version.to_bytes(8, "big") + hashed).digest()
    return int.from_bytes(share[:8], "big")


def digest(rows: Sequence[tuple[bytes, int, bytes]]) -> int:
    """Digest of a table from (id, version, row_hash) of its rows."""
    return sum(digest_part(*row) for row in rows) % (1 << 64)
