"""The hub of the small world (small.py): its tables, and an answer to each request.

It is its commits in order; rows, streams and heads are what a replay of them gives. So a hub
that was put back is a shorter list, and every moment it may be put back to is there.
"""

from functools import cache
from typing import NamedTuple
from uuid import UUID

from msgspec import structs

from sync import merge
from sync.core import hub as judging
from sync.core.hub import Arrival, Position
from sync.merge import BECOMES_CURRENT, CONFLICTS, Image, Outcome
from sync.protocol import Hello, SegmentHeader, StreamPosition

LANE = 0
NOBODY = UUID(int=0)
BEGUN_AT = 2  # commits that are there from the start


class Name(int):
    """An epoch or an incarnation."""


NEW_EPOCH, NEW_INCARNATION = Name(-1), Name(-2)  # no world has them once its names are given


class Kept(NamedTuple):
    """The receipt a board keeps: what the hub signed of its incarnation and its log."""

    incarnation: Name
    generation: int
    no: int
    log_hash: tuple


class Segment(NamedTuple):
    """One row, sealed as the next of its epoch."""

    epoch: Name
    image: tuple


class Life(NamedTuple):
    """What the hub is from now on, until it is put back."""

    incarnation: Name
    generation: int


class Hub(NamedTuple):
    """What one school's tables at the hub say, and how they came to it.

    `past`: commits in order, a Segment or a Life; None when nobody can put this hub back
    any more.
    """

    incarnation: Name
    generation: int
    streams: tuple = ()  # (epoch, images), as they began
    current: tuple = ()
    source: Name | None = None  # the epoch that wrote the current image
    holder: Name | None = None  # another one that sent the same
    change_no: int = 0  # of the current image: there is one row
    heads: tuple = ()  # (epoch, its highest change number)
    beside: frozenset = frozenset()
    log: tuple = ()
    past: tuple | None = ()

    def stream(self, epoch):
        return dict(self.streams).get(epoch, ())


def link(epoch, images):
    """The hash of a stream after these."""
    return (epoch, images)


def renewed(hub, shown=0):
    """A hub that knows it was put back; its clock stands still, so only counting helps."""
    generation = judging.next_generation(hub.generation, shown, now_ms=0)
    return living(hub, Life(NEW_INCARNATION, generation))


def living(hub, life):
    past = None if hub.past is None else (*hub.past, life)
    return hub._replace(incarnation=life.incarnation, generation=life.generation, past=past)


def accepted(hub, segment):
    """Stream, log and row in one transaction; the row by the real judgment. And its outcome."""
    streams = dict(hub.streams)
    streams[segment.epoch] = (*streams.get(segment.epoch, ()), segment.image)
    hub = hub._replace(
        streams=tuple(streams.items()),
        log=(*hub.log, segment),
        past=None if hub.past is None else (*hub.past, segment),
    )
    incoming = image_of(segment.image, segment.epoch)
    outcome = merge.judge(held_image(hub), incoming)
    if outcome in CONFLICTS:
        loser = hub.current if outcome is Outcome.DISPLACED else segment.image
        hub = hub._replace(beside=hub.beside | {loser})
    if outcome is Outcome.DUPLICATE and segment.epoch != hub.source:
        hub = hub._replace(holder=segment.epoch)
    if outcome in BECOMES_CURRENT:
        hub = changed(hub, segment)
    return hub, outcome


def changed(hub, segment):
    no = hub.change_no + 1
    heads = tuple((dict(hub.heads) | {segment.epoch: no}).items())
    row = {"current": segment.image, "source": segment.epoch, "holder": None}
    return hub._replace(change_no=no, heads=heads, **row)


def held_image(hub):
    if not hub.current:
        return None
    return structs.replace(image_of(hub.current, hub.source), holder=hub.holder)


@cache
def replayed(past):
    """The hub as these commits left it."""
    *before, last = past
    if not before:
        return Hub(*last, past=past)
    hub = replayed(tuple(before))
    return living(hub, last) if type(last) is Life else accepted(hub, last)[0]


def image_of(path, source):
    return Image(0, len(path), bytes((path[-1], *path)), source)


def receipt_of(hub):
    return Kept(hub.incarnation, hub.generation, len(hub.log), hub.log)


def has_gone_back(hub, receipt):
    log, no = hub.log, receipt.no
    here = log[:no] if no <= len(log) else None
    return judging.was_rolled_back(receipt, hub.incarnation, here) or judging.has_forgotten(
        receipt, hub.incarnation, hub.generation
    )


def hello(card, hub):
    """The hub's answer, and the hub afterwards: it may have found out that it went back."""
    if card.receipt is not None and has_gone_back(hub, card.receipt):
        hub = renewed(hub, card.receipt.generation)
    stream = hub.stream(card.epoch)
    at = StreamPosition(
        lane=LANE,
        received_n=len(stream),
        received_hash=link(card.epoch, stream),
        applied_n=len(stream),
    )
    answer = Hello(
        node_id=NOBODY,
        epoch=card.epoch,
        streams=[at],
        incarnation=hub.incarnation,
        pull=judging.has_rows_to_pull(dict(hub.heads), card.epoch, card.cursor),
        exceptions=[],
        hub_time_ms=0,
        receipt=None,
        nonce=b"",
    )
    return hub, answer


HEADER = SegmentHeader(
    hub_id=NOBODY,
    node_id=NOBODY,
    school_id=NOBODY,
    epoch=NOBODY,
    lane=LANE,
    n=1,
    prev_hash=b"",
    rows=1,
    body_size=0,
    body_raw_size=0,
    body_sha256=b"",
    schema_version=1,
    app_version="",
    sealed_at_ms=0,
    clock_quality=0,
)


def put(card, n, hub):
    """The hub after a segment has come; what it is to the hub, and what became of its row."""
    stream, outcome = hub.stream(card.epoch), None
    header = structs.replace(HEADER, n=n, prev_hash=link(card.epoch, card.chain[: n - 1]))
    arrival = judging.judge_segment(
        header,
        link(card.epoch, card.chain[:n]),
        Position(len(stream), link(card.epoch, stream)),
        link(card.epoch, stream[:n]) if n <= len(stream) else None,
    )
    if arrival is Arrival.NEXT:
        hub, outcome = accepted(hub, Segment(card.epoch, card.chain[n - 1]))
    return hub, arrival, outcome


def rewinds(hub):
    """The hub as it was after any of its commits, under its old name or a new one, in words.

    It takes longer than a request waits, so no conversation goes on across it.
    """
    for length in range(BEGUN_AT, len(hub.past) + 1):
        then = replayed(hub.past[:length])
        lost = len(hub.past) - length
        yield f"hear that the hub is put back by {lost}", renewed(then)
        if lost:
            yield f"do not hear that the hub is put back by {lost}", then
