"""What the hub decides, as pure functions: is this the next segment, was I rolled back.

The hub, not the node, is the authority on the watermark. The simulation's hub and the
real one both ask here.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from uuid import UUID

from msgspec import Struct

from sync.protocol import Receipt, SegmentHeader

GENERATIONS_BEGIN_MS: Final = 1_735_689_600_000  # 2025-01-01; in seconds, 31 bits reach to 2093
GENERATION_BY_CLOCK_MAX: Final = (1 << 31) - (1 << 20)  # a wrong clock leaves a million to count


class Position(Struct, frozen=True):
    """How far a stream has been received: the number and the hash of its last segment."""

    received_n: int
    received_hash: bytes


class Arrival(StrEnum):
    """What an authentic segment is to the stream it names."""

    NEXT = "next"
    REPEATED = "repeated"  # answered 200; the body is not looked at again
    BROKEN = "broken"  # a gap or another history: 409, and the node says hello


def judge_segment(
    header: SegmentHeader, header_hash: bytes, at: Position, hash_at_n: bytes | None
) -> Arrival:
    """Place a segment; `hash_at_n` is the hash this hub received as that number, if any.

    A number that was received with another hash is always broken: two boards share one
    epoch, and answering 200 would let the second believe its work is here.
    """
    if header.n == at.received_n + 1 and header.prev_hash == at.received_hash:
        return Arrival.NEXT
    if header.n <= at.received_n and hash_at_n == header_hash:
        return Arrival.REPEATED
    return Arrival.BROKEN


def was_rolled_back(receipt: Receipt, incarnation: UUID, log_hash_at_no: bytes | None) -> bool:
    """Say whether this hub signed a state of the school's log that it no longer holds.

    `log_hash_at_no` is its log at `receipt.no` now, None past the end. Then the hub changes
    its incarnation before it answers. Receipts of earlier incarnations prove nothing new:
    judging them again would change the incarnation once for every box of the district.
    """
    return receipt.incarnation == incarnation and receipt.log_hash != log_hash_at_no


def has_forgotten(receipt: Receipt, incarnation: UUID, generation: int) -> bool:
    """Say whether this hub had a life of which it knows nothing: put back, twice perhaps.

    After two roll-backs to one moment both lives count from the same generation. The next
    one counts from above the receipt's, so each life is noticed once, not once for each box.
    """
    return receipt.incarnation != incarnation and receipt.generation >= generation


def next_generation(known: int, shown: int, *, now_ms: int) -> int:
    """Return one that was never given out: above all that are known, and by the clock.

    The seconds since 2025: a hub that is put back once more is so at a later time.
    """
    by_clock = (now_ms - GENERATIONS_BEGIN_MS) // 1_000
    return max(known + 1, shown + 1, min(by_clock, GENERATION_BY_CLOCK_MAX))


def has_rows_to_pull(heads: Mapping[UUID, int], epoch: UUID, self_cursor: int) -> bool:
    """Say whether another epoch of this school wrote past the node's cursor.

    `heads`: the highest change number each epoch has written. Without this an epoch that
    was left and restored from a backup would look valid.
    """
    return any(head > self_cursor for other, head in heads.items() if other != epoch)
