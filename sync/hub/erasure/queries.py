"""Whom the district may choose, and how far forgetting has got."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.errors import NotFound
from sync.hub.database import Link, row, rows
from sync.hub.erasure.models import BoxAnswer, Certificate, ErasureListed, PersonFound
from sync.hub.fleet.models import School

PEOPLE_MAX: Final = 50
ERASURES_MAX: Final = 500

PEOPLE: Final[LiteralString] = """
SELECT p.id, p.display_name AS name,
       coalesce((SELECT string_agg(g.name, ', ' ORDER BY g.name)
                   FROM class_member AS m
                   JOIN class_group AS g
                     ON g.school_id = m.school_id
                    AND g.id        = m.class_group_id
                  WHERE m.school_id = p.school_id
                    AND m.person_id = p.id
                    AND m.deleted_at_ms IS NULL), '') AS classes,
       EXISTS (SELECT 1
                 FROM role_assignment AS r
                WHERE r.school_id = p.school_id
                  AND r.person_id = p.id
                  AND r.role     <> 'learner') AS is_staff
  FROM person AS p
 WHERE p.school_id = $1
   AND p.state    <> 'erased'
   AND ($2::uuid IS NULL OR p.id = $2)
   AND position(lower($3) IN lower(p.display_name)) > 0
 ORDER BY p.display_name, p.id
 LIMIT $4
"""

ERASURES: Final[LiteralString] = """
SELECT e.id, e.at_ms, q.reason,
       (SELECT count(*)
          FROM node AS n
         WHERE n.school_id = e.school_id
           AND n.state     = 'active') AS boxes,
       (SELECT count(DISTINCT a.node_id)
          FROM erasure_answer AS a
          JOIN node AS n
            ON n.school_id = a.school_id
           AND n.id        = a.node_id
           AND n.state     = 'active'
         WHERE a.school_id  = e.school_id
           AND a.erasure_id = e.id) AS answered
  FROM erasure AS e
  LEFT JOIN erasure_request AS q
    ON q.school_id = e.school_id
   AND q.id        = e.id
 WHERE e.school_id = $1
   AND ($2::uuid IS NULL OR e.id = $2)
 ORDER BY e.at_ms DESC, e.id
 LIMIT $3
"""

ASKED_BY: Final[LiteralString] = """
SELECT p.display_name
  FROM erasure_request AS q
  JOIN person AS p
    ON p.school_id = $3
   AND p.id        = q.by_person_id
 WHERE q.school_id = $1
   AND q.id        = $2
"""

BOXES: Final[LiteralString] = """
SELECT n.id AS node_id, n.state, n.hardware, n.contact_at_ms,
       (SELECT min(a.at_ms)
          FROM erasure_answer AS a
         WHERE a.school_id  = n.school_id
           AND a.erasure_id = $2
           AND a.node_id    = n.id) AS answered_at_ms,
       (SELECT max(a.rows_erased)
          FROM erasure_answer AS a
         WHERE a.school_id  = n.school_id
           AND a.erasure_id = $2
           AND a.node_id    = n.id) AS rows_erased
  FROM node AS n
 WHERE n.school_id = $1
 ORDER BY n.state, n.enrolled_at_ms, n.id
"""


async def people(link: Link, school_id: UUID, search: str) -> list[PersonFound]:
    """People of a school whose name holds `search`, at most PEOPLE_MAX."""
    return await rows(link, PersonFound, PEOPLE, school_id, None, search.strip(), PEOPLE_MAX)


async def one_person(link: Link, school_id: UUID, person_id: UUID) -> PersonFound:
    """Raise NotFound for somebody who is not of this school, or is forgotten already."""
    found = await row(link, PersonFound, PEOPLE, school_id, person_id, "", 1)
    if found is None:
        raise NotFound(f"person {person_id}")
    return found


async def erasures(link: Link, school_id: UUID) -> list[ErasureListed]:
    """The newest first."""
    return await rows(link, ErasureListed, ERASURES, school_id, None, ERASURES_MAX)


async def certificate(
    link: Link, district_id: UUID, school: School, person_id: UUID
) -> Certificate:
    """Say who has answered. Raises NotFound for somebody this school has not been asked about."""
    listed = await row(link, ErasureListed, ERASURES, school.school_id, person_id, 1)
    if listed is None:
        raise NotFound(f"erasure {person_id}")
    boxes = await rows(link, BoxAnswer, BOXES, school.school_id, person_id)
    answers = [box.answered_at_ms for box in boxes if box.state == "active" and box.answered_at_ms]
    return Certificate(
        school_id=school.school_id,
        school_name=school.name,
        id=person_id,
        asked_at_ms=listed.at_ms,
        asked_by=await link.fetchval(ASKED_BY, school.school_id, person_id, district_id),
        reason=listed.reason,
        is_done=listed.is_done,
        done_at_ms=max(answers, default=None) if listed.is_done else None,
        boxes=boxes,
    )
