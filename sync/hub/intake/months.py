"""Raw segments go by the month: made ahead, dropped whole when they are old.

Nothing is dropped that somebody may still have to look at: while a row waits in
quarantine, the segment that brought it stays.
"""

import logging
from typing import Final, LiteralString
from uuid import UUID

from sync.hub.database import scoped
from sync.hub.identity import identity
from sync.hub.running import Hub

logger = logging.getLogger(__name__)

KEEP_MS: Final = 90 * 86_400_000  # a school term: long enough to ask "what came on that day?"

OLDEST_ASIDE: Final[LiteralString] = """
SELECT min(q.first_at_ms)
  FROM sync_quarantine AS q
 WHERE q.resolved_at_ms IS NULL
"""

TURN: Final[LiteralString] = "SELECT turn_raw_months($1, $2)"


async def turn_months(hub: Hub) -> int:
    """Make the months to come and drop the old ones; return how many were dropped.

    What comes while PostgreSQL is away stands in no month, and is put into one tomorrow.
    """
    now_ms = hub.clock()
    async with scoped(hub.pools.web) as link:
        district_id = (await identity(link)).district_id
    oldest_ms = await _oldest_aside(hub, district_id)
    keep_from_ms = min(now_ms - KEEP_MS, now_ms if oldest_ms is None else oldest_ms)
    async with hub.pools.ingest.acquire() as link:
        dropped: int = await link.fetchval(TURN, now_ms, keep_from_ms)
    if dropped:
        logger.info("raw segments dropped months=%d", dropped)
    return dropped


async def _oldest_aside(hub: Hub, district_id: UUID | None) -> int | None:
    """District's staff see every school; what takes in segments sees one."""
    async with scoped(hub.pools.web, district_id=district_id) as link:
        found: int | None = await link.fetchval(OLDEST_ASIDE)
    return found
