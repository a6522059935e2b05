"""The drill itself is drilled: what it must find, it finds."""

import pytest

from tests.drills.powercut import drill


def synchronous(level):
    return lambda writer: writer._connection.pragma("synchronous", level)


def test_the_power_fails_and_nothing_acknowledged_is_lost():
    verdict = drill(60, seed=11)
    assert verdict.cuts == 60
    assert verdict.acknowledged > 300
    assert (verdict.lost, verdict.corrupt) == (0, 0)
    assert verdict.is_good


@pytest.mark.parametrize("sabotage", [synchronous(0), synchronous(1)], ids=["OFF", "NORMAL"])
def test_answering_before_the_sync_is_found_out(sabotage):
    verdict = drill(40, seed=11, sabotage=sabotage)
    assert verdict.lost > 0
    assert not verdict.is_good


def test_a_disk_that_lies_about_its_sync_is_found_out():
    verdict = drill(20, seed=11, is_lying=True)
    assert verdict.lost > 0
