"""What the hub signs: how far it keeps a stream, and the head of the school's log.

A box holds its highest receipt against the hub. A hub that no longer has the log it
signed was rolled back, and says so before it answers anything else.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from sync.core.hub import has_forgotten, was_rolled_back
from sync.hub.database import Link, row
from sync.hub.faults import BadSignature
from sync.hub.identity import Identity, change_incarnation
from sync.hub.keys import HubKey
from sync.protocol import (
    LOG_BEGIN,
    Receipt,
    SegmentHeader,
    SignedReceipt,
    StreamPosition,
    decode,
    encode,
    receipt_message,
)


class SchoolLog(Struct, frozen=True):
    """The lock of a school, its numbers, and the head of its log."""

    change_no: int
    log_no: int
    log_hash: bytes


class Subject(Struct, frozen=True):
    """Whose receipt it is."""

    school_id: UUID
    node_id: UUID
    epoch: UUID


# FOR UPDATE: whatever a school sends is taken in one piece after another.
LOCK_SCHOOL: Final[LiteralString] = """
SELECT s.change_no, s.log_no, s.log_hash
  FROM school_sync AS s
 WHERE s.school_id = $1
   FOR UPDATE
"""

SCHOOL_LOG: Final[LiteralString] = """
SELECT s.change_no, s.log_no, s.log_hash
  FROM school_sync AS s
 WHERE s.school_id = $1
"""

LOG_HASH_AT: Final[LiteralString] = """
SELECT i.log_hash
  FROM sync_inbox AS i
 WHERE i.school_id = $1
   AND i.log_no    = $2
"""


async def lock_school(connection: Link, school_id: UUID) -> SchoolLog:
    """Be the only one who takes in this school's work, until the transaction ends."""
    found = await row(connection, SchoolLog, LOCK_SCHOOL, school_id)
    assert found is not None, f"school {school_id} has a node and no log"
    return found


async def school_log(connection: Link, school_id: UUID) -> SchoolLog:
    """Read the head of the log without waiting for anybody."""
    found = await row(connection, SchoolLog, SCHOOL_LOG, school_id)
    assert found is not None, f"school {school_id} has a node and no log"
    return found


def subject_of(header: SegmentHeader) -> Subject:
    """Read whose segment it is."""
    return Subject(header.school_id, header.node_id, header.epoch)


def sign_receipt(
    key: HubKey,
    hub: Identity,
    subject: Subject,
    at: StreamPosition,
    log: SchoolLog,
    *,
    now_ms: int,
) -> SignedReceipt:
    """Promise what is committed with this transaction; the answer leaves only after it."""
    body = encode(
        Receipt(
            hub_id=hub.hub_id,
            incarnation=hub.incarnation,
            school_id=subject.school_id,
            node_id=subject.node_id,
            epoch=subject.epoch,
            lane=at.lane,
            received_n=at.received_n,
            received_hash=at.received_hash,
            applied_n=at.applied_n,
            no=log.log_no,
            log_hash=log.log_hash,
            issued_at_ms=now_ms,
            generation=hub.generation,
        )
    )
    return SignedReceipt(body=body, signature=key.sign(receipt_message(body)))


async def notice_rollback(
    connection: Link, hub: Identity, school_id: UUID, held: SignedReceipt | None, *, now_ms: int
) -> Identity:
    """Return who to answer as: with a new incarnation when `held` proves a roll-back.

    Raises BadSignature for a receipt this hub never signed.
    """
    if held is None:
        return hub
    receipt = read_receipt(held, hub)
    if (receipt.hub_id, receipt.school_id) != (hub.hub_id, school_id):
        return hub
    log_hash = await log_hash_at(connection, school_id, receipt.no)
    if was_rolled_back(receipt, hub.incarnation, log_hash) or has_forgotten(
        receipt, hub.incarnation, hub.generation
    ):
        return await change_incarnation(
            connection, hub.incarnation, now_ms=now_ms, shown=receipt.generation
        )
    return hub


def read_receipt(held: SignedReceipt, hub: Identity) -> Receipt:
    """Read a receipt, after its signature: what we signed is readable."""
    try:
        VerifyKey(hub.hub_key).verify(receipt_message(held.body), held.signature)
    except BadSignatureError as error:
        raise BadSignature("this hub did not sign that receipt") from error
    return decode(held.body, Receipt)


async def log_hash_at(connection: Link, school_id: UUID, no: int) -> bytes | None:
    """Return the school's log at `no` as it is now; None past its end."""
    if no == 0:
        return LOG_BEGIN
    found: bytes | None = await connection.fetchval(LOG_HASH_AT, school_id, no)
    return found
