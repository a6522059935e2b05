"""Closing a box that was lost or stolen: from now on nobody lets it in.

What it signed before is not thrown away. Segments that still come are kept, and their rows
wait for somebody to look at them: they may be a week of a school's work. What of it names rows
that are here stays beside them: whoever has the school now writes those.
"""

from typing import Final, LiteralString
from uuid import UUID

from appliance.errors import NotFound
from sync.hub.boxes.models import Revocation
from sync.hub.database import Link
from sync.hub.intake.receipts import lock_school
from sync.hub.outlet.passing import pass_on

# With another board at work the rows are that one's already; a new number would outrank what
# it has not sent yet (sync.hub.intake.fencing).
OWNS_ALONE: Final[LiteralString] = """
SELECT n.state = 'active'
       AND NOT EXISTS (SELECT FROM node AS other
                        WHERE other.school_id = n.school_id
                          AND other.id       <> n.id
                          AND other.state     = 'active')
  FROM node AS n
 WHERE n.school_id = $1
   AND n.id        = $2
"""

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
    await lock_school(link, school_id)  # first, as where a segment comes in
    owns_alone = await link.fetchval(OWNS_ALONE, school_id, node_id)
    if owns_alone is None:
        raise NotFound(f"box {node_id}")
    reason = revocation.reason.strip()
    await link.execute(REVOKE, school_id, node_id, now_ms, by_person_id, reason)
    if owns_alone:
        await pass_on(link, school_id, now_ms=now_ms)
