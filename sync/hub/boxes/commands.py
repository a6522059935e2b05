"""Closing a box that was lost or stolen: from now on nobody lets it in.

What it signed before is not thrown away. Segments that still come are kept, and their rows
wait for somebody to look at them: they may be a week of a school's work.
"""

from typing import Final, LiteralString
from uuid import UUID

from appliance.errors import NotFound
from sync.hub.boxes.models import Revocation
from sync.hub.database import Link

REVOKE: Final[LiteralString] = """
UPDATE node
   SET state          = 'revoked',
       revoked_at_ms  = coalesce(revoked_at_ms, $3),
       revoked_by     = coalesce(revoked_by, $4),
       revoked_reason = coalesce(revoked_reason, $5)
 WHERE school_id = $1
   AND id        = $2
"""


async def revoke(
    link: Link,
    school_id: UUID,
    node_id: UUID,
    by_person_id: UUID,
    revocation: Revocation,
    *,
    now_ms: int,
) -> None:
    """Close a box; once closed, the first reason stays. Raises NotFound."""
    reason = revocation.reason.strip()
    done = await link.execute(REVOKE, school_id, node_id, now_ms, by_person_id, reason)
    if done != "UPDATE 1":
        raise NotFound(f"box {node_id}")
