"""Keys that boxes signed with before their present ones.

For a month either key opens the door: an answer may be lost, segments may be on their way.
Afterwards what an old key has signed is still kept, and its rows wait for a person.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from sync.hub.database import Link, rows

OVERLAP_MS: Final = 30 * 24 * 60 * 60 * 1_000

FORMER_KEYS: Final[LiteralString] = """
SELECT f.school_id, f.node_key, f.good_until_ms
  FROM former_key AS f
 WHERE f.node_id = $1
"""

KEEP_FORMER_KEY: Final[LiteralString] = """
INSERT INTO former_key (school_id, node_id, node_key, good_until_ms)
VALUES ($1, $2, $3, $4)
    ON CONFLICT (school_id, node_id, node_key) DO NOTHING
"""


class FormerKey(Struct, frozen=True):
    """A key that was replaced, and how long it still counts."""

    school_id: UUID
    node_key: bytes
    good_until_ms: int


async def former_keys(link: Link, node_id: UUID) -> list[FormerKey]:
    """Return those of every node with this id that this transaction may see."""
    return await rows(link, FormerKey, FORMER_KEYS, node_id)


async def keep_former_key(
    link: Link, school_id: UUID, node_id: UUID, key: bytes, *, now_ms: int
) -> int:
    """Remember a key that was just replaced; return until when it counts."""
    until_ms = now_ms + OVERLAP_MS
    await link.execute(KEEP_FORMER_KEY, school_id, node_id, key, until_ms)
    return until_ms
