"""The drill itself is drilled: what it must find, it finds."""

from tests.drills.soak import drill


def test_three_school_days_leave_a_box_as_it_was():
    verdict = drill(3, pupils=4)
    assert verdict.days == 3
    assert verdict.hand_ins == 12
    assert verdict.facts == 96
    assert (verdict.lost, verdict.in_lessons, verdict.failed) == (0, 0, 0)
    assert verdict.runs > 0
    assert verdict.is_sound


def test_housekeeping_without_guards_is_found_out():
    verdict = drill(2, pupils=4, is_unguarded=True)
    assert verdict.in_lessons > 0
    assert not verdict.is_good
