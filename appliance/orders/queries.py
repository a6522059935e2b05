"""Reading what came down from the district, and what was said about it."""

from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from appliance.access.models import Actor
from appliance.classes.queries import class_looked_after, require_pupil_of
from appliance.clock import TOLD
from appliance.database.reader import Reader
from appliance.errors import NotFound
from appliance.orders.faults import NotTheDistricts
from appliance.orders.models import (
    About,
    Announcement,
    FromDistrict,
    Order,
    OrderListed,
    PinNeeded,
    ProposalKind,
    ProposalListed,
    ProposalRead,
    Setting,
)

ANNOUNCEMENTS_MAX: Final = 5  # above a pupil's tasks; more would push them off the screen
ORDERS_AT_ONCE: Final = 100
LISTED_MAX: Final = 200

# A command waits until it is answered or withdrawn. While the box fetches what it had
# before it was restored, nobody knows which ones were answered: then none is waiting. One
# with a time limit waits for a clock that is sure, and keeps nobody behind it waiting.
PENDING: Final[LiteralString] = """
SELECT c.id, c.kind, c.person_id, c.payload, c.by_person_id, i.school_id,
       coalesce(o.locale, 'en') AS locale, c.expires_at_ms
  FROM sync_identity AS i
  JOIN command AS c
    ON c.org_id = i.school_id
   AND c.owner_node_id IS NOT NULL
   AND c.deleted_at_ms IS NULL
  LEFT JOIN org_unit AS o
    ON o.id = i.school_id
 WHERE i.recovery_due = 0
   AND (?1 IS NULL OR c.id = ?1)
   AND (?2 OR c.expires_at_ms IS NULL)
   AND NOT EXISTS (SELECT 1
                     FROM command_result AS r
                    WHERE r.command_id = c.id)
   AND NOT EXISTS (SELECT 1
                     FROM erasure AS e
                    WHERE e.id = c.person_id)
 ORDER BY c.issued_at_ms, c.id
 LIMIT ?3
"""

# Nobody is kept from reading by a clock that may be wrong.
ANNOUNCEMENTS: Final[LiteralString] = """
SELECT a.id, a.title, a.body, a.from_at_ms, a.until_at_ms
  FROM announcement AS a
 WHERE a.deleted_at_ms IS NULL
   AND (NOT ?2
        OR a.from_at_ms <= ?1
       AND (a.until_at_ms IS NULL OR a.until_at_ms > ?1))
 ORDER BY a.from_at_ms DESC, a.id
 LIMIT ?3
"""

# What is set for the school stands before what is set for the whole district.
SETTINGS: Final[LiteralString] = """
SELECT s.key, s.value, s.updated_at_ms
  FROM setting AS s
 WHERE s.deleted_at_ms IS NULL
   AND NOT EXISTS (SELECT 1
                     FROM setting AS nearer
                     JOIN sync_identity AS i
                       ON i.school_id = nearer.org_id
                    WHERE nearer.key = s.key
                      AND nearer.id <> s.id
                      AND nearer.deleted_at_ms IS NULL)
 ORDER BY s.key
 LIMIT ?1
"""

# What an order is about stands in its payload, which may be anything at all.
ORDERS: Final[LiteralString] = """
WITH asked AS (
    SELECT c.id, c.kind, c.person_id, c.issued_at_ms, c.expires_at_ms,
           CASE WHEN json_valid(c.payload) THEN c.payload ELSE '{}' END AS said
      FROM command AS c
     WHERE c.deleted_at_ms IS NULL
     ORDER BY c.issued_at_ms DESC, c.id
     LIMIT ?1
)
SELECT asked.id, asked.kind, coalesce(p.display_name, a.title, k.title) AS about,
       asked.issued_at_ms, asked.expires_at_ms, coalesce(r.state, 'pending') AS state, r.reason,
       r.at_ms
  FROM asked
  LEFT JOIN command_result AS r
    ON r.command_id = asked.id
  LEFT JOIN person AS p
    ON p.id = asked.person_id
  LEFT JOIN assessment AS a
    ON a.id = unhex(replace(asked.said ->> '$.assessment_id', '-', ''))
  LEFT JOIN course_version AS v
    ON v.id = unhex(replace(asked.said ->> '$.course_version_id', '-', ''))
  LEFT JOIN course AS k
    ON k.id = v.course_id
 ORDER BY asked.issued_at_ms DESC, asked.id
"""

PINS_NEEDED: Final[LiteralString] = """
SELECT DISTINCT p.id, p.display_name
  FROM command AS c
  JOIN command_result AS r
    ON r.command_id = c.id
   AND r.state = 'applied'
  JOIN person AS p
    ON p.id = c.person_id
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
  JOIN class_member AS m
    ON m.person_id = p.id
   AND m.deleted_at_ms IS NULL
  JOIN class_teacher AS t
    ON t.class_group_id = m.class_group_id
   AND t.person_id = ?1
 WHERE c.kind IN ('create_person', 'reset_pin')
   AND NOT EXISTS (SELECT 1
                     FROM credential AS k
                    WHERE k.person_id = p.id
                      AND k.kind = 'pin')
 ORDER BY p.display_name
 LIMIT ?2
"""

# The newest decision counts; a district may think again.
PROPOSALS: Final[LiteralString] = """
SELECT p.id, p.kind, p.about_id,
       coalesce((SELECT s.display_name FROM person AS s WHERE s.id = p.person_id),
                (SELECT g.name FROM class_group AS g WHERE g.id = p.about_id),
                (SELECT c.title FROM course AS c WHERE c.id = p.about_id)) AS about_name,
       p.payload, w.display_name AS by_name, p.at_ms, d.state, d.reason,
       d.at_ms AS decided_at_ms
  FROM proposal AS p
  LEFT JOIN person AS w
    ON w.id = p.by_person_id
  LEFT JOIN proposal_decision AS d
    ON d.id = (SELECT n.id
                 FROM proposal_decision AS n
                WHERE n.proposal_id = p.id
                  AND n.deleted_at_ms IS NULL
                ORDER BY n.at_ms DESC, n.id
                LIMIT 1)
 WHERE (?1 IS NULL OR p.by_person_id = ?1)
   AND (?2 IS NULL OR p.id = ?2)
 ORDER BY p.at_ms DESC, p.id
 LIMIT ?3
"""

# Whose row it is, and whom it is about.
ABOUT: Final[Mapping[ProposalKind, LiteralString]] = {
    "edit_person": """
SELECT owner_node_id IS NOT NULL AS is_districts, id AS person_id,
       display_name AS name
  FROM person
 WHERE id = ?1
   AND deleted_at_ms IS NULL
""",
    "edit_class": """
SELECT owner_node_id IS NOT NULL AS is_districts, NULL AS person_id, name
  FROM class_group
 WHERE id = ?1
   AND deleted_at_ms IS NULL
""",
    "edit_enrolment": """
SELECT e.owner_node_id IS NOT NULL AS is_districts, e.person_id, p.display_name AS name
  FROM enrolment AS e
  JOIN person AS p
    ON p.id = e.person_id
 WHERE e.id = ?1
   AND e.deleted_at_ms IS NULL
""",
    "edit_course": """
SELECT owner_node_id IS NOT NULL AS is_districts, NULL AS person_id, title AS name
  FROM course
 WHERE id = ?1
   AND deleted_at_ms IS NULL
""",
}


def pending(db: Reader, *, quality: int) -> list[Order]:
    """Return the commands that can be answered under this clock, oldest first."""
    return db.rows(Order, PENDING, (None, quality >= TOLD, ORDERS_AT_ONCE))


def waiting(db: Reader, command_id: UUID, *, quality: int) -> Order | None:
    """Return this command while it waits for an answer that can be given under this clock."""
    return db.row(Order, PENDING, (command_id, quality >= TOLD, 1))


def announcements(db: Reader, *, now_ms: int, quality: int) -> list[Announcement]:
    """Return what the district has to say now, newest first."""
    return db.rows(Announcement, ANNOUNCEMENTS, (now_ms, quality >= TOLD, ANNOUNCEMENTS_MAX))


def from_district(db: Reader) -> FromDistrict:
    """Return what the district asked, newest first, and what it has set."""
    return FromDistrict(
        orders=db.rows(OrderListed, ORDERS, (LISTED_MAX,)),
        settings=settings_of_district(db),
    )


def settings_of_district(db: Reader) -> list[Setting]:
    """Return what counts for this school."""
    return db.rows(Setting, SETTINGS, (LISTED_MAX,))


def pins_needed(db: Reader, teacher_id: UUID) -> list[PinNeeded]:
    """Return the teacher's pupils who lost their PIN, or came without one, by an order."""
    return db.rows(PinNeeded, PINS_NEEDED, (teacher_id, LISTED_MAX))


def proposals(db: Reader, actor: Actor) -> list[ProposalRead]:
    """Return one's own proposals, an administrator's are all, newest first."""
    whose = None if actor.is_school_admin else actor.person_id
    found = db.rows(ProposalListed, PROPOSALS, (whose, None, LISTED_MAX))
    return [_read(each) for each in found]


def proposal(db: Reader, proposal_id: UUID) -> ProposalRead | None:
    """Return one proposal with what the district has said to it."""
    found = db.row(ProposalListed, PROPOSALS, (None, proposal_id, 1))
    return _read(found) if found else None


def about_whom(db: Reader, actor: Actor, kind: ProposalKind, about_id: UUID | None) -> About:
    """Return the row a proposal is about.

    Raises NotFound for what is not this person's to know, NotTheDistricts for the school's own.
    """
    if about_id is None or kind == "other":
        return About(is_districts=True, person_id=None, name="")
    about = db.row(About, ABOUT[kind], (about_id,))
    what = kind.removeprefix("edit_")
    if about is None:
        raise NotFound(f"{what} {about_id}")
    if about.person_id is not None:
        require_pupil_of(db, actor, about.person_id)
    if kind == "edit_class":
        class_looked_after(db, actor, about_id)
    if not about.is_districts:
        raise NotTheDistricts(f"{what} {about_id}")
    return about


def _read(found: ProposalListed) -> ProposalRead:
    named = msgspec.structs.asdict(found)
    wish = msgspec.json.decode(named.pop("payload"), type=dict[str, str])["wish"]
    return ProposalRead(**(named | {"wish": wish, "state": found.state or "open"}))
