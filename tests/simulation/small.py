"""A very small world of values: one row, a board, its clone and a hub, and what may happen.

Every decision is the real one of sync.core and sync.merge. What stands here in a few tuples
instead of SQLite and PostgreSQL is only what those decisions are told and what they change;
test_model.py plays the same stories through the real session over real SQLite and compares.

What is abstracted, and why nothing is lost by it:

- An image is the path of hash ranks by which it was written: (4,) was written over by (4, 2).
  So the path is its past, its length its version, and its last rank orders it among images of
  one version. Ranks are chosen anew at every write, below, between and above those there are,
  because a hash may fall anywhere. A deletion is one more image: the merge does not tell them
  apart.
- Hashes of segments and of the hub's log are what they hash. They are only ever compared.
- An epoch and an incarnation are a Name, and any name is as good as another: a world is
  looked at after its names have been given in the order they occur.
- The hub is the list of its commits; rows, streams and heads are computed from it, as after a
  replay. So a hub put back is a shorter list, and every moment it may be put back to is there.
"""

from enum import Enum
from functools import cache
from typing import NamedTuple
from uuid import UUID

from msgspec import structs

from sync import merge
from sync.core import hub as judging
from sync.core import node as deciding
from sync.core.hub import Arrival, Position
from sync.core.node import (
    BeginEpoch,
    FetchPage,
    Heard,
    LaneView,
    MarkRows,
    Rest,
    SayHello,
    SealRows,
    SendSegment,
    View,
)
from sync.merge import BECOMES_CURRENT, CONFLICTS, Image, Outcome
from sync.protocol import Hello, SegmentHeader, StreamPosition, StreamState

LANE = 0
RANKS = 256  # a hash's first byte, in effect; halved at every write between two others
NOBODY = UUID(int=0)
BEGUN_AT = 2  # commits of the hub that are there from the start


class Name(int):
    """An epoch or an incarnation."""


NEW_EPOCH, NEW_INCARNATION = Name(-1), Name(-2)  # no world has them once its names are given


class Fate(Enum):
    """What becomes of one request."""

    HEARD = "talks"
    UNHEARD = "talks, and the answer is lost"
    LOST = "talks, and nobody hears it"


class Kept(NamedTuple):
    """The receipt a board keeps: what the hub signed of its incarnation and its log."""

    incarnation: Name
    generation: int
    no: int
    log_hash: tuple


class Card(NamedTuple):
    """What one board's database says, and what its session has heard."""

    epoch: Name
    chain: tuple  # images of this epoch's segments, in order
    received_n: int
    current: tuple
    is_dirty: bool
    beside: frozenset
    owes: bool
    has_marks: bool
    cursor: int
    incarnation: Name
    receipt: Kept | None
    heard: Heard | None
    told: Name | None  # the incarnation to begin the next epoch under


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


# The board: local steps, then one request.


def work(card):
    """Everything a board does without asking anybody, and the request it makes then.

    With nothing to say it says hello again: at rest that changes nothing.
    """
    while True:
        step = deciding.next_step(view(card))
        match step:
            case BeginEpoch():
                card = begun(card)
            case MarkRows():
                card = card._replace(is_dirty=True, has_marks=False)
            case SealRows():
                card = card._replace(chain=(*card.chain, card.current), is_dirty=False)
            case Rest():
                card = forgetful(card)
            case SayHello() | FetchPage() | SendSegment():
                return card, step


def view(card):
    lane = LaneView(LANE, len(card.chain), card.received_n, card.is_dirty)
    return View(card.heard, card.has_marks, card.owes, [lane])


def forgetful(card):
    """Contact was lost. What the hub had is in the database too, and hello says it again."""
    return card._replace(heard=None, told=None, received_n=0)


def begun(card):
    """A new epoch, its debt and its empty stream: one transaction."""
    is_same = card.told == card.incarnation
    return card._replace(
        epoch=NEW_EPOCH,
        chain=(),
        received_n=0,
        owes=True,
        has_marks=True,
        cursor=0,
        incarnation=card.told,
        receipt=card.receipt if is_same else None,
        heard=None,
        told=None,
    )


def link(epoch, images):
    """The hash of a stream after these."""
    return (epoch, images)


def own_hash(card, n):
    return link(card.epoch, card.chain[:n]) if n <= len(card.chain) else None


def kept(card, receipt):
    """The later of two receipts."""
    is_later = card.receipt is None or card.receipt.no <= receipt.no
    return receipt if is_later else card.receipt


# The hub: its tables, and an answer to each request.


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


def take_hello(card, answer, hub):
    (at,) = answer.streams
    here = StreamState(
        lane=LANE,
        cur_n=len(card.chain),
        cur_hash=link(card.epoch, card.chain),
        trimmed_n=0,
    )
    fork = deciding.judge_hello(
        answer,
        incarnation=card.incarnation,
        streams=[here],
        own_hashes={LANE: own_hash(card, at.received_n)},
    )
    heard = Heard(fork, answer.pull)
    if fork is not None:
        return forgetful(card)._replace(heard=heard, told=answer.incarnation)
    return card._replace(
        heard=heard,
        incarnation=answer.incarnation,
        received_n=at.received_n,
        receipt=kept(card, receipt_of(hub)),
    )


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


def take_segment_answer(card, n, answer):
    """Note the receipt, if it speaks of our own chain and of every row; else say hello."""
    hub, arrival, outcome = answer
    receipt, stream = receipt_of(hub), hub.stream(card.epoch)
    is_ours = (
        receipt.incarnation == card.incarnation
        and (card.receipt is None or receipt.no >= card.receipt.no)
        and own_hash(card, len(stream)) == link(card.epoch, stream)
    )
    is_plain = arrival is Arrival.NEXT and outcome not in CONFLICTS
    if not (is_plain and is_ours and len(stream) >= n):
        return forgetful(card)
    return card._replace(received_n=len(stream), receipt=kept(card, receipt))


def take_page(card, hub):
    """Merge the row, if another epoch wrote it past the cursor; then the debt is paid."""
    if hub.incarnation != card.incarnation:
        return forgetful(card)
    if hub.change_no > card.cursor and hub.source != card.epoch:
        card = met(card, hub.current)
    others = [head for epoch, head in hub.heads if epoch != card.epoch]
    return card._replace(
        cursor=max([card.cursor, *others]),
        owes=False,
        receipt=kept(card, receipt_of(hub)),
        heard=Heard(None, pull=False),
    )


def met(card, theirs):
    """A row from the hub meets ours; brought back, it is the school's own and waits again."""
    outcome = merge.judge(image_of(card.current, card.epoch), image_of(theirs, "the hub"))
    if outcome in CONFLICTS:
        loser = card.current if outcome is Outcome.DISPLACED else theirs
        card = card._replace(beside=card.beside | {loser})
    if outcome in BECOMES_CURRENT:
        card = card._replace(current=theirs, is_dirty=True)
    return card


# What may happen.


def talk(card, hub, fate):
    """Local steps, then one request and its fate; the card and the hub afterwards."""
    card, step = work(card)
    if fate is Fate.LOST:
        return forgetful(card), hub
    match step:
        case SayHello():
            hub, answer = hello(card, hub)
            heard = take_hello(card, answer, hub)
        case SendSegment(n=n):
            answer = hub, arrival, _ = put(card, n, hub)
            is_broken = arrival is Arrival.BROKEN
            heard = forgetful(card) if is_broken else take_segment_answer(card, n, answer)
        case FetchPage():
            heard = take_page(card, hub)
    return (heard if fate is Fate.HEARD else forgetful(card)), hub


def writes(card, there):
    """The row changed on one board; its hash may fall anywhere among those `there` are.

    Or somebody types the same over the same on the other board.
    """
    version = len(card.current) + 1
    peers = {path for path in there if len(path) == version}
    ranks = sorted(path[-1] for path in peers)
    borders = zip([0, *ranks], [*ranks, RANKS], strict=True)
    chosen = [(*card.current, (low + high) // 2) for low, high in borders]
    chosen += [path for path in peers if path[:-1] == card.current]
    return [card._replace(current=path, is_dirty=True) for path in chosen]


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


def beginning():
    """A row written, sealed, taken and confirmed; then somebody copies the card."""
    incarnation, epoch, first = Name(0), Name(1), (RANKS // 2,)
    hub = replayed((Life(incarnation, 0), Segment(epoch, first)))
    card = Card(
        epoch=epoch,
        chain=(first,),
        received_n=0,
        current=first,
        is_dirty=False,
        beside=frozenset(),
        owes=False,
        has_marks=False,
        cursor=0,
        incarnation=incarnation,
        receipt=receipt_of(hub),
        heard=None,
        told=None,
    )
    return card, hub
