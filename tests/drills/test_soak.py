"""The drill itself is drilled: what it must find, it finds."""

from tests.drills.soak import FULL_DAYS, RESERVE_BYTES, Verdict, drill


def test_three_school_days_leave_a_box_as_it_was():
    verdict = drill(3, pupils=4)
    assert verdict.days == 3
    assert verdict.hand_ins == 12
    assert verdict.facts == 96
    assert (verdict.lost, verdict.in_lessons, verdict.failed) == (0, 0, 0)
    assert verdict.runs > 0
    assert verdict.is_sound
    assert len(verdict.peak_bytes) == 3
    assert 0 < verdict.full_days_bytes <= RESERVE_BYTES


def test_a_reserve_that_two_full_days_would_use_up_is_found_out():
    day = [[1.0] * 40]
    fine = {"days": 1, "runs": 1, "is_sound": True, "latencies_ms": day, "written_bytes": [1]}
    wal_bytes = 16_000_000
    most = (RESERVE_BYTES - wal_bytes) // FULL_DAYS
    assert Verdict(**fine, wal_bytes=wal_bytes, grown_bytes=[0], peak_bytes=[most]).is_good
    assert not Verdict(**fine, wal_bytes=wal_bytes, grown_bytes=[0], peak_bytes=[most + 1]).is_good


def test_housekeeping_without_guards_is_found_out():
    verdict = drill(2, pupils=4, is_unguarded=True)
    assert verdict.in_lessons > 0
    assert not verdict.is_good
