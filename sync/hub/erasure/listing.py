"""Whom the district has forgotten, in a file beside the hub's key, outside the database.

One line for each, only ever added to. A database that was restored from a backup of before
brings the person back; the list does not go back with it.
"""

from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from appliance.durable import add_line


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
    add_line(path, msgspec.json.encode(erased))


def _read(line: bytes) -> Erased | None:
    try:
        return msgspec.json.decode(line, type=Erased)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
