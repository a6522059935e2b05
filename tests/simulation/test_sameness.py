"""What the small model leaves out when it looks at a state hides nothing.

After the last accident states are told apart by their essence only (sameness.py). Here all
are told apart, and held against what their essence promises.
"""

import pytest

from sync import merge
from sync.core import hub as judging
from sync.core import node as deciding
from tests.simulation import small_hub
from tests.simulation import test_model as rules
from tests.simulation.ablations import replaced
from tests.simulation.model import Model, Search, explore, parts_of
from tests.simulation.sameness import memories, once


class Whole(Model):
    """Tells states apart by everything they are, also after the last accident."""

    def __init__(self, *size):
        super().__init__(*size)
        self.known |= memories(Whole)

    def look(self, _faults):
        return self.standard

    def is_same(self, key, is_last, *state):
        is_last = False
        return super().is_same(key, is_last, *state)

    @once
    def seen(self, essence):
        """A state's essence, its images by their places among each other."""
        one, other, hub, owed = parts_of(essence)
        cards = self.cards.all[one], self.cards.all[other]
        state = (*cards, self.hubs.all[hub], self.debts.all[owed])
        return placed(state, places_of(set(images_in(state))))


def test_states_that_look_alike_have_futures_that_look_alike():
    search = Search(Whole(2, 1))
    assert search.run().failures == []
    model, alike = search.model, {}
    for writes in (0, 1, 2):
        for key in search.layers[writes, 1].keys:
            alike.setdefault(model.essential(*parts_of(key)), []).append(key)
    assert sum(map(len, alike.values())) > 10_000
    for essence, keys in alike.items():
        promised = future(model, essence)
        assert all(future(model, key) == promised for key in keys)


@pytest.mark.parametrize(
    ("owner", "name", "broken"),
    [
        (deciding, "judge_hello", rules.no_hash_compare),
        (deciding, "judge_hello", rules.a_longer_log_is_fine),
        (deciding, "next_step", rules.no_row_is_sent_again),
        (judging, "has_rows_to_pull", rules.never_anything_to_pull),
        (merge, "judge", rules.no_conflict_is_kept),
        (merge, "judge", rules.whoever_came_first_stays),
        (merge, "judge", rules.equal_counters_are_equal),
    ],
    ids=lambda each: getattr(each, "__name__", None),
)
def test_a_broken_rule_shows_as_much_as_if_all_states_were_told_apart(owner, name, broken):
    for size in ((2, 0), (1, 1)):
        small_hub.replayed.cache_clear()
        with replaced(owner, name, broken):
            told = promises_broken(explore(*size))
            small_hub.replayed.cache_clear()
            assert told == promises_broken(Search(Whole(*size)).run())
    small_hub.replayed.cache_clear()


def promises_broken(result):
    return {words for words, _ in result.failures}


def future(model, key):
    """What talk and work lead to, and what does not hold if this is the end."""
    parts = parts_of(key)
    talks = frozenset(model.seen(model.essential(*state)) for _, *state in model.calm(*parts))
    works = frozenset(model.seen(model.essential(*state)) for _, *state in model.work(*parts))
    is_rest = talks == {model.seen(model.essential(*parts))}
    return talks, works, model.broken_at_rest(*parts) if is_rest else None


def images_in(thing):
    """Every image: they alone are written as plain numbers side by side."""
    if is_image(thing):
        yield thing
    elif isinstance(thing, tuple | frozenset):
        for part in thing:
            yield from images_in(part)


def is_image(thing):
    return type(thing) is tuple and thing and all(type(part) is int for part in thing)


def places_of(images):
    """Among all of one version, also those that were only written over."""
    past = {image[:length] for image in images for length in range(1, len(image) + 1)}
    by_rank = sorted(past, key=lambda image: (len(image), image[-1], image))
    return {image: place for place, image in enumerate(by_rank)}


def placed(thing, places):
    if is_image(thing):
        return tuple(places[thing[: at + 1]] for at in range(len(thing)))
    if isinstance(thing, frozenset):
        return frozenset(placed(part, places) for part in thing)
    if isinstance(thing, tuple):
        return tuple(placed(part, places) for part in thing)
    return thing
