"""What a link may cost: the account, its days under all kinds of clocks, the hours, the reserve."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest
from msgspec import structs

from appliance.errors import Invalid
from appliance.settings_reading import load_settings
from sync.agent.budget import (
    DAY_S,
    Bounds,
    Budget,
    Leave,
    Now,
    bounds_here,
    bounds_of,
    read_hours,
    within,
)
from tests.sync.web import claim

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAP = 1_000_000
SET = """
INSERT INTO setting (id, org_id, key, value, version, updated_at_ms)
VALUES (?1, ?1, ?2, ?3, 1, 0)
"""


class Time:
    """A clock that nobody vouches for while `is_known` is false, and one that never jumps."""

    def __init__(self):
        self.local = NOON
        self.is_known = True
        self.monotonic_s = 0.0

    def __call__(self):
        return Now(self.local if self.is_known else None, self.monotonic_s)

    def go_on(self, **how_long):
        self.local += timedelta(**how_long)
        self.monotonic_s += timedelta(**how_long).total_seconds()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def budget(db, time):
    return Budget(db, lambda: Bounds(day_bytes=CAP, reserve=0.2), time)


def test_without_a_bound_everything_may_always_be_sent(db, time):
    budget = Budget(db, Bounds, time)
    budget.count(10**12, 10**12)
    assert budget.leave() is Leave.ALL


def test_the_last_part_of_a_bound_belongs_to_hand_ins_and_marks(budget):
    found = []
    for _ in range(10):
        found.append(budget.leave())
        budget.count(60_000, 40_000)
    assert found == [Leave.ALL] * 8 + [Leave.URGENT] * 2
    assert budget.leave() is Leave.NOTHING


def test_the_next_day_begins_at_local_midnight(budget, time):
    budget.count(CAP, 0)
    time.go_on(hours=11, minutes=59)
    assert budget.leave() is Leave.NOTHING
    time.go_on(minutes=2)
    assert budget.leave() is Leave.ALL


def test_a_month_is_any_thirty_one_days(db, time):
    budget = Budget(db, lambda: Bounds(month_bytes=CAP), time)
    budget.count(CAP, 0)
    time.go_on(days=30)
    assert budget.leave() is Leave.NOTHING
    time.go_on(days=1)
    assert budget.leave() is Leave.ALL


def test_the_account_outlives_the_agent(db, time):
    Budget(db, lambda: Bounds(day_bytes=CAP), time).count(CAP, 0)
    assert Budget(db, lambda: Bounds(day_bytes=CAP), time).leave() is Leave.NOTHING


def test_a_clock_nobody_vouches_for_opens_no_new_day(budget, time):
    budget.count(CAP, 0)
    time.is_known = False
    for local in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2076, 1, 1, tzinfo=UTC)):
        time.local = local
        budget.count(0, 0)
        assert budget.leave() is Leave.NOTHING


def test_without_any_clock_a_day_is_twenty_four_hours_of_running(budget, time):
    time.is_known = False
    budget.count(CAP, 0)
    for _ in range(3):
        time.go_on(hours=8)
        assert budget.leave() is Leave.NOTHING
        budget.count(0, 0)
    assert budget.leave() is Leave.ALL
    budget.count(CAP, 0)
    assert budget.leave() is Leave.NOTHING


def test_a_clock_put_back_takes_the_count_along(budget, time, db):
    """Vouched for and wrong all the same: one allowance at most, and never closed for ever."""
    time.local = datetime(2076, 5, 5, tzinfo=UTC)
    budget.count(CAP, 0)
    time.local = NOON
    assert budget.leave() is Leave.NOTHING
    budget.count(0, 0)
    assert db.value("SELECT max(day) FROM sync_budget") == NOON.toordinal()
    time.go_on(days=1)
    assert budget.leave() is Leave.ALL


@pytest.mark.parametrize("seed", range(4))
def test_however_a_clock_jumps_no_more_is_spent_than_the_days_that_passed_allow(db, seed):
    """Fifty years back and forth, vouched for now and then, over many reboots."""
    dice, time, true, spent = Random(seed), Time(), NOON, 0
    budget = None
    for _ in range(60):
        passed = timedelta(hours=dice.random() * 6)
        true += passed
        time.monotonic_s += passed.total_seconds()
        time.is_known = dice.random() < 0.3
        astray = timedelta(days=0 if time.is_known else dice.randint(-18_000, 18_000))
        time.local = true + astray
        if budget is None or dice.random() < 0.2:
            budget = Budget(db, lambda: Bounds(day_bytes=CAP), time)
        is_open = budget.leave() is not Leave.NOTHING
        budget.count(CAP // 4 if is_open else 0, 0)
        spent += CAP // 4 if is_open else 0
    days = (true - NOON).total_seconds() / DAY_S
    assert days / 2 * CAP <= spent <= (days + 2) * CAP


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("", None),
        ("18-6", frozenset({18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5})),
        ("12-13,22-24", frozenset({12, 22, 23})),
        ("0-24", frozenset(range(24))),
        ("0-0", frozenset(range(24))),
    ],
)
def test_hours_are_read(words, hours):
    assert read_hours(words) == hours


@pytest.mark.parametrize("words", ["18", "18-", "a-b", "6-18;", "-", "25-31", "7-99"])
def test_hours_of_another_form_stop_the_agent_with_a_sentence(words):
    with pytest.raises(Invalid, match="LINK_HOURS"):
        load_settings(None, {"DARASA_LINK_HOURS": words})


def test_the_keepers_bounds_come_from_the_settings():
    told = {
        "DARASA_LINK_DAY_BYTES_MAX": "5000000",
        "DARASA_LINK_RESERVE_PERCENT": "30",
        "DARASA_LINK_HOURS": "20-5",
    }
    bounds = bounds_of(load_settings(None, told))
    assert (bounds.day_bytes, bounds.month_bytes, bounds.reserve) == (5_000_000, 0, 0.3)
    assert bounds.is_metered
    assert not within(bounds.hours, NOON)
    assert within(bounds.hours, NOON.replace(hour=4))


def test_the_district_sets_what_the_keeper_has_left_open(db, box, settings):
    claim(box)
    for number, (key, value) in enumerate(
        (("link_day_bytes_max", "9000000"), ("link_hours", '"20-5"'), ("colour", '"green"'))
    ):
        box.execute(SET, (UUID(int=number), key, value))
    bounds = bounds_here(settings, db)
    assert (bounds.day_bytes, within(bounds.hours, NOON)) == (9_000_000, False)
    kept = structs.replace(settings, link_day_bytes_max=1_000)
    assert bounds_here(kept, db).day_bytes == 1_000


@pytest.mark.parametrize(
    "value",
    ['"at night"', "-1", "99999", "null", "{", "[" * 9_000, "9" * 9_000, '"' + "9" * 9_000 + '"'],
)
def test_what_the_district_may_not_set_leaves_the_rest_as_it_is(db, box, settings, value):
    """A hub of a later release may allow more; an agent that fell over it would hear no better."""
    claim(box)
    for number, (key, said) in enumerate(
        (("link_month_bytes_max", "9000000"), ("link_hours", value), ("link_day_bytes_max", value))
    ):
        box.execute(SET, (UUID(int=number), key, said))
    assert bounds_here(settings, db) == Bounds(month_bytes=9_000_000, reserve=0.2)


def test_hours_that_nobody_can_tell_are_closed_but_only_to_what_can_wait(db, time):
    budget = Budget(db, lambda: Bounds(hours=frozenset({12})), time)
    assert budget.leave() is Leave.ALL
    time.is_known = False
    assert budget.leave() is Leave.URGENT
