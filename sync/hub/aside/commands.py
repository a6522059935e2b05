"""Deciding about rows that were put aside, and noting who has looked at two versions."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.errors import NotFound
from sync.hub.aside.models import Choice, Dismissal, Replayed
from sync.hub.aside.queries import CONFLICT_IMAGE, chosen_rows
from sync.hub.database import Link, scoped
from sync.hub.intake.replaying import replay_rows
from sync.hub.running import Hub

AT_ONCE_MAX: Final = 1_000  # the school's own segments wait meanwhile: about a second

NOTE_REPLAYED: Final[LiteralString] = """
UPDATE sync_quarantine AS q
   SET replayed_by = $3
 WHERE q.school_id = $1
   AND q.id        = ANY($2::uuid[])
   AND q.resolved_at_ms IS NOT NULL
"""

COUNT_LEFT: Final[LiteralString] = """
SELECT count(*)
  FROM sync_quarantine AS q
 WHERE q.school_id = $1
   AND ($2::uuid IS NULL OR q.id     = $2)
   AND ($3::text IS NULL OR q.tbl    = $3)
   AND ($4::text IS NULL OR q.reason = $4)
   AND q.resolved_at_ms IS NULL
"""

DISMISS: Final[LiteralString] = """
UPDATE sync_quarantine AS q
   SET dismissed_at_ms  = $5,
       dismissed_by     = $6,
       dismissed_reason = $7
 WHERE q.school_id = $1
   AND ($2::uuid IS NULL OR q.id     = $2)
   AND ($3::text IS NULL OR q.tbl    = $3)
   AND ($4::text IS NULL OR q.reason = $4)
   AND q.resolved_at_ms  IS NULL
   AND q.dismissed_at_ms IS NULL
"""

NOTE_LOOK: Final[LiteralString] = """
INSERT INTO conflict_look (school_id, conflict_id, by_person_id, at_ms)
VALUES ($1, $2, $3, $4)
    ON CONFLICT (school_id, conflict_id) DO NOTHING
"""


async def replay(hub: Hub, school_id: UUID, person_id: UUID, choice: Choice) -> Replayed:
    """Try rows again, as on the day they came. The caller has asked whose school it is."""
    async with scoped(hub.pools.ingest, school_id=school_id) as link:
        ids = await chosen_rows(link, school_id, choice, AT_ONCE_MAX)
        if not ids:
            raise NotFound("nothing of this is aside")
        merged, still_aside = await replay_rows(link, school_id, ids, now_ms=hub.clock())
        await link.execute(NOTE_REPLAYED, school_id, ids, person_id)
        left = await link.fetchval(COUNT_LEFT, school_id, choice.row_id, choice.tbl, choice.reason)
    return Replayed(merged=merged, still_aside=still_aside, left=left)


async def dismiss(
    link: Link, school_id: UUID, person_id: UUID, dismissal: Dismissal, *, now_ms: int
) -> int:
    """Decide that rows stay out; they are kept, and their box is told. Return how many."""
    chosen = (dismissal.row_id, dismissal.tbl, dismissal.reason)
    done = await link.execute(DISMISS, school_id, *chosen, now_ms, person_id, dismissal.why)
    count = int(done.rsplit(" ", 1)[1])
    if not count:
        raise NotFound("nothing of this is aside, or it was dismissed before")
    return count


async def note_look(
    link: Link, school_id: UUID, person_id: UUID, conflict_id: UUID, *, now_ms: int
) -> None:
    """Note that somebody has seen both versions. Raises NotFound."""
    if await link.fetchval(CONFLICT_IMAGE, school_id, conflict_id) is None:
        raise NotFound(f"conflict {conflict_id}")
    await link.execute(NOTE_LOOK, school_id, conflict_id, person_id, now_ms)
