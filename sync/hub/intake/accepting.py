"""Taking in one segment: checked, placed, kept as it came, merged; all of it or nothing.

Safe to repeat: a box that lost our answer sends the same bytes again and gets the same
answer. What is acknowledged is committed, with the raw segment beside the rows.
"""

import asyncio
import logging
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct, structs

from appliance.errors import DarasaError, Invalid, TooLarge
from sync.core.hub import Arrival, Position, judge_segment
from sync.core.segment import (
    Segment,
    SegmentCorrupt,
    SegmentRefused,
    SegmentTooLarge,
    SignatureWrong,
    open_body,
    read_segment,
)
from sync.hub.database import Link, row, scoped
from sync.hub.faults import BadSignature, ChainBroken, CorruptSegment, WrongSchool
from sync.hub.identity import Identity, identity
from sync.hub.intake.former_keys import FormerKey, former_keys
from sync.hub.intake.holding import let_go, next_held, stream_of
from sync.hub.intake.merging import Merging, Tally, merge_segment
from sync.hub.intake.nodes import Node, NodeClaim, node_named
from sync.hub.intake.receipts import SchoolLog, lock_school, sign_receipt, subject_of
from sync.hub.intake.rotating import why_rows_wait
from sync.hub.intake.staging import Sorted, refuse_all, sort_rows
from sync.hub.running import Hub
from sync.protocol import SegmentAnswer, StreamPosition, genesis, next_log_hash

logger = logging.getLogger(__name__)

POSITION: Final[LiteralString] = """
SELECT s.lane, s.received_n, s.received_hash, s.applied_n, coalesce(b.n, 0) AS backed_up_n
  FROM sync_stream AS s
  LEFT JOIN sync_backed_up AS b
    ON b.school_id = s.school_id
   AND b.node_id   = s.node_id
   AND b.epoch     = s.epoch
   AND b.lane      = s.lane
 WHERE s.school_id = $1
   AND s.node_id   = $2
   AND s.epoch     = $3
   AND s.lane      = $4
"""

HASH_AT: Final[LiteralString] = """
SELECT i.hash
  FROM sync_inbox AS i
 WHERE i.school_id = $1
   AND i.node_id   = $2
   AND i.epoch     = $3
   AND i.lane      = $4
   AND i.n         = $5
"""

# Compare-and-swap, although the school is locked: a position that moved must never be set.
ADVANCE: Final[LiteralString] = """
INSERT INTO sync_stream AS s (school_id, node_id, epoch, lane, received_n, received_hash,
                              applied_n, received_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $5, $8)
    ON CONFLICT (school_id, node_id, epoch, lane) DO UPDATE
   SET received_n     = excluded.received_n,
       received_hash  = excluded.received_hash,
       applied_n      = excluded.applied_n,
       received_at_ms = excluded.received_at_ms
 WHERE s.received_n    = $5 - 1
   AND s.received_hash = $7
"""

# What became of it stays for ever; its bytes stand in the month they came (months.py).
KEEP_RAW: Final[LiteralString] = """
WITH kept AS (
    INSERT INTO sync_inbox (school_id, node_id, epoch, lane, n, hash, log_no, log_hash, rows,
                            inserted, updated, superseded, conflict, duplicate, quarantined,
                            erased, received_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    RETURNING school_id, received_at_ms, log_no
)
INSERT INTO sync_raw (school_id, received_at_ms, log_no, raw)
SELECT k.school_id, k.received_at_ms, k.log_no, $7
  FROM kept AS k
 WHERE $7::bytea IS NOT NULL
"""

MOVE_SCHOOL: Final[LiteralString] = """
UPDATE school_sync
   SET change_no = $2,
       log_no    = $3,
       log_hash  = $4
 WHERE school_id = $1
"""

MOVE_FEED: Final[LiteralString] = """
INSERT INTO sync_feed_head (school_id, src_epoch, max_change_no)
VALUES ($1, $2, $3)
    ON CONFLICT (school_id, src_epoch) DO UPDATE
   SET max_change_no = excluded.max_change_no
"""

# What arrives waits no longer; without this the district's list is as old as the last hello.
NOTE_ARRIVAL: Final[LiteralString] = """
UPDATE node
   SET contact_at_ms   = $3,
       waiting         = greatest(waiting - $4, 0),
       oldest_since_ms = CASE WHEN waiting > $4 THEN oldest_since_ms END
 WHERE school_id = $1
   AND id        = $2
"""


class Address(Struct, frozen=True):
    """What the URL says a segment is."""

    node_id: UUID
    epoch: UUID
    lane: int
    n: int


async def accept_segment(
    hub: Hub, claim: NodeClaim, address: Address, payload: bytes
) -> SegmentAnswer:
    """Keep and merge a segment, and what had come before its turn and continues it.

    Raises CorruptSegment, TooLarge, BadSignature, WrongSchool, ChainBroken.
    """
    answer, waiting = await _accept(hub, claim, address, payload)
    return await go_on(hub, claim, waiting) or answer


async def go_on(hub: Hub, claim: NodeClaim, waiting: bytes | None) -> SegmentAnswer | None:
    """Take in what has been waiting; None when there was nothing.

    One that cannot be taken in goes on waiting: the box is told where the stream ends.
    """
    answer = None
    while waiting is not None:
        header = _read(waiting).header
        address = Address(header.node_id, header.epoch, header.lane, header.n)
        try:
            answer, waiting = await _accept(hub, claim, address, waiting)
        except DarasaError as error:
            logger.warning("held segment refused n=%d code=%s", header.n, error.code)
            break
        answer = structs.replace(answer, has_exceptions=True)  # hello says which, of them all
    if answer is not None:
        async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
            await let_go(link, claim.school_id, now_ms=hub.clock())
    return answer


async def _accept(
    hub: Hub, claim: NodeClaim, address: Address, payload: bytes
) -> tuple[SegmentAnswer, bytes | None]:
    segment = _read(payload)
    _require_own(segment, claim, address)
    async with hub.gate.lane(), scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        node = await node_named(link, claim)
        former = await former_keys(link, claim.node_id)
        who = await identity(link)
        blocks = await asyncio.to_thread(_open, segment, node, former, who, hub.clock())
        answer = await _place(hub, link, who, segment, blocks, payload)
        return answer, await next_held(link, stream_of(segment), answer)


def _read(payload: bytes) -> Segment:
    try:
        return read_segment(payload)
    except SegmentTooLarge as error:
        raise TooLarge(str(error)) from error
    except SegmentCorrupt as error:
        raise CorruptSegment(str(error)) from error


def _require_own(segment: Segment, claim: NodeClaim, address: Address) -> None:
    header = segment.header
    if (header.school_id, header.node_id) != (claim.school_id, claim.node_id):
        raise WrongSchool(f"segment {header.n} is of another school or node")
    if (header.node_id, header.epoch, header.lane, header.n) != (
        address.node_id,
        address.epoch,
        address.lane,
        address.n,
    ):
        raise Invalid("the address names another segment than the one that was sent")


def _open(
    segment: Segment, node: Node, former: list[FormerKey], who: Identity, now_ms: int
) -> list[Sorted]:
    """Verify, unpack and sort; 10-50 ms for a full segment, hence on a thread and unlocked.

    What a closed box still brings is authentic: it is kept, and its rows wait for a person.
    """
    if segment.header.hub_id != who.hub_id:
        raise WrongSchool(f"segment {segment.header.n} was sealed for another hub")
    try:
        why = why_rows_wait(segment, node, former, now_ms=now_ms)
        blocks = open_body(segment)
    except SignatureWrong as error:
        raise BadSignature(str(error)) from error
    except SegmentRefused as error:
        raise CorruptSegment(str(error)) from error
    if why is not None:
        return [refuse_all(block, why) for block in blocks]
    return [sort_rows(block, node.school_id, who.owner_epoch) for block in blocks]


async def _place(
    hub: Hub, link: Link, who: Identity, segment: Segment, blocks: list[Sorted], payload: bytes
) -> SegmentAnswer:
    header, now_ms = segment.header, hub.clock()
    log = await lock_school(link, header.school_id)
    at = await position(link, who, header.school_id, header.node_id, header.epoch, header.lane)
    arrival = judge_segment(
        header,
        segment.hash,
        Position(at.received_n, at.received_hash),
        await _hash_at(link, segment) if header.n <= at.received_n else None,
    )
    if arrival is Arrival.BROKEN:
        raise ChainBroken(header.n, received_n=at.received_n, received_hash=at.received_hash)
    has_exceptions = True  # a repeated one is not looked at again; hello knows
    if arrival is Arrival.NEXT:
        merging = Merging(header, log.change_no, now_ms, Tally())
        await merge_segment(link, merging, blocks)
        has_exceptions = merging.tally.quarantined + merging.tally.conflict > 0
        at, log = await _advance(link, segment, payload, merging, log)
    receipt = sign_receipt(hub.key, who, subject_of(header), at, log, now_ms=now_ms)
    return SegmentAnswer(
        received_n=at.received_n,
        received_hash=at.received_hash,
        applied_n=at.applied_n,
        incarnation=who.incarnation,
        receipt=receipt,
        has_exceptions=has_exceptions,
    )


async def position(
    link: Link, who: Identity, school_id: UUID, node_id: UUID, epoch: UUID, lane: int
) -> StreamPosition:
    """Where a stream stands; a stream never seen stands at its genesis."""
    found = await row(link, StreamPosition, POSITION, school_id, node_id, epoch, lane)
    if found is not None:
        return found
    start = genesis(who.hub_id, node_id, epoch, lane)
    return StreamPosition(lane=lane, received_n=0, received_hash=start, applied_n=0)


async def _hash_at(link: Link, segment: Segment) -> bytes | None:
    header = segment.header
    found: bytes | None = await link.fetchval(
        HASH_AT, header.school_id, header.node_id, header.epoch, header.lane, header.n
    )
    return found


async def _advance(
    link: Link, segment: Segment, payload: bytes, merging: Merging, log: SchoolLog
) -> tuple[StreamPosition, SchoolLog]:
    header = segment.header
    log = SchoolLog(merging.change_no, log.log_no + 1, next_log_hash(log.log_hash, segment.hash))
    stream = (header.school_id, header.node_id, header.epoch, header.lane)
    moved = await link.execute(
        ADVANCE, *stream, header.n, segment.hash, header.prev_hash, merging.now_ms
    )
    assert moved == "INSERT 0 1", f"stream {stream} moved under the school's lock"
    counts = tuple(getattr(merging.tally, name) for name in Tally.__struct_fields__)
    raw = None if merging.tally.erased else payload  # it holds what must not be kept
    await link.execute(
        KEEP_RAW,
        *(*stream, header.n, segment.hash, raw, log.log_no, log.log_hash, header.rows),
        *(*counts, merging.now_ms),
    )
    await link.execute(NOTE_ARRIVAL, header.school_id, header.node_id, merging.now_ms, header.rows)
    await link.execute(MOVE_SCHOOL, header.school_id, log.change_no, log.log_no, log.log_hash)
    if merging.has_changed:
        await link.execute(MOVE_FEED, header.school_id, header.epoch, log.change_no)
    at = StreamPosition(
        lane=header.lane, received_n=header.n, received_hash=segment.hash, applied_n=header.n
    )
    return at, log
