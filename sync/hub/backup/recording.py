"""Tell the running hub what a verified backup holds, so that its boxes hear of it.

A stream counts only where the running hub still holds the very segment the backup ends with:
one that was rolled back since then holds another history.
"""

from typing import Final, LiteralString
from uuid import UUID

from appliance.ids import uuid7
from sync.hub.backup.verifying import Found, Stand
from sync.hub.database import Link, set_scope

RECORD: Final[LiteralString] = """
INSERT INTO hub_backup (school_id, id, taken_at_ms, verified_at_ms, size_bytes, segments)
VALUES ($1, $2, $3, $4, $5, $6)
"""

NOTE_STREAM: Final[LiteralString] = """
INSERT INTO sync_backed_up AS b (school_id, node_id, epoch, lane, n)
SELECT i.school_id, i.node_id, i.epoch, i.lane, i.n
  FROM sync_inbox AS i
 WHERE i.school_id = $1
   AND i.node_id   = $2
   AND i.epoch     = $3
   AND i.lane      = $4
   AND i.n         = $5
   AND i.hash      = $6
    ON CONFLICT (school_id, node_id, epoch, lane) DO UPDATE
   SET n = excluded.n
 WHERE b.n < excluded.n
"""


async def record(
    link: Link,
    district_id: UUID,
    found: Found,
    *,
    size_bytes: int,
    taken_at_ms: int,
    now_ms: int,
) -> None:
    """Write it down in the caller's transaction, as darasa_ingest."""
    await set_scope(link, school_id=district_id)
    await link.execute(
        RECORD, district_id, uuid7(now_ms), taken_at_ms, now_ms, size_bytes, found.segments
    )
    for school_id, streams in found.streams.items():
        await set_scope(link, school_id=school_id)
        for at in streams:
            await _note(link, school_id, at)


async def _note(link: Link, school_id: UUID, at: Stand) -> None:
    await link.execute(NOTE_STREAM, school_id, at.node_id, at.epoch, at.lane, at.n, at.hash)
