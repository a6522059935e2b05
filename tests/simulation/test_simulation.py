"""The protocol against its accidents, and the suite against a protocol with one rule less."""

from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from tests.simulation.ablations import ABLATIONS
from tests.simulation.accidents import ACTS
from tests.simulation.actions import MIXES, Action, draw, parse
from tests.simulation.board import make_template
from tests.simulation.minimise import minimise
from tests.simulation.runner import SEEDS_TO_NOTICE, first_violation, folder, play, play_range
from tests.simulation.world import World

SEEDS = len(MIXES)  # one of each; `make simulate` plays 2,000, a night 20,000
DECISION_36 = {
    "delete",
    "restore",
    "restore and delete",
    "clone",
    "restore and facts",
    "hub rollback, trimmed payloads",
    "hub to its latest backup, trimmed",
    "everything",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.mark.timeout(180)
def test_nothing_acknowledged_is_lost_in_any_mix_of_accidents():
    played = play_range(range(SEEDS))
    assert [(one.seed, one.mix, one.failure) for one in played if one.failure] == []
    assert sum(one.counts["writes"] for one in played) > SEEDS * 20
    assert [act for act in ACTS if not any(one.counts[act] for one in played)] == []


def test_the_mixes_that_broke_the_first_design_are_there():
    assert set(MIXES) >= DECISION_36
    assert {name for each in MIXES.values() for name in each.accidents} <= set(ACTS)


def test_a_seed_is_every_choice(template, tmp_path):
    first = play(7, MIXES["everything"], tmp_path, template)
    assert play(7, MIXES["everything"], tmp_path, template) == first


@pytest.mark.parametrize(
    "mix", ["restore and rollback", "clone and restore", "sticks", "poison", "erasure, late sticks"]
)
def test_i11_clocks_decide_nothing(mix, template, tmp_path):
    ends = [ended(mix, clock, tmp_path / str(clock), template) for clock in range(3)]
    assert ends[0] == ends[1] == ends[2]


def ended(mix, clock, folder, template):
    """Play the same actions with clocks of their own, jumping by decades."""
    folder.mkdir()
    actions = draw(3, MIXES[mix])
    for at in range(5, len(actions) + 10, 10):
        actions.insert(at, Action("jump_clock", at))
    world = World(3, MIXES[mix], folder, template)
    world.clock = Random(clock)
    world.run(actions)
    state = world.state()
    world.close()
    return state


@pytest.mark.parametrize("rule", ABLATIONS)
def test_the_suite_notices_a_missing_rule(rule, template):
    ablation, mix = ABLATIONS[rule]
    with folder() as name, ablation():
        assert first_violation(mix, Path(name), template) is not None


def test_a_failure_is_told_by_its_shortest_list_of_actions(template):
    """Most of seventy actions are noise; a clone and what it needs are not."""
    ablation, mix = ABLATIONS["no sync_conflict"]
    with folder() as name, ablation():
        seed = next(seed for seed in range(SEEDS_TO_NOTICE) if fails(seed, mix, name, template))
        shortest = minimise(
            draw(seed, mix), lambda actions: fails(seed, mix, name, template, actions)
        )
        assert len(shortest) <= 12
        assert fails(seed, mix, name, template, parse(" ".join(map(str, shortest))))
    with folder() as name:
        assert not fails(seed, mix, name, template, shortest)


def fails(seed, mix, name, template, actions=None):
    return play(seed, mix, Path(name), template, actions)[1] is not None


def test_left_out_actions_change_nothing_in_the_others():
    actions = draw(5, MIXES["everything"])
    assert draw(5, MIXES["everything"]) == actions
    assert minimise(actions, lambda left: actions[3] in left and actions[40] in left) == [
        actions[3],
        actions[40],
    ]


def test_a_mix_without_accidents_has_none():
    calm = structs.replace(MIXES["everything"], accidents={})
    assert {action.name for action in draw(1, calm)} == {"late_arrives", "talk", "work"}
