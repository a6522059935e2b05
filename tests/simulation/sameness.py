"""When two states of the small world mean the same: nothing that can follow tells them apart.

Names of epochs and incarnations are given in the order they occur, and which board is called
the first does not count. After the last accident more can matter no more: nobody can put the
hub or a card back, so what both ends of a chain agree on, how far apart two change numbers
are, and epochs nobody writes in any more say nothing. What is left is the essence.
"""

from functools import wraps

from tests.simulation.small_hub import Name

BITS = 21  # of one part's number in a state's key
PART = (1 << BITS) - 1
WHO = (1 << 3 * BITS) - 1  # everything but what is owed
DEAD = Name(-3)  # an epoch that no board writes in any more
FORMER = Name(-4)  # an incarnation the hub had once
DIVERGED = "another log"


def once(method):
    """Remember what follows from a few parts."""
    name = method.__name__

    @wraps(method)
    def asked(self, *key):
        known = self.known[name]
        found = known.get(key)
        if found is None:
            found = known[key] = method(self, *key)
        return found

    asked.is_remembered = True
    return asked


def memories(kind):
    return {name: {} for name, each in vars(kind).items() if hasattr(each, "is_remembered")}


class Parts:
    """Cards, hubs or debts by number, each once. `shapes`: the same under any names."""

    def __init__(self):
        self.numbers, self.all, self.names, self.shapes, self.renamings = {}, [], [], [], {}

    def number(self, part):
        found = self.numbers.get(part)
        if found is None:
            found = self.numbers[part] = len(self.all)
            assert found <= PART, "more parts than a key has room for"
            self.all.append(part)
            self.names.append(tuple(dict.fromkeys(names_in(part))))
            self.shapes.append(found)
            own = {each: at for at, each in enumerate(self.names[found])}
            self.shapes[found] = self.renamed(found, own)
        return found

    def renamed(self, number, names):
        given = (number, *[names[each] for each in self.names[number]])
        found = self.renamings.get(given)
        if found is None:
            new = dict(zip(self.names[number], map(Name, given[1:]), strict=True))
            found = self.renamings[given] = self.number(renamed(self.all[number], new))
        return found


class Looks:
    """Keys of states: equal keys, equal futures. A state is numbers of its parts."""

    def __init__(self):
        self.cards, self.hubs, self.debts = Parts(), Parts(), Parts()
        self.known = memories(Looks)

    def standard(self, one, other, hub, owed):
        """The key, whatever its names and whichever board is the first."""
        shapes = self.cards.shapes
        if shapes[one] > shapes[other]:
            one, other = other, one
        found = self.in_order(one, other, hub)
        if one != other and shapes[one] == shapes[other]:
            found = min(found, self.in_order(other, one, hub))
        return found | owed << 3 * BITS

    def in_order(self, one, other, hub):
        """Give names in the order they occur: the hub's first while it has a past."""
        cards, hubs = self.cards, self.hubs
        names = {}
        parts = [cards.names[one], cards.names[other], hubs.names[hub]]
        if hubs.all[hub].past is not None:
            parts.reverse()
            parts[1:] = parts[:0:-1]
        for part in parts:
            for each in part:
                if each not in names:
                    names[each] = len(names)
        one, other = cards.renamed(one, names), cards.renamed(other, names)
        return one | other << BITS | hubs.renamed(hub, names) << 2 * BITS

    def essential(self, one, other, hub, owed):
        """The key of a state after the last accident."""
        one, other, hub = self.essence(one, other, hub)
        return self.standard(one, other, hub, self.open_debt(owed, hub))

    def essence(self, one, other, hub):
        """The parts without what cannot matter any more; what is beside is the hub's to keep."""
        cards = self.cards.all
        bare = self.bare(hub, cards[one].beside, cards[other].beside)
        one, other = self.proven(one, hub), self.proven(other, hub)
        epochs = cards[one].epoch, cards[other].epoch
        hub = self.focused(bare, *epochs)
        if epochs[0] == epochs[1]:
            one, other, hub = self.both_agreed(one, other, hub)
        else:
            one, hub = self.agreed(one, hub)
            other, hub = self.agreed(other, hub)
        hub, *cursors = self.placed(hub, cards[one].cursor, cards[other].cursor)
        return self.at_cursor(one, cursors[0]), self.at_cursor(other, cursors[1]), hub

    @once
    def open_debt(self, owed, hub):
        """What is beside at the hub stays there."""
        beside = self.hubs.all[hub].beside
        left = [each for each in self.debts.all[owed] if not is_safe(each, beside)]
        return self.debts.number(frozenset(left))

    @once
    def bare(self, hub, *besides):
        there = self.hubs.all[hub]
        beside = utmost(there.beside.union(*besides))
        return self.hubs.number(there._replace(generation=0, log=(), past=None, beside=beside))

    @once
    def proven(self, card, hub):
        held = self.cards.all[card]
        receipt = proof(held.receipt, self.hubs.all[hub])
        return self.cards.number(held._replace(receipt=receipt, beside=frozenset()))

    @once
    def focused(self, hub, *epochs):
        """Only the epochs that somebody writes in."""
        there = self.hubs.all[hub]
        streams = frozenset((epoch, there.stream(epoch)) for epoch in epochs)
        source = there.source if there.source in epochs else DEAD
        holder = there.holder if there.holder in epochs else None
        heads = heads_of(there, epochs)
        found = there._replace(streams=streams, source=source, holder=holder, heads=heads)
        return self.hubs.number(found)

    @once
    def agreed(self, card, hub):
        (card,), hub = without_agreed([self.cards.all[card]], self.hubs.all[hub])
        return self.cards.number(card), self.hubs.number(hub)

    @once
    def both_agreed(self, one, other, hub):
        sharing = [self.cards.all[one], self.cards.all[other]]
        (one, other), hub = without_agreed(sharing, self.hubs.all[hub])
        return self.cards.number(one), self.cards.number(other), self.hubs.number(hub)

    @once
    def placed(self, hub, *cursors):
        """Change numbers are only compared; what the hub has yet to reach is as far as it was."""
        there = self.hubs.all[hub]
        found = {0, there.change_no, *cursors, *dict(there.heads).values()}
        found.update(range(there.change_no, max(found)))
        place = {no: at for at, no in enumerate(sorted(found))}
        heads = frozenset((epoch, place[head]) for epoch, head in there.heads)
        hub = self.hubs.number(there._replace(change_no=place[there.change_no], heads=heads))
        return hub, *(place[each] for each in cursors)

    @once
    def at_cursor(self, card, cursor):
        return self.cards.number(self.cards.all[card]._replace(cursor=cursor))


def is_safe(image, held):
    """Whether somebody holds it, or what was written over it."""
    return any(each[: len(image)] == image for each in held)


def with_pasts(images):
    """These, and every image that one of them was written over."""
    return frozenset(each[:at] for each in images for at in range(1, len(each) + 1))


def utmost(images):
    """Those that are not written over by another of them: the others are safe with these."""
    return frozenset(each for each in images if not is_safe(each, images - {each}))


def proof(receipt, hub):
    """What a receipt can still tell: nothing, if the hub holds what it says or lives later."""
    if receipt is None:
        return None
    ahead = max(receipt.no - len(hub.log), 0)
    receipt = receipt._replace(generation=max(receipt.generation - hub.generation, -1))
    if receipt.incarnation != hub.incarnation:
        is_idle = not ahead and receipt.generation < 0
        return None if is_idle else receipt._replace(incarnation=FORMER, no=ahead, log_hash=())
    shared = min(receipt.no, len(hub.log))
    if receipt.log_hash[:shared] != hub.log[:shared]:
        return receipt._replace(no=ahead, log_hash=DIVERGED)
    return receipt._replace(no=ahead, log_hash=receipt.log_hash[shared:]) if ahead else None


def heads_of(hub, epochs):
    """Of all epochs nobody writes in, the highest counts."""
    heads = dict(hub.heads)
    dead = max((head for epoch, head in heads.items() if epoch not in epochs), default=0)
    found = {epoch: heads.get(epoch, 0) for epoch in epochs} | {DEAD: dead}
    return frozenset((epoch, head) for epoch, head in found.items() if head)


def without_agreed(cards, hub):
    """Cut from the chains of one epoch, and from its stream, what all of them have in common."""
    epoch = cards[0].epoch
    stream = hub.stream(epoch)
    heard = [card.received_n for card in cards if card.heard and not card.heard.fork]
    agreed = min([*heard, *(in_common(stream, card.chain) for card in cards)])
    cards = [
        card._replace(chain=card.chain[agreed:], received_n=max(card.received_n - agreed, 0))
        for card in cards
    ]
    streams = dict(hub.streams) | {epoch: stream[agreed:]}
    return cards, hub._replace(streams=frozenset(streams.items()))


def in_common(one, other):
    """How many of the first are equal."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def names_in(thing):
    """Every name, in the order they occur; in a set they occur nowhere first."""
    if type(thing) is Name:
        yield thing
    elif isinstance(thing, tuple | frozenset):
        for part in thing:
            yield from names_in(part)


def renamed(thing, names):
    """The same with other names."""
    if type(thing) is Name:
        return names[thing]
    if isinstance(thing, frozenset):
        return frozenset(renamed(part, names) for part in thing)
    if not isinstance(thing, tuple):
        return thing
    parts = [renamed(part, names) for part in thing]
    return thing._make(parts) if hasattr(thing, "_make") else tuple(parts)
