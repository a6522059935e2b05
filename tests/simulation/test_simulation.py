"""The protocol against its accidents, and the suite against a protocol with one rule less."""

from pathlib import Path

import pytest

from tests.simulation.ablations import ABLATIONS
from tests.simulation.board import make_template
from tests.simulation.runner import folder, play, play_range
from tests.simulation.world import MIXES

SEEDS = 60  # `make simulate` plays 2,000
SEEDS_TO_NOTICE = 250


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return make_template(tmp_path_factory.mktemp("template"))


def test_nothing_acknowledged_is_lost_in_any_mix_of_accidents():
    counts, failures = play_range(range(SEEDS))
    assert failures == []
    assert counts["writes"] > SEEDS * 20
    assert all(counts[act] > 0 for act in ("power_fails", "restore", "clone", "roll_hub_back"))


def test_a_seed_is_every_choice(template, tmp_path):
    first = play(7, MIXES["everything"], tmp_path, template)
    assert play(7, MIXES["everything"], tmp_path, template) == first


@pytest.mark.parametrize("rule", ABLATIONS)
def test_the_suite_notices_a_missing_rule(rule, template):
    ablation, mix = ABLATIONS[rule]
    assert first_violation(ablation, mix, template) is not None


def first_violation(ablation, mix, template):
    """Play until something breaks; with all rules in place none of these seeds does."""
    with folder() as name, ablation():
        for seed in range(SEEDS_TO_NOTICE):
            _, failure = play(seed, mix, Path(name), template)
            if failure is not None:
                return seed
    return None
