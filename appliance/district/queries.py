"""Reading what the agent has written: it owns these tables, this page only looks."""

from typing import Final, LiteralString

from appliance.database.reader import Reader
from appliance.district.models import Contact, SyncStatus, Waiting, Wish

CONTACT: Final[LiteralString] = """
SELECT hub_id IS NOT NULL AS is_enrolled, hub_url, contact_at_ms, contact_error, recovery_due
  FROM sync_identity
"""

WISH: Final[LiteralString] = """
SELECT hub_url, requested_at_ms, error
  FROM hub_enrolment
"""

# Sealed is not sent, and sent is not kept: only `applied_n` of the present chain counts.
# CROSS JOIN: from the one stream to the end of its chain, not through all of it.
WAITING: Final[LiteralString] = """
WITH unsealed AS (
    SELECT count(*) AS rows, min(since_ms) AS since_ms
      FROM sync_dirty
), unconfirmed AS (
    SELECT coalesce(sum(c.rows), 0) AS rows, min(c.sealed_at_ms) AS sealed_at_ms
      FROM sync_identity AS i
     CROSS JOIN sync_stream AS s
     CROSS JOIN sync_chain AS c
     WHERE s.epoch = i.epoch
       AND c.lane = s.lane
       AND c.epoch = s.epoch
       AND c.n > s.applied_n
)
SELECT unsealed.rows + unconfirmed.rows        AS waiting,
       min(coalesce(since_ms, sealed_at_ms),
           coalesce(sealed_at_ms, since_ms))   AS oldest_since_ms,
       (SELECT count(*) FROM sync_exception)   AS put_aside,
       (SELECT count(*) FROM sync_conflict)    AS in_conflict
  FROM unsealed, unconfirmed
"""

NO_CONTACT: Final = Contact(False, None, None, None, False)  # noqa: FBT003 -- a row's fields


def sync_status(db: Reader) -> SyncStatus:
    """Where our work is, as far as this box knows."""
    contact = db.row(Contact, CONTACT) or NO_CONTACT
    wish = db.row(Wish, WISH)
    waiting = db.row(Waiting, WAITING)
    assert waiting is not None
    return SyncStatus(
        is_enrolled=contact.is_enrolled,
        hub_url=contact.hub_url,
        contact_at_ms=contact.contact_at_ms,
        error=wish.error if wish else contact.contact_error,
        asked_url=wish.hub_url if wish else None,
        asked_at_ms=wish.requested_at_ms if wish else None,
        recovery_due=contact.recovery_due,
        waiting=waiting.waiting,
        oldest_since_ms=waiting.oldest_since_ms,
        put_aside=waiting.put_aside,
        in_conflict=waiting.in_conflict,
    )
