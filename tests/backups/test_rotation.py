"""Seven days, four weeks, six months, and no trust in the clock."""

import pytest

from appliance.backups.rotation import Aged, kept

DAY_MS = 86_400_000
START_MS = 1_767_225_600_000  # 1 January 2026


def nights(count, *, each=1):
    return [
        Aged(f"{night:03}-{turn}", START_MS + night * DAY_MS, night * each + turn)
        for night in range(count)
        for turn in range(each)
    ]


@pytest.mark.parametrize(("count", "left"), [(0, 0), (1, 1), (7, 7), (8, 7), (20, 9), (365, 14)])
def test_a_year_of_nights_leaves_days_weeks_and_months(count, left):
    stay = kept(nights(count))
    assert len(stay) == left
    assert {each.name for each in nights(count)[-7:]} <= stay


def test_the_last_of_a_day_stays():
    assert kept(nights(2, each=3)) == {"000-2", "001-2"}


def test_a_board_that_woke_up_in_1970_keeps_its_newest():
    known = nights(40)
    newest = Aged("1970", 5_000, 1_000)
    assert "1970" in kept([*known, newest])
