"""Making classes, and moving people in and out of them."""

from collections.abc import Iterable, Sequence
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.access.commands import put_pin
from appliance.access.models import Actor
from appliance.accounts.commands import add_person, give_password, give_role, nfc
from appliance.accounts.models import NamedPerson, NewPerson
from appliance.accounts.queries import active_learner, active_person
from appliance.classes.models import ClassGroup, NewClass
from appliance.classes.queries import class_looked_after, require_pupil_of
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from appliance.errors import Conflict, NotFound
from appliance.ids import uuid7

OWNS: Final = ("class_group", "class_member")

NO_CLASS: Final = UUID(int=0)  # nobody's: a teacher adds pupils to a class or not at all

INSERT_CLASS: Final[LiteralString] = """
INSERT INTO class_group (id, org_id, name, grade_level, source_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
"""

UPDATE_CLASS: Final[LiteralString] = """
UPDATE class_group
   SET name          = ?2,
       grade_level   = ?3,
       source_id     = ?4,
       version       = version + 1,
       updated_at_ms = ?5
 WHERE id = ?1
"""

CLASS_CONTENT: Final[LiteralString] = """
SELECT org_id, name, grade_level
  FROM class_group
 WHERE id = ?1
"""

MEMBERSHIP: Final[LiteralString] = """
SELECT id, deleted_at_ms IS NOT NULL AS is_deleted
  FROM class_member
 WHERE class_group_id = ?1
   AND person_id = ?2
 ORDER BY deleted_at_ms IS NOT NULL, id
"""

INSERT_MEMBER: Final[LiteralString] = """
INSERT INTO class_member (id, class_group_id, person_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, ?4)
"""

REVIVE_MEMBER: Final[LiteralString] = """
UPDATE class_member
   SET deleted_at_ms = NULL,
       version       = version + 1,
       updated_at_ms = ?2
 WHERE id = ?1
"""

REMOVE_MEMBER: Final[LiteralString] = """
UPDATE class_member
   SET deleted_at_ms = ?3,
       version       = version + 1,
       updated_at_ms = ?3
 WHERE class_group_id = ?1
   AND person_id = ?2
   AND deleted_at_ms IS NULL
"""


IS_STAFF: Final[LiteralString] = """
SELECT 1
  FROM role_assignment
 WHERE person_id = ?1
   AND role IN ('teacher', 'school_admin')
   AND deleted_at_ms IS NULL
 LIMIT 1
"""

IS_TEACHER: Final[LiteralString] = """
SELECT 1
  FROM role_assignment
 WHERE person_id = ?1
   AND role = 'teacher'
   AND deleted_at_ms IS NULL
 LIMIT 1
"""


class ClassContent(Struct, frozen=True):
    """What an id already stands for."""

    org_id: UUID
    name: str
    grade_level: str | None


class Membership(Struct, frozen=True):
    """That somebody is, or was, in a class."""

    id: UUID
    is_deleted: bool


class PinHash(Struct, frozen=True):
    """A new PIN, as it may be stored."""

    person_id: UUID
    secret_hash: bytes


def make_class(tx: Transaction, actor: Actor, wanted: NewClass, *, now_ms: int) -> ClassGroup:
    """Make a class; whoever makes it and teaches, teaches it.

    The same id and content again changes nothing. Raises Conflict for other content.
    """
    class_group_id = wanted.id or uuid7(now_ms)
    content = ClassContent(actor.school_id, nfc(wanted.name), wanted.grade_level)
    found = tx.row(ClassContent, CLASS_CONTENT, (class_group_id,))
    if found is None:
        insert_class(tx, class_group_id, content, source_id=None, now_ms=now_ms)
        if actor.is_teacher:
            give_class(tx, actor.person_id, class_group_id, now_ms=now_ms)
    elif found != content:
        raise Conflict(f"class {class_group_id} is another class")
    return class_looked_after(tx, actor, class_group_id)


def insert_class(
    tx: Transaction,
    class_group_id: UUID,
    content: ClassContent,
    *,
    source_id: str | None,
    now_ms: int,
) -> None:
    """Write a new class."""
    args = (class_group_id, content.org_id, content.name, content.grade_level, source_id, now_ms)
    tx.run(INSERT_CLASS, args)


def update_class(
    tx: Transaction,
    class_group_id: UUID,
    content: ClassContent,
    *,
    source_id: str | None,
    now_ms: int,
) -> None:
    """Replace what a register says about a class."""
    tx.run(UPDATE_CLASS, (class_group_id, content.name, content.grade_level, source_id, now_ms))


def give_class(tx: Transaction, person_id: UUID, class_group_id: UUID, *, now_ms: int) -> bool:
    """Let somebody teach a class; return whether that is new."""
    return give_role(tx, person_id, "teacher", "class_group", class_group_id, now_ms=now_ms)


def add_teacher(
    tx: Transaction, actor: Actor, class_group_id: UUID, person_id: UUID, *, now_ms: int
) -> None:
    """Let a colleague teach a class one looks after. Raises NotFound."""
    class_looked_after(tx, actor, class_group_id)
    require_teacher(tx, person_id)
    give_class(tx, person_id, class_group_id, now_ms=now_ms)


def add_member(tx: Transaction, class_group_id: UUID, person_id: UUID, *, now_ms: int) -> bool:
    """Put a pupil into a class once, however often; return whether that is new."""
    found = tx.row(Membership, MEMBERSHIP, (class_group_id, person_id))
    if found is None:
        return tx.run(INSERT_MEMBER, (uuid7(now_ms), class_group_id, person_id, now_ms)) > 0
    return found.is_deleted and tx.run(REVIVE_MEMBER, (found.id, now_ms)) > 0


def add_members(
    tx: Transaction,
    actor: Actor,
    class_group_id: UUID,
    person_ids: Iterable[UUID],
    *,
    now_ms: int,
) -> int:
    """Put pupils of the school into a class; return how many are new. Raises NotFound."""
    class_looked_after(tx, actor, class_group_id)
    added = 0
    for person_id in person_ids:
        active_learner(tx, person_id)
        added += add_member(tx, class_group_id, person_id, now_ms=now_ms)
    return added


def remove_member(
    tx: Transaction, actor: Actor, class_group_id: UUID, person_id: UUID, *, now_ms: int
) -> None:
    """Take a pupil out of a class; what the pupil handed in there stays. Raises NotFound."""
    class_looked_after(tx, actor, class_group_id)
    if tx.run(REMOVE_MEMBER, (class_group_id, person_id, now_ms)) == 0:
        raise NotFound(f"person {person_id} in class {class_group_id}")


def add_pupil(tx: Transaction, actor: Actor, wanted: NewPerson, *, now_ms: int) -> NamedPerson:
    """Write a new pupil and put the pupil into a class, if one is named.

    The same id and name again changes nothing. Raises NotFound for somebody else's class.
    """
    if wanted.class_group_id is not None or not actor.is_school_admin:
        class_looked_after(tx, actor, wanted.class_group_id or NO_CLASS)
    person_id = wanted.id or uuid7(now_ms)
    add_person(tx, person_id, actor, wanted.display_name, now_ms=now_ms)
    give_role(tx, person_id, "learner", "org", actor.school_id, now_ms=now_ms)
    if wanted.class_group_id is not None:
        add_member(tx, wanted.class_group_id, person_id, now_ms=now_ms)
    return active_person(tx, person_id)


def add_staff(
    tx: Transaction, actor: Actor, wanted: NewPerson, secret_hash: bytes, *, now_ms: int
) -> NamedPerson:
    """Write a new member of staff. Raises NameTaken when the sign-in name is in use."""
    assert wanted.sign_in_name is not None
    person_id = wanted.id or uuid7(now_ms)
    add_person(tx, person_id, actor, wanted.display_name, now_ms=now_ms)
    for role in wanted.roles:
        give_role(tx, person_id, role, "org", actor.school_id, now_ms=now_ms)
    give_password(tx, person_id, wanted.sign_in_name, secret_hash)
    return active_person(tx, person_id)


def give_staff_password(
    tx: Transaction, person_id: UUID, sign_in_name: str, secret_hash: bytes
) -> None:
    """Give a member of staff a name and a password. Raises NotFound for pupils, NameTaken."""
    active_person(tx, person_id)
    if tx.value(IS_STAFF, (person_id,)) is None:
        raise NotFound(f"member of staff {person_id}")
    give_password(tx, person_id, sign_in_name, secret_hash)


def reset_pin(tx: Transaction, actor: Actor, new: PinHash) -> None:
    """Give one pupil a new PIN, which also unlocks the name. Raises NotFound."""
    active_learner(tx, new.person_id)
    require_pupil_of(tx, actor, new.person_id)
    put_pin(tx, new.person_id, new.secret_hash)


def give_pins(tx: Transaction, actor: Actor, class_group_id: UUID, new: Sequence[PinHash]) -> None:
    """Give pupils of a class new PINs. Raises NotFound."""
    class_looked_after(tx, actor, class_group_id)
    for each in new:
        put_pin(tx, each.person_id, each.secret_hash)


def require_teacher(db: Reader, person_id: UUID) -> None:
    """Raises NotFound unless this is an active teacher of the school."""
    active_person(db, person_id)
    if db.value(IS_TEACHER, (person_id,)) is None:
        raise NotFound(f"teacher {person_id}")
