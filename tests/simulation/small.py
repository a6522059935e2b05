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
- The hub is the list of its commits (small_hub.py), and may be put back to any of them.
"""

from enum import Enum
from typing import NamedTuple

from sync import merge
from sync.core import node as deciding
from sync.core.hub import Arrival
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
from sync.merge import BECOMES_CURRENT, CONFLICTS, Outcome
from sync.protocol import StreamState
from tests.simulation.small_hub import (
    LANE,
    NEW_EPOCH,
    Kept,
    Life,
    Name,
    Segment,
    hello,
    image_of,
    link,
    put,
    receipt_of,
    replayed,
)

RANKS = 256  # a hash's first byte, in effect; halved at every write between two others


class Fate(Enum):
    """What becomes of one request."""

    HEARD = "talks"
    UNHEARD = "talks, and the answer is lost"
    LOST = "talks, and nobody hears it"


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


def own_hash(card, n):
    return link(card.epoch, card.chain[:n]) if n <= len(card.chain) else None


def kept(card, receipt):
    """The later of two receipts."""
    is_later = card.receipt is None or card.receipt.no <= receipt.no
    return receipt if is_later else card.receipt


# What the hub answered.


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
