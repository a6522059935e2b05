"""Reading what the agent has written: it owns these tables, this page only looks."""

from typing import Final, LiteralString

from appliance.database.reader import Reader
from appliance.district.models import Contact, SyncStatus, Verified, Waiting, Wish

CONTACT: Final[LiteralString] = """
SELECT hub_id IS NOT NULL AS is_enrolled, hub_url, contact_at_ms, contact_error, recovery_due,
       node_state, board_changed_at_ms, left_reason, left_at_ms, held_words
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
       (SELECT count(*) FROM sync_exception AS x
         WHERE x.pk <> x'' AND x.reason <> 'conflict' AND x.reason NOT LIKE 'dismissed%')
                                               AS put_aside,
       (SELECT count(*) FROM sync_exception AS x
         WHERE x.reason LIKE 'dismissed%')     AS dismissed,
       EXISTS (SELECT 1 FROM sync_exception AS x
                WHERE x.pk = x'')              AS has_unlisted,
       (SELECT count(*) FROM (SELECT DISTINCT c.tbl, c.pk
                                FROM sync_conflict AS c
                               WHERE NOT EXISTS (SELECT 1 FROM conflict_look AS k
                                                  WHERE k.tbl      = c.tbl
                                                    AND k.pk       = c.pk
                                                    AND k.row_hash = c.row_hash)))
                                               AS in_conflict
  FROM unsealed, unconfirmed
"""

VERIFIED: Final[LiteralString] = """
SELECT coalesce(sum(c.rows), 0)                              AS compared,
       coalesce(sum(c.different - c.repaired), 0)            AS different,
       coalesce(sum(c.explained), 0)                         AS explained,
       CASE WHEN count(*) = count(c.agreed_at_ms) THEN min(c.agreed_at_ms) END AS at_ms,
       CASE WHEN count(*) = count(c.agreed_no)    THEN min(c.agreed_no)    END AS no
  FROM sync_check AS c
"""

NO_CONTACT: Final = Contact(False, None, None, None, False, "active", None)  # noqa: FBT003 -- a row's fields


def sync_status(db: Reader) -> SyncStatus:
    """Where our work is, as far as this box knows."""
    contact = db.row(Contact, CONTACT) or NO_CONTACT
    wish = db.row(Wish, WISH)
    waiting, verified = db.row(Waiting, WAITING), db.row(Verified, VERIFIED)
    assert waiting is not None
    assert verified is not None
    return SyncStatus(
        is_enrolled=contact.is_enrolled,
        hub_url=contact.hub_url,
        contact_at_ms=contact.contact_at_ms,
        error=wish.error if wish else contact.contact_error,
        asked_url=wish.hub_url if wish else None,
        asked_at_ms=wish.requested_at_ms if wish else None,
        recovery_due=contact.recovery_due,
        node_state=contact.node_state,
        board_changed_at_ms=contact.board_changed_at_ms,
        left_reason=contact.left_reason,
        left_at_ms=contact.left_at_ms,
        held_words=contact.held_words,
        waiting=waiting.waiting,
        oldest_since_ms=waiting.oldest_since_ms,
        put_aside=waiting.put_aside,
        dismissed=waiting.dismissed,
        has_unlisted=waiting.has_unlisted,
        in_conflict=waiting.in_conflict,
        compared=verified.compared,
        different=verified.different,
        explained=verified.explained,
        verified_at_ms=verified.at_ms,
        verified_no=verified.no,
    )
