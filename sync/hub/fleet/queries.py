"""Which schools there are, and how they are."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct, structs

from sync.hub.database import Link, rows
from sync.hub.fleet.models import School, State, TokenListed

DAY_MS: Final = 24 * 60 * 60 * 1_000
SILENT_AFTER_MS: Final = 3 * DAY_MS  # a long weekend without power is nothing to ring about
TWO_EPOCHS_WITHIN_MS: Final = 7 * DAY_MS
TOKENS_MAX: Final = 50

# An epoch that is still used after a newer one of the same box began: two boards share
# one box's identity (a cloned card), until one of them enrols as a node of its own. Or the
# box that was replaced was not lost after all.
SCHOOLS: Final[LiteralString] = """
SELECT s.school_id, coalesce(o.name, s.name) AS name, n.contact_at_ms,
       coalesce(n.waiting, 0) AS waiting, n.oldest_since_ms, n.app_version,
       (SELECT count(*)
          FROM sync_quarantine AS q
         WHERE q.school_id = s.school_id
           AND q.resolved_at_ms IS NULL
           AND q.dismissed_at_ms IS NULL) AS quarantined,
       (SELECT count(DISTINCT (c.tbl, c.pk))
          FROM sync_conflict AS c
         WHERE c.school_id = s.school_id
           AND NOT EXISTS (SELECT 1
                             FROM conflict_look AS k
                            WHERE k.school_id   = c.school_id
                              AND k.conflict_id = c.id)) AS conflicts,
       EXISTS (SELECT 1
                 FROM node_epoch AS older
                 JOIN node_epoch AS newer
                   ON newer.school_id   = older.school_id
                  AND newer.node_id     = older.node_id
                  AND newer.first_at_ms > older.first_at_ms
                WHERE older.school_id  = s.school_id
                  AND older.last_at_ms > newer.first_at_ms
                  AND older.last_at_ms > $2
                  AND least(older.last_at_ms, newer.last_at_ms)
                      > (SELECT max(m.enrolled_at_ms)
                           FROM node AS m
                          WHERE m.school_id = s.school_id))
       OR EXISTS (SELECT 1
                    FROM node AS old
                   WHERE old.school_id     = s.school_id
                     AND old.state         = 'replaced'
                     AND old.contact_at_ms > greatest(n.enrolled_at_ms, $2)
                 ) AS has_two_live_epochs,
       n.clock_offset_ms, h.received_at_ms AS sampled_at_ms, h.disk_free_bytes,
       h.temperature_mc, h.database_bytes, h.clients_max, h.wal_bytes, h.memory_bytes,
       h.under_voltage, h.backup_away_at_ms, h.copy_checked_at_ms
  FROM school AS s
  LEFT JOIN org_unit AS o
    ON o.school_id = s.school_id
   AND o.id        = s.school_id
  LEFT JOIN LATERAL (SELECT n.enrolled_at_ms, n.contact_at_ms, n.waiting, n.oldest_since_ms,
                            n.app_version, n.clock_offset_ms
                       FROM node AS n
                      WHERE n.school_id = s.school_id
                        AND n.state     = 'active'
                      ORDER BY n.contact_at_ms DESC NULLS LAST, n.id
                      LIMIT 1) AS n
    ON true
  LEFT JOIN LATERAL (SELECT h.received_at_ms, h.disk_free_bytes, h.temperature_mc,
                            h.database_bytes, h.clients_max, h.wal_bytes, h.memory_bytes,
                            h.under_voltage, h.backup_away_at_ms, h.copy_checked_at_ms
                       FROM health_sample AS h
                      WHERE h.school_id = s.school_id
                      ORDER BY h.change_no DESC
                      LIMIT 1) AS h
    ON true
 WHERE s.district_id = $1
   AND ($3::uuid IS NULL OR s.school_id = $3)
 ORDER BY name, s.school_id
"""

TOKENS: Final[LiteralString] = """
SELECT t.id, t.mode, coalesce(o.name, s.name, t.school_name) AS school_name, t.created_at_ms,
       t.expires_at_ms, t.used_at_ms
  FROM enrolment_token AS t
  LEFT JOIN school AS s
    ON s.school_id = t.for_school_id
  LEFT JOIN org_unit AS o
    ON o.school_id = t.for_school_id
   AND o.id        = t.for_school_id
 WHERE t.school_id = $1
 ORDER BY t.created_at_ms DESC, t.id
 LIMIT $2
"""


class Found(Struct, frozen=True, kw_only=True):
    """A row of SCHOOLS."""

    school_id: UUID
    name: str
    contact_at_ms: int | None
    waiting: int
    oldest_since_ms: int | None
    app_version: str | None
    quarantined: int
    conflicts: int
    has_two_live_epochs: bool
    clock_offset_ms: int | None
    sampled_at_ms: int | None
    disk_free_bytes: int | None
    temperature_mc: int | None
    database_bytes: int | None
    clients_max: int | None
    wal_bytes: int | None
    memory_bytes: int | None
    under_voltage: int | None
    backup_away_at_ms: int | None
    copy_checked_at_ms: int | None


async def schools(
    link: Link, district_id: UUID, *, now_ms: int, school_id: UUID | None = None
) -> list[School]:
    """Every school of the district by name, or the one that is asked for."""
    since_ms = now_ms - TWO_EPOCHS_WITHIN_MS
    found = await rows(link, Found, SCHOOLS, district_id, since_ms, school_id)
    return [School(**structs.asdict(one), state=state_of(one, now_ms=now_ms)) for one in found]


async def enrolment_tokens(link: Link, district_id: UUID) -> list[TokenListed]:
    """Return the newest tokens; what they were is not kept, only what they are for."""
    return await rows(link, TokenListed, TOKENS, district_id, TOKENS_MAX)


def state_of(school: Found, *, now_ms: int) -> State:
    """One word for the list; the worst that is true."""
    if school.contact_at_ms is None:
        return "new"
    if school.quarantined or school.has_two_live_epochs:
        return "trouble"
    if school.contact_at_ms < now_ms - SILENT_AFTER_MS:
        return "silent"
    return "waiting" if school.waiting else "well"
