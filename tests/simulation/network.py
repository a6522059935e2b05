"""A network that loses, repeats, delays, cuts and damages; and a hub that is slow."""

import contextlib
import hashlib

import msgspec
from msgspec import Struct, structs

from sync.agent.downstream import FetchPage
from sync.agent.faults import HubUntrusted, Refused
from sync.agent.session import Fetch, Greet, Send
from sync.core.segment import SegmentRefused
from sync.protocol import BlobChunk, BlobPart, SignedHello, decode, encode
from tests.simulation.files import Ask
from tests.simulation.hub import Broken, Crashed, Denied
from tests.simulation.hub_files import ask_file
from tests.simulation.outlet import CursorUnknown, feed_page

LATE_MAX = 12
PAGES_MAX = 12


class Lost(Exception):
    """The network did not bring an answer."""


class Late(Struct, frozen=True):
    """A request that arrives long after its box gave up."""

    node_id: bytes
    request: object


def carry(world, board, request, badness):
    """Bring one request to the hub and its answer back. Raises Lost, Broken, Denied."""
    fate = world.dice.choice(FATES) if world.dice.random() < badness else deliver
    return fate(world, board, request)


def ask(world, node_id, request):
    """What the hub does with a request that arrived whole."""
    world.counts["requests"] += 1
    try:
        match request:
            case Greet(hello=hello):
                return world.hub.hello(hello)
            case Send(payload=payload):
                return world.hub.put(node_id, payload)
            case Fetch(epoch=epoch, cursor=cursor):
                return world.hub.pull(node_id, epoch, cursor, world.dice.randint(1, 6))
            case FetchPage(cursor=cursor):
                page = feed_page(world.hub, node_id, cursor, world.dice.randint(1, 4))
                world.pages = [*world.pages[-PAGES_MAX:], (node_id, page)]
                return page
            case Ask():
                return ask_file(world.hub, node_id, request)
    except Crashed:
        raise Lost from None
    raise AssertionError(request)


def deliver(world, board, request):
    answer = ask(world, board.node_id, request)
    world.counts["answers"] += 1
    return answer


def lose(world, board, request):
    """It never arrives."""
    raise Lost


def delay(world, board, request):
    """It arrives when nobody waits for it any more, perhaps after later ones."""
    world.late = [*world.late[-LATE_MAX:], Late(board.node_id, request)]
    raise Lost


def cut(world, board, request):
    """Only its beginning arrives."""
    if isinstance(request, Send):
        at = int(len(request.payload) * world.dice.random())
        refuse(world, board, request.payload[:at])
    raise Lost


def damage(world, board, request):
    """One bit is flipped on the way, there or back."""
    if isinstance(request, Send):
        refuse(world, board, flipped(world.dice, request.payload))
    if isinstance(request, Greet):
        answer = deliver(world, board, request)
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return decode(flipped(world.dice, encode(answer)), SignedHello)
    if isinstance(request, Ask):
        return damage_piece(world, board, request)
    raise Lost


def damage_piece(world, board, request):
    """Of a file: up, where the hub must see it, or back, where the board must.

    Back from a failing disk the piece itself looks whole.
    """
    if request.message is None:
        answer = deliver(world, board, request)
        assert isinstance(answer, BlobPart)
        data = flipped(world.dice, answer.data or b"-")
        digest = world.dice.choice((answer.digest, hashlib.sha256(data).digest()))
        return structs.replace(answer, data=data, digest=digest)
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, Refused):
        chunk = decode(flipped(world.dice, encode(request.message)), BlobChunk)
        ask(world, board.node_id, Ask(request.path, chunk))
    raise Lost


def repeat(world, board, request):
    """A proxy sends it twice."""
    deliver(world, board, request)
    return deliver(world, board, request)


def unheard(world, board, request):
    """Done at the hub, and nobody hears it."""
    deliver(world, board, request)
    raise Lost


def slow(world, board, request):
    """While the hub takes its time, school goes on and others talk."""
    answer = deliver(world, board, request)
    world.work.do_something(board)
    other = world.dice.choice(world.boards)
    if other is not board:
        with contextlib.suppress(Lost):
            world.exchange(other, 0)
    return answer


def late_arrives(world):
    if world.late:
        late = world.late.pop(world.dice.randrange(len(world.late)))
        with contextlib.suppress(Broken, Denied, SegmentRefused, Lost, CursorUnknown, Refused):
            ask(world, late.node_id, late.request)


def old_page_arrives(world):
    """A page of the feed that its box has long given up waiting for."""
    if world.pages:
        node_id, page = world.dice.choice(world.pages)
        for board in world.boards:
            if board.node_id == node_id and board.reading is not None:
                with contextlib.suppress(HubUntrusted):
                    board.reading.take_page(page, now_ms=world.now_ms)


def refuse(world, board, payload):
    """A damaged segment must be refused as a whole."""
    with contextlib.suppress(SegmentRefused, Denied):
        world.hub.put(board.node_id, payload)
        raise AssertionError("I4: a damaged segment was taken in")


def flipped(dice, content):
    at = int(len(content) * 8 * dice.random())
    damaged = bytearray(content)
    damaged[at // 8] ^= 1 << at % 8
    return bytes(damaged)


FATES = (lose, lose, delay, delay, cut, damage, damage, repeat, unheard, unheard, unheard, slow)
