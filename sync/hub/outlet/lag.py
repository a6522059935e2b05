"""How far the boxes are behind what the district writes, for whoever watches the hub.

A box says in hello how far it has read. What it has fetched since counts as unread until its
next hello, which a box without a bound on its link says every five minutes.
"""

from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from sync.hub.database import Link, row
from sync.protocol import ScopeCursor, ScopeState

NOTE_CURSOR: Final[LiteralString] = """
INSERT INTO feed_cursor AS c (school_id, node_id, scope_id, xid, no)
VALUES ($1, $2, $3, $4::text::xid8, $5)
    ON CONFLICT (school_id, node_id, scope_id) DO UPDATE
   SET xid = excluded.xid,
       no  = excluded.no
 WHERE (c.xid, c.no) <> (excluded.xid, excluded.no)
"""

# Of each box and scope only the first line it has not read: a district that has just published
# a course for 500 schools is asked for 500 lines. A replaced or closed box reads no more.
LAG: Final[LiteralString] = """
  WITH behind AS MATERIALIZED (
SELECT c.school_id, c.node_id, c.scope_id, c.xid, c.no, f.at_ms
  FROM feed_cursor AS c
  JOIN node AS n
    ON n.school_id = c.school_id
   AND n.id        = c.node_id
   AND n.state     = 'active'
 CROSS JOIN LATERAL (SELECT f.at_ms
                       FROM sync_feed AS f
                      WHERE f.school_id     = c.scope_id
                        AND (f.xid, f.no)   > (c.xid, c.no)
                      ORDER BY f.xid, f.no
                      LIMIT 1) AS f)
SELECT (SELECT count(DISTINCT b.node_id) FROM behind AS b)              AS boxes,
       coalesce((SELECT greatest(extract(epoch FROM clock_timestamp()) * 1000 - min(b.at_ms), 0)
                   FROM behind AS b)::bigint / 1000, 0)                 AS oldest_s,
       coalesce((SELECT (SELECT count(*)
                           FROM sync_feed AS f
                          WHERE f.school_id   = b.scope_id
                            AND (f.xid, f.no) > (b.xid, b.no))
                   FROM behind AS b
                  ORDER BY b.at_ms
                  LIMIT 1), 0)                                          AS lines
"""


class Lag(Struct, frozen=True):
    """Boxes that have something to fetch; since when the oldest waits; how much waits there."""

    boxes: int
    oldest_s: int
    lines: int


async def note_cursors(
    link: Link,
    school_id: UUID,
    node_id: UUID,
    told: Sequence[ScopeCursor],
    states: Sequence[ScopeState],
) -> None:
    """Note how far a box has read; one that must read anew has read nothing."""
    cursors = {cursor.scope_id: cursor for cursor in told}
    for scope in states:
        beginning = ScopeCursor(scope_id=scope.scope_id)
        at = beginning if scope.state == "replace" else cursors.get(scope.scope_id, beginning)
        await link.execute(NOTE_CURSOR, school_id, node_id, scope.scope_id, str(at.xid), at.no)


async def feed_lag(link: Link) -> Lag:
    """Ask for the whole district. `link` may read it."""
    found = await row(link, Lag, LAG)
    assert found is not None
    return found
