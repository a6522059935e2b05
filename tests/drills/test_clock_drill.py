"""The drill itself is drilled: what it must find, it finds."""

from tests.drills.clock import drill


def test_a_clock_that_is_thrown_about_calls_nobody_late_and_throws_nobody_out():
    verdict = drill(4)
    assert verdict.turns == 9
    assert verdict.handed_in == 9 * 4 + 1
    assert verdict.is_good, verdict


def test_a_clock_that_is_simply_believed_is_found_out():
    verdict = drill(3, is_steady=False)
    assert verdict.thrown_out > 0
    assert not verdict.is_good
