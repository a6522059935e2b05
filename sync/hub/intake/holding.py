"""Segments that came before their turn wait here, signed and whole, until the gap closes.

Only sticks bring them: over the net the box is told where the district stands. Nothing that
waits is acknowledged, so a box that loses patience, or a school whose place here is full,
loses nothing: the next stick begins again at the first that is missing.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from sync.core.segment import Segment
from sync.hub.database import Link, row
from sync.protocol import SegmentAnswer, StreamPosition

HELD_BYTES_MAX: Final = 64 << 20  # a school's; a year of a large one is about 20 MB
HELD_MAX: Final = 2_000

HELD: Final[LiteralString] = """
SELECT count(*) AS segments, coalesce(sum(octet_length(h.raw)), 0)::bigint AS size_bytes
  FROM sync_held AS h
 WHERE h.school_id = $1
   AND h.raw IS NOT NULL
"""

HOLD: Final[LiteralString] = """
INSERT INTO sync_held (school_id, node_id, epoch, lane, n, hash, prev_hash, raw,
                       held_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (school_id, node_id, epoch, lane, n, hash) DO UPDATE
   SET raw         = excluded.raw,
       taken_at_ms = NULL
"""

NEXT_HELD: Final[LiteralString] = """
SELECT h.raw
  FROM sync_held AS h
 WHERE h.school_id = $1
   AND h.node_id   = $2
   AND h.epoch     = $3
   AND h.lane      = $4
   AND h.n         = $5 + 1
   AND h.prev_hash = $6
   AND h.raw IS NOT NULL
 LIMIT 1
"""

# Also those of another history: their turn has passed, and their board will hear of it.
LET_GO: Final[LiteralString] = """
UPDATE sync_held AS h
   SET raw         = NULL,
       taken_at_ms = $2
  FROM sync_stream AS s
 WHERE h.school_id = $1
   AND h.raw IS NOT NULL
   AND s.school_id   = h.school_id
   AND s.node_id     = h.node_id
   AND s.epoch       = h.epoch
   AND s.lane        = h.lane
   AND s.received_n >= h.n
"""


class Stream(Struct, frozen=True):
    """One lane of one life of a box's log."""

    school_id: UUID
    node_id: UUID
    epoch: UUID
    lane: int


class Held(Struct, frozen=True):
    """How much of one school waits."""

    segments: int
    size_bytes: int


def stream_of(segment: Segment) -> Stream:
    """Read it from the header."""
    header = segment.header
    return Stream(header.school_id, header.node_id, header.epoch, header.lane)


async def hold(link: Link, segment: Segment, payload: bytes, *, now_ms: int) -> bool:
    """Keep a verified segment for later; return whether there is room for it.

    The school is locked: two sticks at once do not fill it twice.
    """
    header, stream = segment.header, _key(stream_of(segment))
    await let_go(link, header.school_id, now_ms=now_ms)
    held = await row(link, Held, HELD, header.school_id)
    assert held is not None
    if held.segments >= HELD_MAX or held.size_bytes + len(payload) > HELD_BYTES_MAX:
        return False
    segment_key = (header.n, segment.hash, header.prev_hash)
    await link.execute(HOLD, *stream, *segment_key, payload, now_ms)
    return True


async def next_held(link: Link, stream: Stream, at: StreamPosition | SegmentAnswer) -> bytes | None:
    """Return the segment that continues what is here, if it has been waiting."""
    found: bytes | None = await link.fetchval(
        NEXT_HELD, *_key(stream), at.received_n, at.received_hash
    )
    return found


async def let_go(link: Link, school_id: UUID, *, now_ms: int) -> None:
    """Forget what is here by now, or will never fit."""
    await link.execute(LET_GO, school_id, now_ms)


def _key(stream: Stream) -> tuple[UUID, UUID, UUID, int]:
    return stream.school_id, stream.node_id, stream.epoch, stream.lane
