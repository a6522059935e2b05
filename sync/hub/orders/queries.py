"""Reading what the district wrote, what became of it, and what schools propose."""

from typing import Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from sync.hub.database import Link, rows
from sync.hub.orders.models import (
    AnnouncementListed,
    Choice,
    Choices,
    CommandListed,
    CourseListed,
    ProposalListed,
    SettingListed,
)

LISTED_MAX: Final = 200
CHOICES_MAX: Final = 1_000  # pupils of one class, tasks of one school: a select is no search

ANNOUNCEMENTS: Final[LiteralString] = """
SELECT a.id, a.school_id AS scope_id, coalesce(o.name, s.name, '?') AS scope_name, a.title,
       a.body, a.from_at_ms, a.until_at_ms, a.deleted_at_ms IS NOT NULL AS is_withdrawn
  FROM announcement AS a
  LEFT JOIN org_unit AS o
    ON o.school_id = a.school_id
   AND o.id        = a.school_id
  LEFT JOIN school AS s
    ON s.school_id = a.school_id
 ORDER BY a.from_at_ms DESC, a.id
 LIMIT $1
"""

SETTINGS: Final[LiteralString] = """
SELECT t.id, t.school_id AS scope_id, coalesce(o.name, s.name, '?') AS scope_name, t.key,
       t.value, t.updated_at_ms
  FROM setting AS t
  LEFT JOIN org_unit AS o
    ON o.school_id = t.school_id
   AND o.id        = t.school_id
  LEFT JOIN school AS s
    ON s.school_id = t.school_id
 WHERE t.deleted_at_ms IS NULL
 ORDER BY t.key, scope_name, t.id
 LIMIT $1
"""

# An order has one answer; after a restore or on a copied card there may be two, and one
# that was carried out was carried out.
COMMANDS: Final[LiteralString] = """
WITH asked AS (
    SELECT c.*, c.payload::jsonb AS said
      FROM command AS c
     WHERE c.school_id = $1
     ORDER BY c.issued_at_ms DESC, c.id
     LIMIT $2
)
SELECT c.id, c.kind,
       coalesce(p.display_name, c.said ->> 'display_name', a.title, k.title) AS about,
       coalesce(g.name, 'version ' || v.number) AS detail,
       (c.said ->> 'due_at_ms')::bigint AS due_at_ms, w.display_name AS by_name,
       c.issued_at_ms, c.expires_at_ms,
       coalesce(r.state, CASE WHEN c.deleted_at_ms IS NULL THEN 'pending' ELSE 'withdrawn' END)
           AS state,
       r.reason, r.at_ms
  FROM asked AS c
  LEFT JOIN person AS p
    ON p.school_id = c.school_id
   AND p.id        = c.person_id
  LEFT JOIN person AS w
    ON w.id = c.by_person_id
   AND w.school_id = $3
  LEFT JOIN class_group AS g
    ON g.school_id = c.school_id
   AND g.id        = coalesce(c.said ->> 'class_group_id', c.said ->> 'to_class_id')::uuid
  LEFT JOIN assessment AS a
    ON a.school_id = c.school_id
   AND a.id        = (c.said ->> 'assessment_id')::uuid
  LEFT JOIN course_version AS v
    ON v.school_id = c.school_id
   AND v.id        = (c.said ->> 'course_version_id')::uuid
  LEFT JOIN course AS k
    ON k.school_id = v.school_id
   AND k.id        = v.course_id
  LEFT JOIN LATERAL (SELECT r.state, r.reason, r.at_ms
                       FROM command_result AS r
                      WHERE r.school_id  = c.school_id
                        AND r.command_id = c.id
                      ORDER BY r.state <> 'applied', r.at_ms, r.id
                      LIMIT 1) AS r
    ON true
 ORDER BY c.issued_at_ms DESC, c.id
"""

PROPOSALS: Final[LiteralString] = """
SELECT p.id, p.school_id, coalesce(o.name, s.name) AS school_name, p.kind, p.about_id,
       coalesce(a.display_name, g.name, c.title) AS about_name, p.payload,
       w.display_name AS by_name, p.at_ms, coalesce(d.state, 'open') AS state, d.reason,
       d.at_ms AS decided_at_ms
  FROM proposal AS p
  JOIN school AS s
    ON s.school_id = p.school_id
  LEFT JOIN org_unit AS o
    ON o.school_id = p.school_id
   AND o.id        = p.school_id
  LEFT JOIN person AS a
    ON a.school_id = p.school_id
   AND a.id        = p.person_id
  LEFT JOIN class_group AS g
    ON g.school_id = p.school_id
   AND g.id        = p.about_id
  LEFT JOIN course AS c
    ON c.school_id IN (p.school_id, s.district_id)
   AND c.id        = p.about_id
  LEFT JOIN person AS w
    ON w.school_id = p.school_id
   AND w.id        = p.by_person_id
  LEFT JOIN proposal_decision AS d
    ON d.school_id   = p.school_id
   AND d.proposal_id = p.id
   AND d.deleted_at_ms IS NULL
 ORDER BY d.state IS NOT NULL, p.at_ms DESC, p.id
 LIMIT $1
"""

COURSES: Final[LiteralString] = """
SELECT c.id, c.title, c.language, v.id AS course_version_id, v.number,
       (SELECT count(*)
          FROM module AS m
          JOIN lesson AS l
            ON l.school_id = m.school_id
           AND l.module_id = m.id
         WHERE m.school_id         = v.school_id
           AND m.course_version_id = v.id) AS lessons,
       (SELECT count(*)
          FROM module AS m
          JOIN lesson AS l
            ON l.school_id = m.school_id
           AND l.module_id = m.id
          JOIN section AS t
            ON t.school_id = l.school_id
           AND t.lesson_id = l.id
         WHERE m.school_id         = v.school_id
           AND m.course_version_id = v.id) AS sections,
       v.updated_at_ms
  FROM course AS c
  JOIN course_version AS v
    ON v.school_id = c.school_id
   AND v.course_id = c.id
   AND v.state     = 'published'
   AND v.deleted_at_ms IS NULL
 WHERE c.school_id = $1
   AND c.deleted_at_ms IS NULL
 ORDER BY c.title, c.id
 LIMIT $2
"""

CLASSES: Final[LiteralString] = """
SELECT g.id, g.name, NULL AS note
  FROM class_group AS g
 WHERE g.school_id = $1
   AND g.deleted_at_ms IS NULL
 ORDER BY g.name, g.id
 LIMIT $2
"""

PUPILS: Final[LiteralString] = """
SELECT DISTINCT p.display_name AS name, p.id, NULL AS note
  FROM class_member AS m
  JOIN person AS p
    ON p.school_id = m.school_id
   AND p.id        = m.person_id
   AND p.state     = 'active'
   AND p.deleted_at_ms IS NULL
 WHERE m.school_id      = $1
   AND m.class_group_id = $2
   AND m.deleted_at_ms IS NULL
 ORDER BY p.display_name, p.id
 LIMIT $3
"""

# The box changes its own; what the district owns the district changes here.
TASKS: Final[LiteralString] = """
SELECT a.id, a.title AS name, g.name AS note
  FROM assessment AS a
  JOIN course_run AS r
    ON r.school_id = a.school_id
   AND r.id        = a.course_run_id
  JOIN class_group AS g
    ON g.school_id = r.school_id
   AND g.id        = r.class_group_id
 WHERE a.school_id = $1
   AND a.owner_node_id IS NULL
   AND a.deleted_at_ms IS NULL
 ORDER BY a.title, a.id
 LIMIT $2
"""

VERSIONS: Final[LiteralString] = """
SELECT v.id, c.title AS name, 'version ' || v.number AS note
  FROM course_version AS v
  JOIN course AS c
    ON c.school_id = v.school_id
   AND c.id        = v.course_id
 WHERE v.school_id = $1
   AND v.state    <> 'published'
   AND v.owner_node_id IS NULL
   AND v.deleted_at_ms IS NULL
 ORDER BY c.title, v.number DESC, v.id
 LIMIT $2
"""


class FoundProposal(Struct, frozen=True, kw_only=True):
    """A row of PROPOSALS."""

    id: UUID
    school_id: UUID
    school_name: str
    kind: str
    about_id: UUID | None
    about_name: str | None
    payload: str
    by_name: str | None
    at_ms: int
    state: str
    reason: str | None
    decided_at_ms: int | None


async def announcements(link: Link) -> list[AnnouncementListed]:
    """Everything that was announced in the district, newest first."""
    return await rows(link, AnnouncementListed, ANNOUNCEMENTS, LISTED_MAX)


async def settings(link: Link) -> list[SettingListed]:
    """What is set in the district."""
    return await rows(link, SettingListed, SETTINGS, LISTED_MAX)


async def commands(link: Link, district_id: UUID, school_id: UUID) -> list[CommandListed]:
    """What a school was asked, newest first, and what became of it."""
    return await rows(link, CommandListed, COMMANDS, school_id, LISTED_MAX, district_id)


async def proposals(link: Link) -> list[ProposalListed]:
    """What schools propose: open ones first, then newest first."""
    found = await rows(link, FoundProposal, PROPOSALS, LISTED_MAX)
    return [_read(one) for one in found]


async def courses(link: Link, district_id: UUID) -> list[CourseListed]:
    """The district's own courses, as they are on the shelf of every school."""
    return await rows(link, CourseListed, COURSES, district_id, LISTED_MAX)


async def choices(link: Link, school_id: UUID, class_group_id: UUID | None) -> Choices:
    """What an order to this school may be about; pupils of one class at a time."""
    return Choices(
        classes=await rows(link, Choice, CLASSES, school_id, CHOICES_MAX),
        pupils=await rows(link, Choice, PUPILS, school_id, class_group_id, CHOICES_MAX),
        tasks=await rows(link, Choice, TASKS, school_id, CHOICES_MAX),
        versions=await rows(link, Choice, VERSIONS, school_id, CHOICES_MAX),
    )


def _read(found: FoundProposal) -> ProposalListed:
    """A wish that is not written as ours is still shown, as it came."""
    named = msgspec.structs.asdict(found)
    payload = named.pop("payload")
    try:
        wish = msgspec.json.decode(payload, type=dict[str, str])["wish"]
    except (msgspec.DecodeError, KeyError):
        wish = payload
    return ProposalListed(**named, wish=wish)
