"""Sessions and secrets. Neither ever leaves the box."""

from enum import Enum
from typing import Final, LiteralString
from uuid import UUID

from appliance.access.queries import pin_credential
from appliance.database.transaction import Transaction

OWNS: Final = ("session", "credential")

SESSION_MS: Final = 12 * 3_600_000  # one school day; the phone may be somebody else's tomorrow
PIN_TRIES_MAX: Final = 10  # of 10,000: one guess in a thousand succeeds before the lock

OPEN_SESSION: Final[LiteralString] = """
INSERT INTO session (token_hash, person_id, created_at_ms, expires_at_ms)
VALUES (?1, ?2, ?3, ?4)
"""

CLOSE_SESSION: Final[LiteralString] = """
DELETE FROM session
 WHERE token_hash = ?1
"""

CLOSE_SESSIONS_OF: Final[LiteralString] = """
DELETE FROM session
 WHERE person_id = ?1
"""

PRUNE_SESSIONS: Final[LiteralString] = """
DELETE FROM session
 WHERE expires_at_ms <= ?1
"""

# Of this boot only: how long the box was off before it nobody knows.
SHIFT_SESSIONS: Final[LiteralString] = """
UPDATE session
   SET created_at_ms = created_at_ms + ?2,
       expires_at_ms = expires_at_ms + ?2
 WHERE created_at_ms >= ?1
"""

# Opened under a clock that ran ahead.
CAP_SESSIONS: Final[LiteralString] = """
UPDATE session
   SET created_at_ms = min(created_at_ms, ?1),
       expires_at_ms = ?2
 WHERE expires_at_ms > ?2
"""

COUNT_FAILURE: Final[LiteralString] = """
UPDATE credential
   SET failed = failed + 1
 WHERE person_id = ?1
   AND kind = 'pin'
"""

FORGIVE_FAILURES: Final[LiteralString] = """
UPDATE credential
   SET failed = 0
 WHERE person_id = ?1
   AND kind = 'pin'
   AND failed > 0
"""

PUT_CREDENTIAL: Final[LiteralString] = """
INSERT INTO credential (person_id, kind, sign_in_name, secret_hash)
VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (person_id, kind) DO UPDATE
   SET sign_in_name = excluded.sign_in_name,
       secret_hash  = excluded.secret_hash,
       failed       = 0
"""

DROP_PIN: Final[LiteralString] = """
DELETE FROM credential
 WHERE person_id = ?1
   AND kind = 'pin'
"""


class PinAnswer(Enum):
    """What a PIN opened. Not an exception: a counted failure must be committed."""

    OPENED = "opened"
    WRONG = "wrong"
    LOCKED = "locked"


def open_session(tx: Transaction, person_id: UUID, token_hash: bytes, *, now_ms: int) -> None:
    """Let the holder of the token act as `person_id` for a school day."""
    tx.run(OPEN_SESSION, (token_hash, person_id, now_ms, now_ms + SESSION_MS))


def close_session(tx: Transaction, token_hash: bytes) -> None:
    """End one session; ending it twice changes nothing."""
    tx.run(CLOSE_SESSION, (token_hash,))


def shift_sessions(tx: Transaction, *, since_ms: int, by_ms: int) -> None:
    """Take along whoever signed in after `since_ms` when the clock steps forward."""
    tx.run(SHIFT_SESSIONS, (since_ms, by_ms))


def cap_sessions(tx: Transaction, *, now_ms: int) -> None:
    """Let no session outlast one that is opened now."""
    tx.run(CAP_SESSIONS, (now_ms, now_ms + SESSION_MS))


def prune_sessions(tx: Transaction, *, now_ms: int) -> int:
    """Forget sessions that are over; return how many."""
    return tx.run(PRUNE_SESSIONS, (now_ms,))


def sign_in_with_pin(
    tx: Transaction, person_id: UUID, secret_hash: bytes, token_hash: bytes, *, now_ms: int
) -> PinAnswer:
    """Compare and count in one transaction, so that parallel guesses are all counted."""
    stored = pin_credential(tx, person_id)
    if stored is None:
        return PinAnswer.WRONG
    if stored.failed >= PIN_TRIES_MAX:
        return PinAnswer.LOCKED
    if stored.secret_hash != secret_hash:
        tx.run(COUNT_FAILURE, (person_id,))
        return PinAnswer.WRONG
    tx.run(FORGIVE_FAILURES, (person_id,))
    open_session(tx, person_id, token_hash, now_ms=now_ms)
    return PinAnswer.OPENED


def put_pin(tx: Transaction, person_id: UUID, secret_hash: bytes) -> None:
    """Give a new PIN, unlock the name and end whatever was signed in with the old one."""
    tx.run(PUT_CREDENTIAL, (person_id, "pin", None, secret_hash))
    tx.run(CLOSE_SESSIONS_OF, (person_id,))


def drop_pin(tx: Transaction, person_id: UUID) -> None:
    """Let the old PIN open nothing from now on, and end what was signed in with it."""
    tx.run(DROP_PIN, (person_id,))
    tx.run(CLOSE_SESSIONS_OF, (person_id,))


def put_password(tx: Transaction, person_id: UUID, sign_in_name: str, secret_hash: bytes) -> None:
    """Give a member of staff a name and password and end their other sessions."""
    tx.run(PUT_CREDENTIAL, (person_id, "password", sign_in_name, secret_hash))
    tx.run(CLOSE_SESSIONS_OF, (person_id,))
