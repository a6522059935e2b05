"""The four drills of the box in small, and that they find what they are there to find."""

import asyncio
from collections import Counter

import pytest

from tests.drills import corrupt, disk_full, migrate_kill, restore
from tests.drills.lineage import Found


@pytest.mark.system
@pytest.mark.postgres
@pytest.mark.timeout(120)
def test_damaged_cards_lose_nothing_without_a_word():
    tally = asyncio.run(corrupt.drill(6, seed=3, writes=12))
    assert tally.is_good, tally.silent
    assert sum(tally.states.values()) == 6
    assert "silently lost 0" in corrupt.verdict(tally, 6)


def test_one_silent_loss_fails_the_drill():
    tally = corrupt.Tally(states=Counter(sound=1), silent=["round 0: sound: grade 07"])
    assert corrupt.verdict(tally, 1).startswith("corrupt FAIL")


@pytest.mark.system
@pytest.mark.postgres
@pytest.mark.timeout(120)
def test_a_restored_board_has_all_the_hub_has():
    result = asyncio.run(restore.drill(8, seed=2))
    assert result.is_good, result
    assert result.only_there > 0


@pytest.mark.parametrize(
    "broken",
    [
        {"missing": 1},
        {"is_locked": False},
        {"opens_by_hub": False},
        {"found": Found(lost=["fact"])},
    ],
)
def test_a_restore_that_lacks_something_fails(broken):
    good = {
        "found": Found(),
        "at_hub": 3,
        "missing": 0,
        "only_there": 1,
        "is_locked": True,
        "opens_by_hub": True,
        "is_served": True,
        "said": "",
    }
    assert restore.Outcome(**good).is_good
    assert not restore.Outcome(**good | broken).is_good


@pytest.mark.timeout(120)
def test_an_update_killed_here_and_there_goes_on():
    result = migrate_kill.drill(150, seed=4)
    assert result.is_good, result.found
    assert "FAIL" in migrate_kill.verdict(migrate_kill.Outcome(deaths=1, births=1, found=["x"]))


@pytest.mark.system
@pytest.mark.timeout(120)
def test_a_full_card_refuses_in_words_and_loses_nothing():
    result = asyncio.run(disk_full.drill(2, seed=5, sheds=False))
    assert result.is_good, result
    assert result.why_no_card or result.starts[1] == "reading"
    worse = {name: getattr(result, name) for name in result.__struct_fields__} | {"lost": ["x"]}
    assert "FAIL" in disk_full.verdict(disk_full.Outcome(**worse))
