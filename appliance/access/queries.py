"""Who holds a session, and who may teach whom."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.access.models import Actor
from appliance.database.reader import Reader

# One probe of the session's key and two of indexed neighbours: it runs on the event
# loop for every signed-in request.
SESSION_ACTOR: Final[LiteralString] = """
SELECT s.person_id, p.display_name, p.org_id, p.locale,
       (SELECT group_concat(r.role)
          FROM role_assignment AS r
         WHERE r.person_id = s.person_id
           AND r.deleted_at_ms IS NULL) AS roles
  FROM session AS s
  JOIN person AS p
    ON p.id = s.person_id
 WHERE s.token_hash = ?1
   AND s.expires_at_ms > ?2
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
"""

TEACHES_CLASS: Final[LiteralString] = """
SELECT 1
  FROM class_teacher
 WHERE person_id = ?1
   AND class_group_id = ?2
"""

CREDENTIAL: Final[LiteralString] = """
SELECT c.secret_hash, c.failed
  FROM credential AS c
  JOIN person AS p
    ON p.id = c.person_id
 WHERE c.person_id = ?1
   AND c.kind = 'pin'
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
"""

STAFF_CREDENTIAL: Final[LiteralString] = """
SELECT c.person_id, c.secret_hash
  FROM credential AS c
  JOIN person AS p
    ON p.id = c.person_id
 WHERE c.sign_in_name = ?1
   AND c.kind = 'password'
   AND p.state = 'active'
   AND p.deleted_at_ms IS NULL
"""


class SessionActor(Struct, frozen=True):
    """A live session's person; `roles` is a comma-separated list, or None."""

    person_id: UUID
    display_name: str
    org_id: UUID
    locale: str
    roles: str | None


class PinCredential(Struct, frozen=True):
    """A pupil's stored PIN and how often it was missed since the last success."""

    secret_hash: bytes
    failed: int


class StaffCredential(Struct, frozen=True):
    """Whose password it is."""

    person_id: UUID
    secret_hash: bytes


def session_actor(db: Reader, token_hash: bytes, *, now_ms: int) -> Actor | None:
    """Return whoever holds this session, or None when it is unknown or over."""
    found = db.row(SessionActor, SESSION_ACTOR, (token_hash, now_ms))
    if found is None:
        return None
    return Actor(
        person_id=found.person_id,
        display_name=found.display_name,
        school_id=found.org_id,
        locale=found.locale,
        roles=frozenset((found.roles or "").split(",")) - {""},
    )


def teaches_class(db: Reader, person_id: UUID, class_group_id: UUID) -> bool:
    """Whether this person is a teacher of this class."""
    return db.value(TEACHES_CLASS, (person_id, class_group_id)) is not None


def pin_credential(db: Reader, person_id: UUID) -> PinCredential | None:
    """Return the PIN of an active person, if there is one."""
    return db.row(PinCredential, CREDENTIAL, (person_id,))


def staff_credential(db: Reader, sign_in_name: str) -> StaffCredential | None:
    """Return the password of an active person; the name's letter case does not matter."""
    return db.row(StaffCredential, STAFF_CREDENTIAL, (sign_in_name,))
