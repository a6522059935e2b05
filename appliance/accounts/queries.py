"""The school and its people."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.accounts.models import ClaimProgress, ClaimState, NamedPerson, Person
from appliance.accounts.names import name_key
from appliance.database.reader import Reader
from appliance.errors import NotFound

PEOPLE_MAX: Final = 5_000  # a large secondary school twice over

IDENTITY: Final[LiteralString] = """
SELECT node_id, school_id
  FROM sync_identity
"""

SCHOOL: Final[LiteralString] = """
SELECT o.id, o.name, o.locale
  FROM sync_identity AS i
  JOIN org_unit AS o
    ON o.id = i.school_id
"""

STAFF_EXIST: Final[LiteralString] = """
SELECT 1
  FROM credential
 WHERE kind = 'password'
 LIMIT 1
"""

ON_ITS_WAY: Final[LiteralString] = """
SELECT recovery_due AS is_owed, self_cursor AS changes
  FROM sync_identity
"""

HUB_ASKED: Final[LiteralString] = """
SELECT 1
  FROM hub_enrolment
"""

SCHOOL_ADMINS: Final[LiteralString] = """
SELECT p.id, p.display_name
  FROM person AS p
 WHERE p.state = 'active'
   AND p.deleted_at_ms IS NULL
   AND EXISTS (SELECT 1
                 FROM role_assignment AS r
                WHERE r.person_id = p.id
                  AND r.role = 'school_admin'
                  AND r.deleted_at_ms IS NULL)
 ORDER BY p.display_name
 LIMIT 100
"""

PEOPLE: Final[LiteralString] = """
SELECT p.id, p.display_name, p.state,
       coalesce((SELECT group_concat(DISTINCT r.role)
                   FROM role_assignment AS r
                  WHERE r.person_id = p.id
                    AND r.deleted_at_ms IS NULL), '') AS roles,
       c.person_id IS NOT NULL                        AS has_pin,
       coalesce(c.failed, 0) >= ?3                    AS is_locked,
       p.version, p.owner_node_id IS NOT NULL         AS is_districts
  FROM person AS p
  LEFT JOIN credential AS c
    ON c.person_id = p.id
   AND c.kind = 'pin'
 WHERE p.org_id = ?1
   AND p.deleted_at_ms IS NULL
 ORDER BY p.display_name
 LIMIT ?2
"""

PERSON_NAME: Final[LiteralString] = """
SELECT id, display_name
  FROM person
 WHERE id = ?1
   AND state = 'active'
   AND deleted_at_ms IS NULL
"""

LEARNER_NAME: Final[LiteralString] = """
SELECT p.id, p.display_name
  FROM person AS p
 WHERE p.id = ?1
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
   AND EXISTS (SELECT 1
                 FROM role_assignment AS r
                WHERE r.person_id = p.id
                  AND r.role = 'learner'
                  AND r.deleted_at_ms IS NULL)
"""


class Identity(Struct, frozen=True):
    """Which node this is and which school it serves."""

    node_id: UUID
    school_id: UUID


class School(Struct, frozen=True):
    """The school of this box."""

    id: UUID
    name: str
    locale: str


def identity(db: Reader) -> Identity | None:
    """Return this box's identity; None before it is claimed or has enrolled."""
    return db.row(Identity, IDENTITY)


def school(db: Reader) -> School | None:
    """Return the school; None before claim and while a replacement still pulls."""
    return db.row(School, SCHOOL)


class OnItsWay(Struct, frozen=True):
    """How much of a school has come to a board that takes another one's place."""

    is_owed: bool
    changes: int


def is_claimed(db: Reader) -> bool:
    """Whether somebody can look after this box: it has an identity and a password."""
    return identity(db) is not None and db.value(STAFF_EXIST) is not None


def claim_state(db: Reader) -> ClaimState:
    """How far this box is on its way to being a school's."""
    if is_claimed(db):
        return "claimed"
    coming = db.row(OnItsWay, ON_ITS_WAY)
    if coming is not None:  # half a school is no school to sign in to
        return "take-over" if school_admins(db) and not coming.is_owed else "pulling"
    return "asked" if db.value(HUB_ASKED) is not None else "new"


def claim_progress(db: Reader) -> ClaimProgress:
    """What the claim page shows; administrators only while one of them must take over."""
    state, known = claim_state(db), school(db)
    admins = school_admins(db) if state == "take-over" else []
    coming = db.row(OnItsWay, ON_ITS_WAY) if state == "pulling" else None
    return ClaimProgress(
        state, known.name if known else None, admins, coming.changes if coming else 0
    )


def school_admins(db: Reader) -> list[NamedPerson]:
    """The people who may take over a box that replaces a lost one."""
    return db.rows(NamedPerson, SCHOOL_ADMINS)


def people(db: Reader, school_id: UUID, *, tries_max: int) -> list[Person]:
    """Everybody of the school, by name."""
    found = db.rows(Person, PEOPLE, (school_id, PEOPLE_MAX, tries_max))
    return sorted(found, key=lambda person: name_key(person.display_name))


def active_person(db: Reader, person_id: UUID) -> NamedPerson:
    """Raises NotFound when there is no such active person."""
    found = db.row(NamedPerson, PERSON_NAME, (person_id,))
    if found is None:
        raise NotFound(f"person {person_id}")
    return found


def active_learner(db: Reader, person_id: UUID) -> NamedPerson:
    """Raises NotFound when there is no such active pupil; staff have no PIN page."""
    found = db.row(NamedPerson, LEARNER_NAME, (person_id,))
    if found is None:
        raise NotFound(f"person {person_id}")
    return found
