"""Where both stand: asked by a box before it sends, answered and signed by the hub.

The hub is the authority on how far it has received. Hello is also how the district knows
that a school is alive and how much waits there.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from sync.core.hub import has_rows_to_pull
from sync.hub.database import Link, rows, scoped
from sync.hub.faults import WrongSchool
from sync.hub.identity import identity
from sync.hub.intake.accepting import position
from sync.hub.intake.exceptions import row_exceptions
from sync.hub.intake.nodes import NodeClaim, node_of
from sync.hub.intake.receipts import Subject, lock_school, notice_rollback, sign_receipt
from sync.hub.outlet.feed import scope_states
from sync.hub.outlet.lag import note_cursors
from sync.hub.running import Hub
from sync.protocol import (
    Hello,
    HelloRequest,
    SignedHello,
    encode,
    hello_message,
)

SCHEMA_OF_ALL_LANES: Final = 4  # boxes of 0.1.0 fall over a lane they did not ask about


class LaneHeld(Struct, frozen=True):
    """A lane of which the hub has segments."""

    lane: int


class FeedHead(Struct, frozen=True):
    """The newest change of one epoch."""

    src_epoch: UUID
    max_change_no: int


FEED_HEADS: Final[LiteralString] = """
SELECT f.src_epoch, f.max_change_no
  FROM sync_feed_head AS f
 WHERE f.school_id = $1
"""

LANES_HELD: Final[LiteralString] = """
SELECT s.lane
  FROM sync_stream AS s
 WHERE s.school_id = $1
   AND s.node_id   = $2
   AND s.epoch     = $3
"""

TOUCH_NODE: Final[LiteralString] = """
UPDATE node
   SET contact_at_ms   = $3,
       epoch           = $4,
       waiting         = $5,
       oldest_since_ms = $6,
       app_version     = $7,
       schema_version  = $8,
       clock_offset_ms = $9,
       clock_quality   = $10
 WHERE school_id = $1
   AND id        = $2
"""

TOUCH_EPOCH: Final[LiteralString] = """
INSERT INTO node_epoch (school_id, node_id, epoch, first_at_ms, last_at_ms)
VALUES ($1, $2, $3, $4, $4)
    ON CONFLICT (school_id, node_id, epoch) DO UPDATE
   SET last_at_ms = greatest(node_epoch.last_at_ms, excluded.last_at_ms)
"""


async def answer_hello(hub: Hub, claim: NodeClaim, request: HelloRequest) -> SignedHello:
    """Say where the hub stands, in each lane asked about or held.

    Raises WrongSchool, BadSignature.
    """
    if request.node_id != claim.node_id:
        raise WrongSchool(f"node {claim.node_id} says hello for {request.node_id}")
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        hello = await _hello(hub, link, claim, request)
        # After the school's lock, as where a segment comes in.
        await _note_contact(link, claim, request, now_ms=hub.clock())
        if request.schema_version >= SCHEMA_OF_ALL_LANES:  # boxes of 0.1.0 read no feed
            await note_cursors(link, claim.school_id, claim.node_id, request.scopes, hello.scopes)
    body = encode(hello)
    return SignedHello(body=body, signature=hub.key.sign(hello_message(body)))


async def stand(hub: Hub, claim: NodeClaim, request: HelloRequest) -> Hello:
    """Say the same to a board that asks by a stick: late, perhaps, and from a life that is over.

    So it is no contact, and no sign that two boards are alive.
    """
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        return await _hello(hub, link, claim, request)


async def _hello(hub: Hub, link: Link, claim: NodeClaim, request: HelloRequest) -> Hello:
    school_id, now_ms = claim.school_id, hub.clock()
    log = await lock_school(link, school_id)
    before = await identity(link)
    who = await notice_rollback(link, before, school_id, request.receipt, now_ms=now_ms)
    streams = [
        await position(link, who, school_id, claim.node_id, request.epoch, lane)
        for lane in await _lanes(link, claim, request)
    ]
    subject = Subject(school_id, claim.node_id, request.epoch)
    return Hello(
        node_id=claim.node_id,
        epoch=request.epoch,
        streams=streams,
        incarnation=who.incarnation,
        pull=await _is_to_pull(link, school_id, request, who.incarnation),
        exceptions=await row_exceptions(link, school_id),
        hub_time_ms=now_ms,
        receipt=sign_receipt(hub.key, who, subject, streams[0], log, now_ms=now_ms)
        if streams
        else None,
        nonce=request.nonce,
        scopes=await scope_states(link, who, school_id, request.scopes),
        node_state=(await node_of(link, claim)).state,
    )


async def _lanes(link: Link, claim: NodeClaim, request: HelloRequest) -> list[int]:
    """Those asked about, and those another board with a copy of this card has used."""
    asked = {stream.lane for stream in request.streams}
    if request.schema_version < SCHEMA_OF_ALL_LANES:
        return sorted(asked)
    held = await rows(link, LaneHeld, LANES_HELD, claim.school_id, claim.node_id, request.epoch)
    return sorted(asked | {each.lane for each in held})


async def _is_to_pull(
    link: Link, school_id: UUID, request: HelloRequest, incarnation: UUID
) -> bool:
    """A cursor of another incarnation counts changes that may never have been here."""
    heads = await rows(link, FeedHead, FEED_HEADS, school_id)
    cursor = request.self_cursor if request.incarnation == incarnation else 0
    return has_rows_to_pull(
        {head.src_epoch: head.max_change_no for head in heads}, request.epoch, cursor
    )


async def _note_contact(
    link: Link, claim: NodeClaim, request: HelloRequest, *, now_ms: int
) -> None:
    await link.execute(
        TOUCH_NODE,
        claim.school_id,
        claim.node_id,
        now_ms,
        request.epoch,
        request.backlog.waiting,
        request.backlog.oldest_since_ms,
        request.app_version,
        request.schema_version,
        request.clock_ms - now_ms,
        request.clock_quality,
    )
    await link.execute(TOUCH_EPOCH, claim.school_id, claim.node_id, request.epoch, now_ms)
