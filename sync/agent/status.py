"""Where sync stands, computed from the log, for a keeper with a shell."""

from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader
from sync.agent.store import backlog, identity

READ_CONTACT: Final[LiteralString] = """
SELECT i.contact_at_ms,
       coalesce((SELECT e.error FROM hub_enrolment AS e), i.contact_error) AS error,
       (SELECT count(*) FROM sync_exception)                               AS put_aside,
       (SELECT count(*) FROM sync_conflict)                                AS in_conflict
  FROM (SELECT 1) LEFT JOIN sync_identity AS i
"""


class Contact(Struct, frozen=True):
    """When the hub last answered, and what went wrong since."""

    contact_at_ms: int | None
    error: str | None
    put_aside: int
    in_conflict: int


class Status(Struct, frozen=True):
    """One screen."""

    is_claimed: bool
    is_enrolled: bool
    contact: Contact
    hub_url: str | None = None
    recovery_due: bool = False
    waiting: int = 0
    oldest_since_ms: int | None = None


def status(db: Reader) -> Status:
    """Look, and change nothing."""
    me = identity(db)
    contact = db.row(Contact, READ_CONTACT)
    assert contact is not None
    if me is None:
        return Status(is_claimed=False, is_enrolled=False, contact=contact)
    waits = backlog(db, me.epoch)
    return Status(
        is_claimed=True,
        is_enrolled=me.hub_id is not None,
        hub_url=me.hub_url,
        recovery_due=me.recovery_due,
        waiting=waits.waiting,
        oldest_since_ms=waits.oldest_since_ms,
        contact=contact,
    )
