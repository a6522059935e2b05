"""Every order of events of a very small world, through the real session over real SQLite.

One board, its clone and the hub; a few writes, a few accidents. Breadth first, each state
once: two histories that leave the same rows, books and memories are one. Ids are made from
what happened to a board, not from dice, so that equal states look equal.

    python -m tests.simulation.model WRITES FAULTS
"""

import hashlib
import sys
import time
from collections import Counter, deque
from pathlib import Path
from uuid import UUID

import zstandard
from msgspec import Struct, field, structs

from sync.agent.session import Chance, Fetch, Greet, Send, Session, Worked
from tests.simulation.actions import mix
from tests.simulation.board import SIZE_MAX, digests_of, make_template, stamp
from tests.simulation.hub import Broken, State
from tests.simulation.runner import folder
from tests.simulation.work import ADD_GROUP, DELETE_GROUP, RENAME_GROUP
from tests.simulation.world import World

CALM = mix(network=0)
GROUP = b"the only class.."
KEY = ("class_group", GROUP)
JOURNAL_BYTES = slice(18, 20)  # a file in memory has no WAL; the header must not ask for one
BOOKS = """
SELECT epoch, incarnation, recovery_due, remark_tbl, remark_pk, self_cursor, receipt_no
  FROM sync_identity
"""
FAILURES_SHOWN = 5


class Card(Struct, frozen=True):
    """A board that is not running: its file, what its session remembers, what it holds."""

    image: bytes
    heard: object
    incarnation: UUID | None
    epochs: int
    looks: bytes
    current: tuple
    held: frozenset
    digests: tuple


class Node(Struct, frozen=True):
    """One state of the world. `owed`: acknowledged values that no accident has wiped out."""

    cards: tuple
    hub: State
    owed: frozenset
    writes: int = 0
    faults: int = 0
    story: tuple = ()


class Result(Struct):
    """What a search has found."""

    states: int = 0
    at_rest: int = 0
    events: Counter = field(default_factory=Counter)
    failures: list = []


class Model:
    """The world in which states are put up, one event is played, and the next is read."""

    def __init__(self, base, writes, faults):
        place = base / "world"
        place.mkdir()
        self.world = World(1, CALM, place, make_template(base / "template"), schools=1)
        self.writes, self.faults = writes, faults
        self.board, self.hub = self.world.boards[0], self.world.hub
        self.hub.new_incarnation = lambda: named("hub", self.hub.generation)
        row = (GROUP, self.board.school_id.bytes, "first", 0)
        self.world.work.commit(self.board, "class_group", GROUP, (ADD_GROUP, row))
        self.world.talk_out(self.board)
        self.board.connection.close()
        self.board.connection = self.board.db._connection  # a file in memory has one user
        self.board.begin_session()
        card = self.card(0)
        self.start = Node((card, card), self.hub.journal[-1], frozenset({self.board_key()}))

    def board_key(self):
        return (*KEY, self.board.look().rows[KEY].hash)

    def card(self, epochs):
        """The board as it is now."""
        board, session = self.board, self.board.session
        image = bytearray(board.connection.serialize("main"))
        image[JOURNAL_BYTES] = b"\1\1"
        look = board.look()
        books = board.connection.execute(BOOKS).fetchall()
        streams = sorted((lane, repr(each)) for lane, each in look.streams.items())
        parts = (sorted(look.rows), sorted(look.dirty), sorted(look.conflicts), books, streams)
        held = frozenset(board.hashes())
        return Card(
            image=zstandard.compress(bytes(image), 1),
            heard=session._heard,
            incarnation=session._incarnation,
            epochs=epochs,
            looks=digest(parts, sorted(held), repr(session._heard), session._incarnation, epochs),
            current=(look.rows[KEY].hash,),
            held=held,
            digests=tuple(sorted(board.digests().items())),
        )

    # Putting a state up, and reading the one after.

    def put_up(self, node, number):
        """The board of one card, as it was; ids of new epochs follow from its history."""
        card = node.cards[number]
        self.board.connection.deserialize("main", zstandard.decompress(card.image))
        self.board.life += 1
        self.board.touched.clear()
        chance = Chance(epoch=lambda: named("epoch", number, card.epochs), nonce=lambda: bytes(16))
        session = self.board.session = Session(self.board.db, self.board.key, chance)
        session._heard, session._incarnation = card.heard, card.incarnation
        self.hub.journal = [node.hub]
        self.hub._become(node.hub)

    def after(self, node, number, event, **changes):
        has_forked = self.board.session.forked is not None
        card = self.card(node.cards[number].epochs + has_forked)
        cards = (card, node.cards[1]) if number == 0 else (node.cards[0], card)
        story = (*node.story, f"{event} {number}")
        return structs.replace(node, cards=cards, hub=self.hub.journal[-1], story=story, **changes)

    # What may happen.

    def events(self, node):
        """Every next state; those without an accident or a write are told apart (I15)."""
        for number in (0, 1):
            yield True, self.talk(node, number, is_heard=True)
            if node.faults < self.faults:
                yield False, self.talk(node, number, is_heard=False)
            if node.writes < self.writes:
                yield False, self.write(node, number, RENAME_GROUP)
                yield False, self.write(node, number, DELETE_GROUP)
        if node.faults < self.faults:
            for accident in self.accidents(node):
                yield False, self.excused(accident)

    def write(self, node, number, statement):
        """Its text names what it was written over, so every image has one past."""
        self.put_up(node, number)
        parent = self.board_key()
        told = f"after {parent[2].hex()[:8]}" if statement is RENAME_GROUP else node.writes
        with self.board.writing() as execute:
            execute(statement, (GROUP, told, 0))
        self.world.check_captured(self.board)
        key = self.board_key()
        self.world.oracle.tried(key, parent)
        event = "renames" if statement is RENAME_GROUP else "deletes"
        owed, writes = node.owed | {key}, node.writes + 1
        return self.after(node, number, event, owed=owed, writes=writes)

    def talk(self, node, number, *, is_heard):
        """Local steps, which nobody else can see, then one request; or its answer is lost.

        With nothing to say, a board says hello again: at rest that changes nothing.
        """
        self.put_up(node, number)
        session = self.board.session
        while isinstance(request := session.next_request(stamp(0), SIZE_MAX), Worked):
            continue
        if request is None:
            session.forget()
            request = session.next_request(stamp(0), SIZE_MAX)
        event = type(request).__name__.lower() + ("" if is_heard else " unheard")
        try:
            answer = self.ask(request)
            if is_heard:
                self.world._take(self.board, request, answer)
        except Broken:
            session.forget()
        if not is_heard:
            self.board.session.forget()
        return self.after(node, number, event, faults=node.faults + (not is_heard))

    def ask(self, request):
        match request:
            case Greet(hello=hello):
                return self.hub.hello(hello)
            case Send(payload=payload):
                return self.hub.put(self.board.node_id, payload)
            case Fetch(epoch=epoch, cursor=cursor):
                return self.hub.pull(self.board.node_id, epoch, cursor, 5)
        raise AssertionError(request)

    def accidents(self, node):
        """Each card, or the hub, is put back to how it began; noticed or not."""
        begun, faults = self.start.cards[0], node.faults + 1
        for number in (0, 1):
            card = structs.replace(begun, epochs=node.cards[number].epochs)
            cards = (card, node.cards[1]) if number == 0 else (node.cards[0], card)
            story = (*node.story, f"put back {number}")
            yield structs.replace(node, cards=cards, faults=faults, story=story)
        for is_noticed in (False, True):
            self.put_up(node, 0)
            state = structs.replace(self.start.hub, generation=node.hub.generation)
            self.hub.put_back(state, is_noticed=is_noticed)
            story = (*node.story, f"hub put back, {'' if is_noticed else 'un'}noticed")
            hub = self.hub.journal[-1]
            yield structs.replace(node, hub=hub, faults=faults, story=story)

    def excused(self, node):
        """What is nowhere now was lost by the accident, not by the protocol."""
        held = self.held(node)
        owed = frozenset(key for key in node.owed if self.world.oracle._is_safe(key, held))
        return structs.replace(node, owed=owed)

    # Looking.

    def school(self, node):
        return node.hub.schools[self.board.school_id]

    def held(self, node):
        school = self.school(node)
        there = {(*key, row.hash) for key, row in school.rows.items()} | set(school.conflicts)
        return there.union(*(card.held for card in node.cards))

    def looks(self, node):
        """What tells two states apart; clocks, signatures and the story do not."""
        school = self.school(node)
        rows = sorted((key, repr(row.image), row.change_no) for key, row in school.rows.items())
        streams = sorted(
            (str(key), [link.hash for link in links]) for key, links in school.streams.items()
        )
        parts = (rows, sorted(school.conflicts), streams, school.log, node.hub.incarnation)
        cards = [card.looks for card in node.cards]
        return digest(
            parts, cards, sorted(node.owed), node.hub.generation, node.writes, node.faults
        )

    def broken_at_rest(self, node):
        """What does not hold although everybody has said everything; None when all does."""
        held, school = self.held(node), self.school(node)
        if not all(self.world.oracle._is_safe(key, held) for key in node.owed):
            return "I1: an acknowledged value is nowhere"
        there = tuple(sorted(digests_of(school.rows, frozenset()).items()))
        if any(card.digests != there for card in node.cards):
            return "I10: a board and the hub differ"
        currents = [(*key, row.hash) for key, row in school.rows.items()]
        if self.world.oracle.overtaken(currents, held):
            return "I13: a replaced value is current again"
        return None


def search(model, *, stops_early):
    """Visit every state once; then ask of each whether it still leads to rest (I15)."""
    result, came_from, resting = Result(), {}, []
    seen = {model.looks(model.start): ()}
    waiting = deque([model.start])
    while waiting and not (stops_early and result.failures):
        node = waiting.popleft()
        here, is_at_rest = model.looks(node), True
        for is_calm, after in model.events(node):
            there = model.looks(after)
            is_at_rest = is_at_rest and (there == here or not is_calm)
            result.events[after.story[-1][:-2]] += 1
            if is_calm:
                came_from.setdefault(there, []).append(here)
            if there not in seen:
                seen[there] = after.story
                waiting.append(after)
        if is_at_rest:
            resting.append(here)
            broken = model.broken_at_rest(node)
            result.failures += [] if broken is None else [(broken, node.story)]
    result.states, result.at_rest = len(seen), len(resting)
    if waiting:
        return result
    stuck = seen.keys() - reached(resting, came_from)
    result.failures += [("I15: this never comes to rest", seen[each]) for each in stuck]
    return result


def reached(resting, came_from):
    """Every state from which talk alone leads to rest."""
    found, open_ones = set(resting), list(resting)
    while open_ones:
        before = [each for each in came_from.get(open_ones.pop(), ()) if each not in found]
        found.update(before)
        open_ones += before
    return found


def explore(writes, faults, *, stops_early=False):
    """Search a world of its own."""
    with folder() as name:
        model = Model(Path(name), writes, faults)
        try:
            return search(model, stops_early=stops_early)
        finally:
            model.world.close()


def named(*parts):
    return UUID(bytes=digest(*parts)[:16])


def digest(*parts):
    return hashlib.sha256(repr(parts).encode()).digest()


def main():
    writes, faults = (int(word) for word in (sys.argv[1:] or ("2", "1")))
    began = time.monotonic()
    result = explore(writes, faults)
    lines = [f"{words}: {', '.join(story)}" for words, story in result.failures[:FAILURES_SHOWN]]
    lines.append(
        f"model: 1 board, 1 clone, hub; at most {writes} writes, {faults} faults:"
        f" {result.states} states, {sum(result.events.values())} events, {result.at_rest} at rest,"
        f" {time.monotonic() - began:.0f} s, violations {len(result.failures)}"
    )
    print("\n".join(lines))  # noqa: T201 -- the verdict is the whole purpose
    sys.exit(1 if result.failures else 0)


if __name__ == "__main__":
    main()
