"""The school as a register sees it, read once before anything is compared."""

from collections import defaultdict
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct, field

from appliance.accounts.names import name_key
from appliance.database.reader import Reader

KNOWN_PEOPLE: Final[LiteralString] = """
SELECT p.id, p.display_name, p.given_name, p.family_name, p.grade_level, p.student_no,
       p.source_id,
       (SELECT group_concat(DISTINCT r.role)
          FROM role_assignment AS r
         WHERE r.person_id = p.id
           AND r.deleted_at_ms IS NULL) AS roles
  FROM person AS p
 WHERE p.org_id = ?1
   AND p.deleted_at_ms IS NULL
 ORDER BY p.id
"""

KNOWN_CLASSES: Final[LiteralString] = """
SELECT id, name, grade_level, source_id
  FROM class_group
 WHERE org_id = ?1
   AND deleted_at_ms IS NULL
 ORDER BY id
"""

KNOWN_LEARNERS: Final[LiteralString] = """
SELECT m.class_group_id, m.person_id
  FROM class_group AS g
  JOIN class_member AS m
    ON m.class_group_id = g.id
   AND m.deleted_at_ms IS NULL
 WHERE g.org_id = ?1
   AND g.deleted_at_ms IS NULL
"""

KNOWN_TEACHERS: Final[LiteralString] = """
SELECT t.class_group_id, t.person_id
  FROM class_group AS g
  JOIN class_teacher AS t
    ON t.class_group_id = g.id
 WHERE g.org_id = ?1
   AND g.deleted_at_ms IS NULL
"""


class KnownPerson(Struct, frozen=True):
    """Somebody of the school."""

    id: UUID
    display_name: str
    given_name: str | None
    family_name: str | None
    grade_level: str | None
    student_no: str | None
    source_id: str | None
    roles: str | None

    @property
    def role_set(self) -> frozenset[str]:
        """The roles, apart."""
        return frozenset((self.roles or "").split(",")) - {""}


class KnownClass(Struct, frozen=True):
    """A class of the school."""

    id: UUID
    name: str
    grade_level: str | None
    source_id: str | None


class Place(Struct, frozen=True):
    """Somebody learns in, or teaches, a class."""

    class_group_id: UUID
    person_id: UUID


class Known(Struct):
    """Everything, by what it is looked up with."""

    people: dict[UUID, KnownPerson]
    classes: dict[UUID, KnownClass]
    learners: set[Place]
    teachers: set[Place]
    people_by_source: dict[str, KnownPerson] = field(default_factory=dict)
    people_by_name: dict[str, list[KnownPerson]] = field(default_factory=dict)
    classes_by_source: dict[str, KnownClass] = field(default_factory=dict)
    classes_by_name: dict[str, KnownClass] = field(default_factory=dict)
    classes_of: dict[UUID, list[UUID]] = field(default_factory=dict)


def known_school(db: Reader, school_id: UUID) -> Known:
    """Read the school. Ids that stand in another register's column find their people too."""
    people = {each.id: each for each in db.rows(KnownPerson, KNOWN_PEOPLE, (school_id,))}
    classes = {each.id: each for each in db.rows(KnownClass, KNOWN_CLASSES, (school_id,))}
    known = Known(
        people=people,
        classes=classes,
        learners=set(db.rows(Place, KNOWN_LEARNERS, (school_id,))),
        teachers=set(db.rows(Place, KNOWN_TEACHERS, (school_id,))),
    )
    _index(known)
    return known


def _index(known: Known) -> None:
    by_name = defaultdict(list)
    for person in known.people.values():
        by_name[name_key(person.display_name)].append(person)
        known.people_by_source[person.source_id or str(person.id)] = person
    known.people_by_name = dict(by_name)
    for group in known.classes.values():
        known.classes_by_name.setdefault(name_key(group.name), group)
        known.classes_by_source[group.source_id or str(group.id)] = group
    classes_of = defaultdict(list)
    for place in known.learners:
        classes_of[place.person_id].append(place.class_group_id)
    known.classes_of = dict(classes_of)
