"""Every order of events of a very small world (small.py): one board, its clone and the hub.

Breadth first, each state once (sameness.py). Work that a board does by itself is one step
with the request that ends it, since nobody else can see it. States with equal counts of
writes and accidents form a layer; talk stays within it, so each layer is asked by itself
whether every order of its talk comes to rest (I15). What a layer with fewer of both has seen
is not looked at again: whatever can follow here can follow there.

    python -m tests.simulation.model WRITES FAULTS
"""

import gc
import sys
import time
from array import array
from collections import Counter

from msgspec import Struct, field

from tests.simulation import small, small_hub
from tests.simulation.sameness import BITS, PART, WHO, Looks, is_safe, memories, once, with_pasts
from tests.simulation.small import Fate

FAILURES_SHOWN = 5
AT_REST, ELSEWHERE = -1, -2  # in the place of a following state's number
BOARDS = ("the first", "the second")
ENDLESS = "I15: some order of talk never comes to rest"


class Result(Struct):
    """What a search has found. A failure is what does not hold, and how it came to that."""

    states: int = 0
    events: Counter = field(default_factory=Counter)
    at_rest: int = 0
    failures: list = field(default_factory=list)


class Model(Looks):
    """What may happen. Owed are acknowledged values that no accident has wiped out."""

    def __init__(self, writes, faults):
        super().__init__()
        self.known |= memories(Model)
        self.writes, self.faults = writes, faults
        card, hub = small.beginning()
        self.begun = self.cards.number(card)
        owed = self.debts.number(frozenset({card.current}))
        self.start = (self.begun, self.begun, self.hubs.number(hub), owed)

    @once
    def talk(self, card, hub, fate):
        after, there = small.talk(self.cards.all[card], self.hubs.all[hub], fate)
        return self.cards.number(after), self.hubs.number(there)

    @once
    def written(self, card, there):
        """Every card this one may become by a write, and what was written."""
        cards = small.writes(self.cards.all[card], there)
        return [(self.cards.number(each), each.current) for each in cards]

    @once
    def put_back(self, hub):
        rewound = small_hub.rewinds(self.hubs.all[hub])
        return [(words, self.hubs.number(each)) for words, each in rewound]

    @once
    def off(self, card):
        return self.cards.number(small.forgetful(self.cards.all[card]))

    @once
    def owing(self, owed, image):
        return self.debts.number(self.debts.all[owed] | {image})

    # Events: in words, and the state after each, whose look is not standard yet.

    def calm(self, one, other, hub, owed):
        """Talk that is heard, of the first board and of the second."""
        card, there = self.talk(one, hub, Fate.HEARD)
        yield "talks", card, other, there, owed
        card, there = self.talk(other, hub, Fate.HEARD)
        yield "talks", one, card, there, owed

    def work(self, one, other, hub, owed):
        """Somebody changes the row on either board."""
        there = self.knowing(one, other, hub)
        for card, image in self.written(one, there):
            yield "writes", card, other, hub, self.owing(owed, image)
        for card, image in self.written(other, there):
            yield "writes", one, card, hub, self.owing(owed, image)

    def accidents(self, one, other, hub, owed):
        """Those that change something; excused is what is nowhere afterwards."""
        for words, *state in self.wrecks(one, other, hub):
            if state != [one, other, hub]:
                yield words, *state, self.excused(owed, *state)

    def wrecks(self, one, other, hub):
        """Words lost, cards put back or copied, and the hub put back."""
        for fate in (Fate.UNHEARD, Fate.LOST):
            card, there = self.talk(one, hub, fate)
            yield fate.value, card, other, there
            card, there = self.talk(other, hub, fate)
            yield fate.value, one, card, there
        yield "is put back", self.begun, other, hub
        yield "is put back", one, self.begun, hub
        yield "gets a copy of the other's card", self.off(other), other, hub
        yield "gets a copy of the other's card", one, self.off(one), hub
        for words, there in self.put_back(hub):
            yield words, self.off(one), self.off(other), there

    def holding(self, one, other, hub):
        """Every image that somebody can look at."""
        there, one, other = self.hubs.all[hub], self.cards.all[one], self.cards.all[other]
        return there.beside.union(
            one.beside, other.beside, (there.current, one.current, other.current)
        )

    def knowing(self, one, other, hub):
        """Every image that may still come from somewhere, and all that these were written over.

        A new one is to be none of them by mistake: it would count as safe where they are.
        """
        streams = [images for _, images in self.hubs.all[hub].streams]
        chains = self.cards.all[one].chain, self.cards.all[other].chain
        return with_pasts(self.holding(one, other, hub).union(*streams, *chains))

    def excused(self, owed, *state):
        held = self.holding(*state)
        values = self.debts.all[owed]
        left = frozenset([each for each in values if is_safe(each, held)])
        return owed if left == values else self.debts.number(left)

    # Looking.

    def look(self, faults):
        """How states of a layer are told apart."""
        return self.essential if faults == self.faults else self.standard

    def is_same(self, key, is_last, one, other, hub):
        """Whether this state, each board in its place, is the one of `key`."""
        if is_last:
            one, other, hub = self.essence(one, other, hub)
        shapes, was = self.cards.shapes, parts_of(key)
        if shapes[one] != shapes[was[0]] or shapes[other] != shapes[was[1]]:
            return False
        return self.in_order(one, other, hub) == key & WHO

    def broken_at_rest(self, one, other, hub, owed):
        """What does not hold although everybody has said everything; None when all does."""
        held = self.holding(one, other, hub)
        current = self.hubs.all[hub].current
        if not all(is_safe(each, held) for each in self.debts.all[owed]):
            return "I1: an acknowledged value is nowhere"
        if any(self.cards.all[each].current != current for each in (one, other)):
            return "I10: a board and the hub differ"
        if is_safe(current, held - {current}):
            return "I13: a replaced value is current again"
        return None


def parts_of(key):
    return key & PART, key >> BITS & PART, key >> 2 * BITS & PART, key >> 3 * BITS


class Layer:
    """All states with the same counts of writes and accidents, and where each came from."""

    def __init__(self, below):
        self.numbers, self.keys, self.came_from, self.below = {}, [], [], below
        self.essences = set()

    def add(self, key, came_from):
        """The state's number, or ELSEWHERE."""
        found = self.numbers.get(key)
        if found is None:
            if any(key in seen for seen in self.below):
                return ELSEWHERE
            found = self.numbers[key] = len(self.keys)
            self.keys.append(key)
            self.came_from.append(came_from)
        return found


class Search:
    """One visit to every state there is."""

    def __init__(self, model):
        self.model, self.result, self.layers = model, Result(), {}
        for at in self.order():
            self.layers[at] = Layer(list(self.seen_before(at)))
        start = model.look(0)(*model.start)
        self.layers[0, 0].add(start, None)

    def order(self):
        """Every layer after those that lead to it."""
        for writes in range(self.model.writes + 1):
            for faults in range(self.model.faults + 1):
                yield writes, faults

    def seen_before(self, at):
        """The keys of layers with fewer writes and accidents, as they are told apart here."""
        for (writes, faults), layer in self.layers.items():
            if writes <= at[0] and faults <= at[1]:
                is_alike = self.model.look(faults) == self.model.look(at[1])
                yield layer.numbers if is_alike else layer.essences

    def run(self, *, stops_early=False, say=lambda _words: None):
        for at in self.order():
            if not (stops_early and self.result.failures):
                self.judge(at, self.visit(at))
                say(f"{at[0]} writes, {at[1]} faults: {len(self.layers[at].keys)} new states\n")
        return self.result

    def visit(self, at):
        """Every state of a layer; returns what follows each by talk of either board."""
        layer, is_last = self.layers[at], at[1] == self.model.faults
        after = (array("i"), array("i"))
        for number, key in enumerate(layer.keys):  # which grows meanwhile
            parts = parts_of(key)
            if not is_last:
                layer.essences.add(self.model.essential(*parts))
            for found, (_, *state) in zip(after, self.model.calm(*parts), strict=True):
                is_same = self.model.is_same(key, is_last, *state[:3])
                found.append(AT_REST if is_same else self.lead(at, at, number, state))
            self.spread(at, (at[0] + 1, at[1]), number, self.model.work(*parts))
            self.spread(at, (at[0], at[1] + 1), number, self.model.accidents(*parts))
        return after

    def spread(self, at, to, number, events):
        if to in self.layers:
            for words, *state in events:
                self.lead(at, to, number, state)
                self.result.events[words] += 1

    def lead(self, at, to, number, state):
        return self.layers[to].add(self.model.look(to[1])(*state), (at, number))

    def judge(self, at, after):
        """Look at every state at rest, and whether all others must come to one."""
        keys = self.layers[at].keys
        calm = bytearray(len(keys))
        for number, key in enumerate(keys):
            if after[0][number] == after[1][number] == AT_REST:
                calm[number] = True
                broken = self.model.broken_at_rest(*parts_of(key))
                self.result.failures += [] if broken is None else [(broken, self.story(at, number))]
        self.result.states += len(keys)
        self.result.at_rest += sum(calm)
        stuck = restless(calm, *after)
        self.result.failures += [(ENDLESS, self.story(at, number)) for number in stuck]

    # How it came to that.

    def story(self, at, number):
        """Every event that led to a state, with its boards in their places all the way."""
        steps = [(at, number)]
        while (before := self.came_from(*steps[-1])) is not None:
            steps.append(before)
        told, state = [], self.model.start
        for to, number in reversed(steps[:-1]):
            words, state = self.event_to(state, to, self.layers[to].keys[number])
            told.append(words)
        return ", ".join(told)

    def came_from(self, at, number):
        return self.layers[at].came_from[number]

    def event_to(self, state, at, key):
        model = self.model
        for happen in (model.calm, model.work, model.accidents):
            for words, *after in happen(*state):
                if model.look(at[1])(*after) == key:
                    who = [BOARDS[n] for n in (0, 1) if after[n] != state[n]]
                    names = model.in_order(*after[:3])
                    return " and ".join(who) + f" {words}", (*parts_of(names)[:3], after[3])
        raise AssertionError("nothing leads there")


def restless(calm, one, other):
    """States that some order of talk keeps from rest; those that must end there become calm."""
    waiting, before = [number for number, is_calm in enumerate(calm) if not is_calm], None
    while waiting and len(waiting) != before:
        before = len(waiting)
        for number in reversed(waiting):
            here, there = one[number], other[number]
            calm[number] = (here < 0 or calm[here]) and (there < 0 or calm[there])
        waiting = [number for number in waiting if not calm[number]]
    return waiting


def explore(writes, faults, **how):
    """Search a world of its own."""
    return Search(Model(writes, faults)).run(**how)


def main():
    writes, faults = (int(word) for word in (sys.argv[1:] or ("3", "2")))
    began = time.monotonic()
    gc.disable()  # millions of parts, none of which is ever let go of: a third of the time
    result = explore(writes, faults, say=sys.stderr.write)
    lines = [f"{words}: {story}" for words, story in result.failures[:FAILURES_SHOWN]]
    lines.append(
        f"model: 1 board, 1 clone, hub; at most {writes} writes, {faults} faults:"
        f" {result.states} states, {sum(result.events.values())} events, {result.at_rest} at rest,"
        f" {time.monotonic() - began:.0f} s, violations {len(result.failures)}"
    )
    print("\n".join(lines))  # noqa: T201 -- the verdict is the whole purpose
    sys.exit(1 if result.failures else 0)


if __name__ == "__main__":
    main()
