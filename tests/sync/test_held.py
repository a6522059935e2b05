"""A link at its bound: the keeper reads what waits, why, and until when."""

from datetime import UTC, datetime

import pytest
from msgspec import structs

from sync.agent.agent import Agent
from sync.agent.budget import DAY_S, Bounds, Budget, Leave, Now
from sync.agent.held import held_words
from sync.agent.status import status
from tests.sync.web import claim, wish

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAP = 1_000_000
USED_UP = "the bytes this link may cost are used up"


class Time:
    def __init__(self):
        self.local = NOON
        self.monotonic_s = 0.0

    def __call__(self):
        return Now(self.local, self.monotonic_s)


@pytest.fixture
def time():
    return Time()


def a_budget(db, time, **bounds):
    return Budget(db, lambda: Bounds(**bounds), time)


@pytest.mark.parametrize(
    ("bounds", "used", "words"),
    [
        ({}, 10 * CAP, None),
        ({"day_bytes": CAP, "reserve": 0.2}, CAP // 2, None),
        (
            {"day_bytes": CAP, "reserve": 0.2},
            CAP * 9 // 10,
            f"Only hand-ins and marks are sent until 2026-11-22: {USED_UP} but for their part.",
        ),
        (
            {"day_bytes": CAP, "reserve": 0.2},
            CAP,
            f"Nothing is sent or fetched until 2026-11-22: {USED_UP}.",
        ),
        (
            {"month_bytes": CAP},
            CAP,
            f"Nothing is sent or fetched until 2026-12-22: {USED_UP}.",
        ),
        (
            {"hours": frozenset({18, 19, 3})},
            0,
            "Only hand-ins and marks are sent until 18:00: the other hours are closed.",
        ),
        ({"hours": frozenset({12})}, 0, None),
    ],
)
def test_what_is_held_back_is_said_with_its_end(db, time, bounds, used, words):
    budget = a_budget(db, time, **bounds)
    budget.count(used, 0)
    assert held_words(budget) == words


def test_the_end_that_is_told_is_the_end(db, time):
    """A little every day: there is room when the first of those days is a month ago."""
    budget = a_budget(db, time, month_bytes=CAP)
    for day in range(1, 11):
        time.local = NOON.replace(day=day)
        budget.count(CAP // 10, 0)
    told = held_words(budget)
    assert "until 2026-12-02:" in told
    time.local = datetime(2026, 12, 1, 12, tzinfo=UTC)
    assert budget.leave() is Leave.NOTHING
    time.local = datetime(2026, 12, 2, 0, 1, tzinfo=UTC)
    assert budget.leave() is Leave.ALL
    assert held_words(budget) is None


def test_hours_after_midnight_and_clocks_nobody_believes(db, time):
    closed = a_budget(db, time, hours=frozenset({3}))
    assert "until 03:00" in held_words(closed)
    time.local = None
    assert "until this box knows the time" in held_words(closed)
    spent = a_budget(db, time, day_bytes=CAP)
    spent.count(CAP, 0)
    assert "for at most 24 hours of running" in held_words(spent)
    time.monotonic_s += DAY_S
    spent.count(0, 0)
    assert held_words(spent) is None


async def test_the_agent_says_it_before_it_is_asked_and_takes_it_back(
    agent, web, box, db, settings
):
    claim(box)
    wish(box)
    await agent.one_try()
    assert status(db).held is None
    box.execute(
        "INSERT INTO sync_budget (day, up_bytes, down_bytes, ran_s) VALUES (1, 1000, 0, 0)"
        " ON CONFLICT (day) DO UPDATE SET up_bytes = 1000"
    )
    bounded = Agent(
        structs.replace(settings, link_day_bytes_max=1_000), agent._seams, schema_version=2
    )
    web.asked.clear()
    await bounded.one_try()
    assert web.asked == []
    assert status(db).held.startswith("Nothing is sent or fetched")
    assert status(db).contact.error is None  # nothing went wrong
    bounded.close()
    await agent.one_try()
    assert status(db).held is None
