"""Which classes there are, who is in them, and whom a member of staff may look after."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.access.commands import PIN_TRIES_MAX
from appliance.access.models import Actor
from appliance.access.queries import teaches_class
from appliance.accounts.models import NamedPerson, Person
from appliance.accounts.names import name_key
from appliance.accounts.queries import people
from appliance.classes.models import ClassGroup, ClassPage, ClassTeacher, Member
from appliance.database.reader import Reader
from appliance.errors import NotFound

CLASSES_MAX: Final = 500
MEMBERS_MAX: Final = 1_000

ALL_CLASSES: Final[LiteralString] = """
SELECT g.id, g.name, g.grade_level,
       (SELECT count(DISTINCT m.person_id)
          FROM class_member AS m
         WHERE m.class_group_id = g.id
           AND m.deleted_at_ms IS NULL) AS learners,
       g.version
  FROM class_group AS g
 WHERE g.org_id = ?1
   AND g.deleted_at_ms IS NULL
 ORDER BY g.name
 LIMIT ?2
"""

TAUGHT_CLASSES: Final[LiteralString] = """
SELECT g.id, g.name, g.grade_level,
       (SELECT count(DISTINCT m.person_id)
          FROM class_member AS m
         WHERE m.class_group_id = g.id
           AND m.deleted_at_ms IS NULL) AS learners,
       g.version
  FROM class_group AS g
 WHERE g.deleted_at_ms IS NULL
   AND g.id IN (SELECT t.class_group_id
                  FROM class_teacher AS t
                 WHERE t.person_id = ?1)
 ORDER BY g.name
 LIMIT ?2
"""

ONE_CLASS: Final[LiteralString] = """
SELECT g.id, g.name, g.grade_level,
       (SELECT count(DISTINCT m.person_id)
          FROM class_member AS m
         WHERE m.class_group_id = g.id
           AND m.deleted_at_ms IS NULL) AS learners,
       g.version
  FROM class_group AS g
 WHERE g.id = ?1
   AND g.deleted_at_ms IS NULL
"""

# DISTINCT: a restored box may bring the same membership under two ids.
MEMBERS: Final[LiteralString] = """
SELECT DISTINCT m.person_id, p.display_name,
       c.person_id IS NOT NULL      AS has_pin,
       coalesce(c.failed, 0) >= ?3  AS is_locked,
       p.owner_node_id IS NOT NULL  AS is_districts
  FROM class_member AS m
  JOIN person AS p
    ON p.id = m.person_id
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
  LEFT JOIN credential AS c
    ON c.person_id = m.person_id
   AND c.kind = 'pin'
 WHERE m.class_group_id = ?1
   AND m.deleted_at_ms IS NULL
 ORDER BY p.display_name
 LIMIT ?2
"""

TEACHERS: Final[LiteralString] = """
SELECT DISTINCT t.person_id, p.display_name
  FROM class_teacher AS t
  JOIN person AS p
    ON p.id = t.person_id
 WHERE t.class_group_id = ?1
 ORDER BY p.display_name
 LIMIT 50
"""

SIGN_IN_NAMES: Final[LiteralString] = """
SELECT DISTINCT p.id, p.display_name
  FROM class_member AS m
  JOIN person AS p
    ON p.id = m.person_id
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
 WHERE m.class_group_id = ?1
   AND m.deleted_at_ms IS NULL
 ORDER BY p.display_name
 LIMIT ?2
"""

COLLEAGUES: Final[LiteralString] = """
SELECT p.id, p.display_name
  FROM person AS p
 WHERE p.org_id = ?1
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
   AND EXISTS (SELECT 1
                 FROM role_assignment AS r
                WHERE r.person_id = p.id
                  AND r.role = 'teacher'
                  AND r.deleted_at_ms IS NULL)
   AND NOT EXISTS (SELECT 1
                     FROM class_teacher AS t
                    WHERE t.person_id = p.id
                      AND t.class_group_id = ?2)
 ORDER BY p.display_name
 LIMIT 500
"""

PUPILS_OF: Final[LiteralString] = """
SELECT DISTINCT p.id, p.display_name, p.state, 'learner' AS roles,
       c.person_id IS NOT NULL     AS has_pin,
       coalesce(c.failed, 0) >= ?3 AS is_locked,
       p.version, p.owner_node_id IS NOT NULL AS is_districts
  FROM class_teacher AS t
  JOIN class_member AS m
    ON m.class_group_id = t.class_group_id
   AND m.deleted_at_ms IS NULL
  JOIN person AS p
    ON p.id = m.person_id
   AND p.deleted_at_ms IS NULL
  LEFT JOIN credential AS c
    ON c.person_id = p.id
   AND c.kind = 'pin'
 WHERE t.person_id = ?1
 LIMIT ?2
"""

IS_PUPIL_OF: Final[LiteralString] = """
SELECT 1
  FROM class_member AS m
  JOIN class_teacher AS t
    ON t.class_group_id = m.class_group_id
   AND t.person_id = ?2
 WHERE m.person_id = ?1
   AND m.deleted_at_ms IS NULL
 LIMIT 1
"""

IS_MEMBER: Final[LiteralString] = """
SELECT 1
  FROM class_member
 WHERE class_group_id = ?1
   AND person_id = ?2
   AND deleted_at_ms IS NULL
 LIMIT 1
"""

CLASS_IS_DISTRICTS: Final[LiteralString] = """
SELECT 1
  FROM class_group
 WHERE id = ?1
   AND owner_node_id IS NOT NULL
"""


def sign_in_classes(db: Reader, school_id: UUID) -> list[ClassGroup]:
    """Every class of the school: the first of the three taps."""
    return db.rows(ClassGroup, ALL_CLASSES, (school_id, CLASSES_MAX))


def sign_in_names(db: Reader, class_group_id: UUID) -> list[NamedPerson]:
    """The names of a class: the second tap. Raises NotFound."""
    class_group(db, class_group_id)
    names = db.rows(NamedPerson, SIGN_IN_NAMES, (class_group_id, MEMBERS_MAX))
    return sorted(names, key=by_name)


def classes_of(db: Reader, actor: Actor) -> list[ClassGroup]:
    """The classes this member of staff looks after: all of them, or those taught."""
    if actor.is_school_admin:
        return db.rows(ClassGroup, ALL_CLASSES, (actor.school_id, CLASSES_MAX))
    return db.rows(ClassGroup, TAUGHT_CLASSES, (actor.person_id, CLASSES_MAX))


def class_group(db: Reader, class_group_id: UUID) -> ClassGroup:
    """Raises NotFound when there is no such class."""
    found = db.row(ClassGroup, ONE_CLASS, (class_group_id,))
    if found is None:
        raise NotFound(f"class {class_group_id}")
    return found


def class_looked_after(db: Reader, actor: Actor, class_group_id: UUID) -> ClassGroup:
    """Raises NotFound also for a class of somebody else, which is not this person's to know."""
    if not actor.is_school_admin and not teaches_class(db, actor.person_id, class_group_id):
        raise NotFound(f"class {class_group_id}")
    return class_group(db, class_group_id)


def class_page(db: Reader, actor: Actor, class_group_id: UUID) -> ClassPage:
    """A class with everybody in it, for those who look after it. Raises NotFound."""
    group = class_looked_after(db, actor, class_group_id)
    return ClassPage(
        group=group,
        members=members(db, class_group_id),
        teachers=db.rows(ClassTeacher, TEACHERS, (class_group_id,)),
        is_districts=db.value(CLASS_IS_DISTRICTS, (class_group_id,)) is not None,
    )


def members(db: Reader, class_group_id: UUID) -> list[Member]:
    """The pupils of a class, by name."""
    found = db.rows(Member, MEMBERS, (class_group_id, MEMBERS_MAX, PIN_TRIES_MAX))
    return sorted(found, key=by_name)


def people_looked_after(db: Reader, actor: Actor) -> list[Person]:
    """Everybody for an administrator, for a teacher the pupils of the classes taught."""
    if actor.is_school_admin:
        return people(db, actor.school_id, tries_max=PIN_TRIES_MAX)
    found = db.rows(Person, PUPILS_OF, (actor.person_id, MEMBERS_MAX, PIN_TRIES_MAX))
    return sorted(found, key=by_name)


def colleagues(db: Reader, school_id: UUID, class_group_id: UUID) -> list[NamedPerson]:
    """Teachers of the school who do not teach this class."""
    return db.rows(NamedPerson, COLLEAGUES, (school_id, class_group_id))


def is_member(db: Reader, class_group_id: UUID, person_id: UUID) -> bool:
    """Whether a pupil is in a class now."""
    return db.value(IS_MEMBER, (class_group_id, person_id)) is not None


def by_name(person: NamedPerson | Member | Person) -> str:
    """Sort as a person would: SQLite puts Á after Z."""
    return name_key(person.display_name)


def require_pupil_of(db: Reader, actor: Actor, person_id: UUID) -> None:
    """Raises NotFound unless this member of staff looks after this pupil."""
    if actor.is_school_admin:
        return
    if db.value(IS_PUPIL_OF, (person_id, actor.person_id)) is None:
        raise NotFound(f"person {person_id}")
