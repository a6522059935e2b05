"""Making the school and its people."""

import unicodedata
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.access.commands import put_password
from appliance.access.models import Actor
from appliance.access.queries import staff_credential
from appliance.accounts.faults import AlreadyClaimed, NameTaken, SchoolOnItsWay
from appliance.accounts.queries import claim_state, identity, is_claimed, school_admins
from appliance.database.transaction import Transaction
from appliance.errors import Conflict, NotFound
from appliance.ids import uuid7

OWNS: Final = ("org_unit", "person", "role_assignment", "hub_enrolment")

# The change log starts with this row: every row written from here on is to be sent.
START_CHANGE_LOG: Final[LiteralString] = """
INSERT INTO sync_identity (id, node_id, school_id, epoch, seq, applying)
VALUES (1, ?1, ?2, ?3, 0, 0)
"""

INSERT_SCHOOL: Final[LiteralString] = """
INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)
VALUES (?1, 'school', ?2, ?3, 1, ?4)
"""

INSERT_PERSON: Final[LiteralString] = """
INSERT INTO person (id, org_id, display_name, given_name, family_name, grade_level,
                    student_no, source_id, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'active', 1, ?10)
"""

UPDATE_PERSON: Final[LiteralString] = """
UPDATE person
   SET display_name  = ?2,
       given_name    = ?3,
       family_name   = ?4,
       grade_level   = ?5,
       student_no    = ?6,
       source_id     = ?7,
       version       = version + 1,
       updated_at_ms = ?8
 WHERE id = ?1
"""

PERSON_CONTENT: Final[LiteralString] = """
SELECT display_name, org_id
  FROM person
 WHERE id = ?1
"""

# +: by the person, who has a handful of roles. By the scope SQLite read every pupil of
# the school each time; an import of 5,000 people took 3.8 s, with this 1.7 s.
ROLE_HELD: Final[LiteralString] = """
SELECT id, deleted_at_ms IS NOT NULL AS is_deleted
  FROM role_assignment
 WHERE person_id = ?1
   AND +role = ?2
   AND scope_kind = ?3
   AND +scope_id = ?4
 ORDER BY deleted_at_ms IS NOT NULL, id
"""

INSERT_ROLE: Final[LiteralString] = """
INSERT INTO role_assignment (id, person_id, role, scope_kind, scope_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
"""

REVIVE_ROLE: Final[LiteralString] = """
UPDATE role_assignment
   SET deleted_at_ms = NULL,
       version       = version + 1,
       updated_at_ms = ?2
 WHERE id = ?1
"""

PUT_HUB_ENROLMENT: Final[LiteralString] = """
INSERT INTO hub_enrolment (id, hub_url, token, requested_at_ms)
VALUES (1, ?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE
   SET hub_url         = excluded.hub_url,
       token           = excluded.token,
       requested_at_ms = excluded.requested_at_ms,
       error           = NULL
"""


class NewSchool(Struct, frozen=True, kw_only=True):
    """What a claim makes, ids and secrets already minted."""

    node_id: UUID
    epoch: UUID
    school_id: UUID
    school_name: str
    locale: str
    person_id: UUID
    admin_name: str
    sign_in_name: str
    secret_hash: bytes


class PersonRecord(Struct, frozen=True, kw_only=True):
    """A person as a register describes one."""

    display_name: str
    given_name: str | None = None
    family_name: str | None = None
    grade_level: str | None = None
    student_no: str | None = None
    source_id: str | None = None


class PersonContent(Struct, frozen=True):
    """What an id already stands for."""

    display_name: str
    org_id: UUID


class RoleHeld(Struct, frozen=True):
    """A role a person has, or had."""

    id: UUID
    is_deleted: bool


def claim_school(tx: Transaction, new: NewSchool, *, now_ms: int) -> None:
    """Make the school and its first person: administrator and teacher."""
    if identity(tx) is not None:
        raise AlreadyClaimed("this box has a school")
    tx.run(START_CHANGE_LOG, (new.node_id, new.school_id, new.epoch))
    tx.run(INSERT_SCHOOL, (new.school_id, nfc(new.school_name), new.locale, now_ms))
    record = PersonRecord(display_name=new.admin_name)
    insert_person(tx, new.person_id, new.school_id, record, locale=new.locale, now_ms=now_ms)
    for role in ("school_admin", "teacher"):
        give_role(tx, new.person_id, role, "org", new.school_id, now_ms=now_ms)
    put_password(tx, new.person_id, new.sign_in_name, new.secret_hash)


def ask_for_enrolment(tx: Transaction, hub_url: str, token: str, *, now_ms: int) -> None:
    """Leave the district's address and token for the agent; the newest request counts."""
    tx.run(PUT_HUB_ENROLMENT, (hub_url, token, now_ms))


def ask_to_replace(tx: Transaction, hub_url: str, token: str, *, now_ms: int) -> None:
    """Ask the district for a lost box's school; only a box without a school may."""
    if identity(tx) is not None:
        raise AlreadyClaimed("this box has a school")
    ask_for_enrolment(tx, hub_url, token, now_ms=now_ms)


def take_over(tx: Transaction, person_id: UUID, sign_in_name: str, secret_hash: bytes) -> None:
    """Give an administrator of the school that came back a password on this board.

    Raises NotFound for anybody else, AlreadyClaimed once somebody can sign in,
    SchoolOnItsWay before everything has come.
    """
    if is_claimed(tx):
        raise AlreadyClaimed("this box has somebody who looks after it")
    if claim_state(tx) == "pulling":
        raise SchoolOnItsWay("the district has not sent everything yet")
    if all(person.id != person_id for person in school_admins(tx)):
        raise NotFound(f"administrator {person_id}")
    put_password(tx, person_id, sign_in_name, secret_hash)


def insert_person(
    tx: Transaction,
    person_id: UUID,
    school_id: UUID,
    record: PersonRecord,
    *,
    locale: str,
    now_ms: int,
) -> None:
    """Write a new person; names are stored composed (NFC), as every text is."""
    tx.run(
        INSERT_PERSON,
        (
            person_id,
            school_id,
            nfc(record.display_name),
            _nfc_or_none(record.given_name),
            _nfc_or_none(record.family_name),
            record.grade_level,
            record.student_no,
            record.source_id,
            locale,
            now_ms,
        ),
    )


def update_person(tx: Transaction, person_id: UUID, record: PersonRecord, *, now_ms: int) -> None:
    """Replace what a register says about a person."""
    tx.run(
        UPDATE_PERSON,
        (
            person_id,
            nfc(record.display_name),
            _nfc_or_none(record.given_name),
            _nfc_or_none(record.family_name),
            record.grade_level,
            record.student_no,
            record.source_id,
            now_ms,
        ),
    )


def add_person(tx: Transaction, person_id: UUID, actor: Actor, name: str, *, now_ms: int) -> bool:
    """Write a new person, or nothing when the same id and name are there already.

    Raises Conflict when the id stands for somebody else.
    """
    found = tx.row(PersonContent, PERSON_CONTENT, (person_id,))
    if found is not None:
        if found != PersonContent(nfc(name), actor.school_id):
            raise Conflict(f"person {person_id} is somebody else")
        return False
    record = PersonRecord(display_name=name)
    insert_person(tx, person_id, actor.school_id, record, locale=actor.locale, now_ms=now_ms)
    return True


def give_role(
    tx: Transaction, person_id: UUID, role: str, scope_kind: str, scope_id: UUID, *, now_ms: int
) -> bool:
    """Give a role once, however often it is given; return whether anything changed."""
    held = tx.row(RoleHeld, ROLE_HELD, (person_id, role, scope_kind, scope_id))
    if held is None:
        args = (uuid7(now_ms), person_id, role, scope_kind, scope_id, now_ms)
        return tx.run(INSERT_ROLE, args) > 0
    return held.is_deleted and tx.run(REVIVE_ROLE, (held.id, now_ms)) > 0


def give_password(tx: Transaction, person_id: UUID, sign_in_name: str, secret_hash: bytes) -> None:
    """Let a member of staff sign in. Raises NameTaken when another person has the name."""
    holder = staff_credential(tx, sign_in_name)
    if holder is not None and holder.person_id != person_id:
        raise NameTaken(f"{sign_in_name} is somebody else's sign-in name")
    put_password(tx, person_id, sign_in_name, secret_hash)


def nfc(text: str) -> str:
    """One spelling for what looks the same, so that hashes agree and searches find."""
    return unicodedata.normalize("NFC", text.strip())


def _nfc_or_none(text: str | None) -> str | None:
    return nfc(text) if text else None
