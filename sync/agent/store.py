"""The node's own books: identity, streams, chain, receipts.

Every change is one short transaction on a connection with synchronous=FULL. What a
message rests on is in the database before the message leaves.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from sync.core.node import LaneView
from sync.protocol import (
    LANES,
    Backlog,
    Hello,
    Receipt,
    RowException,
    SignedReceipt,
    StreamState,
    encode,
    genesis,
)
from sync.registry import TABLE_NUMBER_MAX

RANK_MAX: Final = 2  # sync_dirty.rank: 0 hand-ins and marks, 1 facts, 2 the rest

READ_IDENTITY: Final[LiteralString] = """
SELECT node_id, school_id, epoch, hub_id, hub_key, hub_url, incarnation, recovery_due,
       remark_tbl, remark_pk, self_cursor, receipt, receipt_no
  FROM sync_identity
"""

READ_STREAMS: Final[LiteralString] = """
SELECT s.lane, s.cur_n, s.cur_hash, s.trimmed_n, s.received_n, s.applied_n
  FROM sync_stream AS s
 WHERE s.epoch = ?1
 ORDER BY s.lane
"""

READ_LANES: Final[LiteralString] = """
SELECT s.lane, s.cur_n, s.received_n,
       EXISTS (SELECT 1 FROM sync_dirty AS d
                WHERE d.lane = s.lane AND d.rank <= ?2 AND d.tbl <= ?3) AS has_waiting
  FROM sync_stream AS s
 WHERE s.epoch = ?1
 ORDER BY s.lane
"""

READ_HASH: Final[LiteralString] = """
SELECT hash
  FROM sync_chain
 WHERE lane = ?1 AND epoch = ?2 AND n = ?3
"""

READ_PAYLOAD: Final[LiteralString] = """
SELECT payload
  FROM sync_segment
 WHERE lane = ?1 AND epoch = ?2 AND n = ?3
"""

# Sealed rows that the hub has not confirmed wait as much as unsealed ones.
READ_BACKLOG: Final[LiteralString] = """
SELECT (SELECT count(*) FROM sync_dirty) + coalesce(sum(c.rows), 0) AS waiting,
       min(ifnull((SELECT min(since_ms) FROM sync_dirty), min(c.sealed_at_ms)),
           ifnull(min(c.sealed_at_ms), (SELECT min(since_ms) FROM sync_dirty))) AS oldest_since_ms
  FROM sync_stream AS s
  JOIN sync_chain AS c
    ON c.lane = s.lane AND c.epoch = s.epoch AND c.n > s.received_n
 WHERE s.epoch = ?1
"""

OPEN_STREAM: Final[LiteralString] = """
INSERT INTO sync_stream (lane, epoch, cur_hash, incarnation)
VALUES (?1, ?2, ?3, ?4)
"""

SEE_HUB: Final[LiteralString] = """
UPDATE sync_identity
   SET incarnation = ?1
"""

MOVE_STREAM: Final[LiteralString] = """
UPDATE sync_stream
   SET received_n = ?3, applied_n = ?4, incarnation = ?5
 WHERE lane = ?1 AND epoch = ?2
"""

NOTE_BACKUP: Final[LiteralString] = """
UPDATE sync_stream
   SET backed_up_n = ?3
 WHERE lane = ?1 AND epoch = ?2 AND backed_up_n <> ?3
"""

KEEP_RECEIPT: Final[LiteralString] = """
UPDATE sync_identity
   SET receipt = ?1, receipt_no = ?2
 WHERE receipt IS NULL OR receipt_no <= ?2
"""

NOTE_CONTACT: Final[LiteralString] = """
UPDATE sync_identity
   SET contact_at_ms = ?1, contact_error = NULL
"""

# A state of a later release is none that this page has words for.
NOTE_STATE: Final[LiteralString] = """
UPDATE sync_identity
   SET node_state = CASE ?1 WHEN 'replaced' THEN 'replaced' ELSE 'active' END
"""

NOTE_TROUBLE: Final[LiteralString] = """
UPDATE sync_identity
   SET contact_error = ?1
 WHERE contact_error IS NOT ?1
"""

READ_HELD: Final[LiteralString] = "SELECT held_words FROM sync_identity"

NOTE_HELD: Final[LiteralString] = """
UPDATE sync_identity
   SET held_words = ?1
 WHERE held_words IS NOT ?1
"""

FORGET_EXCEPTIONS: Final[LiteralString] = "DELETE FROM sync_exception"

NOTE_EXCEPTION: Final[LiteralString] = """
INSERT INTO sync_exception (tbl, pk, reason)
VALUES (?1, ?2, ?3)
    ON CONFLICT (tbl, pk) DO NOTHING
"""


class Identity(Struct, frozen=True):
    """Who this node is and where its recovery stands."""

    node_id: UUID
    school_id: UUID
    epoch: UUID
    hub_id: UUID | None
    hub_key: bytes | None
    hub_url: str | None
    incarnation: UUID | None
    recovery_due: bool
    remark_tbl: int | None
    remark_pk: bytes | None
    self_cursor: int
    receipt: bytes | None
    receipt_no: int


class Stream(Struct, frozen=True):
    """One lane of the present epoch."""

    lane: int
    cur_n: int
    cur_hash: bytes
    trimmed_n: int
    received_n: int
    applied_n: int


def identity(db: Reader) -> Identity | None:
    """Return None before the box is claimed."""
    return db.row(Identity, READ_IDENTITY)


def streams(db: Reader, epoch: UUID) -> list[Stream]:
    """The streams of `epoch`, by lane."""
    return db.rows(Stream, READ_STREAMS, (epoch,))


def stream_states(db: Reader, epoch: UUID) -> list[StreamState]:
    """Where our own chain stands in every lane."""
    return [
        StreamState(
            lane=each.lane, cur_n=each.cur_n, cur_hash=each.cur_hash, trimmed_n=each.trimmed_n
        )
        for each in streams(db, epoch)
    ]


def lane_views(db: Reader, epoch: UUID, rank_max: int = RANK_MAX) -> list[LaneView]:
    """What the next step depends on, lane by lane; rows of a later rank do not wait."""
    return db.rows(LaneView, READ_LANES, (epoch, rank_max, TABLE_NUMBER_MAX))


def own_hash(db: Reader, me: Identity, lane: int, n: int) -> bytes | None:
    """The hash our chain has at `n`; 0 is the link before the first."""
    if n == 0:
        assert me.hub_id is not None
        return genesis(me.hub_id, me.node_id, me.epoch, lane)
    found = db.value(READ_HASH, (lane, me.epoch, n))
    assert found is None or isinstance(found, bytes)
    return found


def payload(db: Reader, epoch: UUID, lane: int, n: int) -> bytes:
    """A sealed segment as the card gives it back; empty where it is gone."""
    found = db.value(READ_PAYLOAD, (lane, epoch, n))
    return found if isinstance(found, bytes) else b""


def backlog(db: Reader, epoch: UUID) -> Backlog:
    """Everything the hub has not confirmed, computed from the log."""
    found = db.row(Waiting, READ_BACKLOG, (epoch,))
    assert found is not None
    return Backlog(waiting=found.waiting, oldest_since_ms=found.oldest_since_ms)


class Waiting(Struct, frozen=True):
    """A row of READ_BACKLOG."""

    waiting: int
    oldest_since_ms: int | None


def open_streams(tx: Transaction, me: Identity) -> None:
    """Begin every lane of the present epoch from its genesis."""
    assert me.hub_id is not None
    for lane in LANES:
        first = genesis(me.hub_id, me.node_id, me.epoch, lane)
        tx.run(OPEN_STREAM, (lane, me.epoch, first, me.incarnation))


def note_hello(tx: Transaction, me: Identity, answer: Hello) -> None:
    """Note where the hub stands, when it stands on our own chain."""
    tx.run(SEE_HUB, (answer.incarnation,))
    for at in answer.streams:
        tx.run(MOVE_STREAM, (at.lane, me.epoch, at.received_n, at.applied_n, answer.incarnation))
        tx.run(NOTE_BACKUP, (at.lane, me.epoch, at.backed_up_n))
    note_exceptions(tx, answer.exceptions)


def move_stream(tx: Transaction, me: Identity, receipt: Receipt) -> None:
    """Note how far the hub has a stream, as it signed it."""
    tx.run(
        MOVE_STREAM,
        (receipt.lane, me.epoch, receipt.received_n, receipt.applied_n, receipt.incarnation),
    )


def keep_receipt(tx: Transaction, signed: SignedReceipt, receipt: Receipt) -> None:
    """Keep the highest receipt; an older one must not look like a hub that fell behind."""
    tx.run(KEEP_RECEIPT, (encode(signed), receipt.no))


def note_exceptions(tx: Transaction, exceptions: list[RowException]) -> None:
    """Replace the list of rows the hub has put aside."""
    tx.run(FORGET_EXCEPTIONS)
    tx.run_many(NOTE_EXCEPTION, ((each.tbl, each.pk, each.reason) for each in exceptions))
