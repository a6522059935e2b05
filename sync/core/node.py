"""What a node does next, decided from what its database and the hub say.

Level-triggered: no step follows from the one before, all follow from state that survives
a power cut. So a conversation may be cut anywhere and simply goes on.

    hello ─► fork? new epoch ─► rows to mark? mark ─► debt or pull? fetch ─► send ─► seal ─► rest
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from sync.protocol import Hello, StreamPosition, StreamState


class Fork(StrEnum):
    """Why this lineage of the log has to be left."""

    HUB_AHEAD = "hub-ahead"  # the hub has more of our chain than we: a backup, a lost write
    OTHER_HISTORY = "other-history"  # the same number with another hash: a clone
    PAYLOAD_GONE = "payload-gone"  # the hub fell behind what we still keep
    NEW_INCARNATION = "new-incarnation"  # the hub was rolled back
    RESTORED = "restored"  # the file was put back or put together: its streams are gone
    PAYLOAD_DAMAGED = "payload-damaged"  # the card lost bits of what was sealed and not sent


class SayHello(Struct, frozen=True):
    """Ask the hub where both stand."""


class BeginEpoch(Struct, frozen=True):
    """Leave this lineage: new epoch, recovery debt, in one transaction."""

    reason: Fork


class MarkRows(Struct, frozen=True):
    """Mark the next few of the school's own rows to be sent again."""


class FetchPage(Struct, frozen=True):
    """Fetch rows of this school that other epochs wrote."""


class SendSegment(Struct, frozen=True):
    """Send a sealed segment."""

    lane: int
    n: int


class SealRows(Struct, frozen=True):
    """Put waiting rows into a segment."""

    lane: int


class Rest(Struct, frozen=True):
    """Everything is at the hub."""


Step = SayHello | BeginEpoch | MarkRows | FetchPage | SendSegment | SealRows | Rest


class Heard(Struct, frozen=True):
    """What the hub said in this conversation; forgotten when contact is lost."""

    fork: Fork | None
    pull: bool


class LaneView(Struct, frozen=True):
    """One lane: what was sealed, what the hub has of it, whether rows wait."""

    lane: int
    cur_n: int
    received_n: int
    has_waiting: bool


class View(Struct, frozen=True):
    """Everything the next step depends on."""

    heard: Heard | None
    has_rows_to_mark: bool
    recovery_due: bool
    lanes: Sequence[LaneView]


def next_step(view: View) -> Step:
    """Choose the next step. Pull first, then seal: a debt blocks everything behind it."""
    if view.heard is None:
        return SayHello()
    if view.heard.fork is not None:
        return BeginEpoch(view.heard.fork)
    if view.has_rows_to_mark:
        return MarkRows()
    if view.recovery_due or view.heard.pull:
        return FetchPage()
    return _send_or_seal(view.lanes)


def _send_or_seal(lanes: Sequence[LaneView]) -> Step:
    for lane in lanes:
        if lane.received_n < lane.cur_n:
            return SendSegment(lane.lane, lane.received_n + 1)
        if lane.has_waiting:
            return SealRows(lane.lane)
    return Rest()


def judge_hello(
    answer: Hello,
    *,
    incarnation: UUID | None,
    streams: Sequence[StreamState],
    own_hashes: Mapping[int, bytes | None],
) -> Fork | None:
    """Compare the hub's position with our own chain; None means we may go on.

    `own_hashes`: for each lane the hash our chain has at the number the hub names, None
    when our chain has no such number. A lane only the hub knows was used by a clone.
    """
    if incarnation is not None and answer.incarnation != incarnation:
        return Fork.NEW_INCARNATION
    by_lane = {stream.lane: stream for stream in streams}
    for position in answer.streams:
        stream = by_lane.get(position.lane)
        found = _judge_stream(position, stream, own_hashes[position.lane])
        if found is not None:
            return found
    return None


def _judge_stream(
    position: StreamPosition, stream: StreamState | None, own_hash: bytes | None
) -> Fork | None:
    if stream is None or position.received_n > stream.cur_n:
        return Fork.HUB_AHEAD
    if position.received_hash != own_hash:
        return Fork.OTHER_HISTORY
    if position.received_n < stream.trimmed_n:
        return Fork.PAYLOAD_GONE
    return None
