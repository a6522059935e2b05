"""Whom the district has forgotten, in a file beside the hub's key, outside the database.

One line for each, only ever added to. A database that was restored from a backup of before
brings the person back; the list does not go back with it.
"""

import os
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct


class Erased(Struct, frozen=True, kw_only=True):
    """One line: ids, and what was written down about it."""

    school_id: UUID
    person_id: UUID
    at_ms: int
    by_person_id: UUID
    reason: str


def read_list(path: Path) -> list[Erased]:
    """Read every whole line; one that a power cut has torn was never committed."""
    if not path.exists():
        return []
    found = [_read(line) for line in path.read_bytes().split(b"\n")]
    return [each for each in found if each is not None]


def add_to_list(path: Path, erased: Erased) -> None:
    """Write one line for good."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"\n" + msgspec.json.encode(erased) + b"\n")  # whatever the last one ended in
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(line: bytes) -> Erased | None:
    try:
        return msgspec.json.decode(line, type=Erased)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
