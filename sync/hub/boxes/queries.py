"""The boards of one school."""

from typing import Final, LiteralString
from uuid import UUID

from sync.hub.boxes.models import Box
from sync.hub.database import Link, rows

BOXES: Final[LiteralString] = """
SELECT n.id AS node_id, n.state, n.hardware, n.app_version, n.enrolled_at_ms, n.contact_at_ms,
       n.waiting,
       (SELECT count(*)
          FROM former_key AS f
         WHERE f.school_id     = n.school_id
           AND f.node_id       = n.id
           AND f.good_until_ms > $3) AS former_keys,
       (SELECT count(*)
          FROM sync_quarantine AS q
         WHERE q.school_id = n.school_id
           AND q.node_id   = n.id
           AND q.reason IN ('node-revoked', 'node-key-retired')
           AND q.resolved_at_ms IS NULL) AS rows_aside,
       n.revoked_at_ms, p.display_name AS revoked_by, n.revoked_reason
  FROM node AS n
  LEFT JOIN person AS p
    ON p.school_id = $2
   AND p.id        = n.revoked_by
 WHERE n.school_id = $1
 ORDER BY n.state, n.enrolled_at_ms, n.id
"""


async def boxes(link: Link, district_id: UUID, school_id: UUID, *, now_ms: int) -> list[Box]:
    """Those at work first."""
    return await rows(link, Box, BOXES, school_id, district_id, now_ms)
