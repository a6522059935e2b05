"""The drill over a bad link, small; and that it can fail."""

import asyncio
from contextlib import closing

import msgspec
import pytest

from appliance.clock import system_clock
from appliance.database.migrate import schema_version
from appliance.settings import Settings
from demo.link import Weather
from sync.agent.agent import Agent, Seams
from tests.drills.district import open_district
from tests.drills.link import Carried, Plan, Verdict, carry, is_in_order

pytestmark = pytest.mark.anyio

GOOD = Carried(
    rows=100,
    size_bytes=1_000,
    seconds=1.0,
    interruptions=3,
    lost=0,
    resurrected=0,
    duplicated=0,
    is_in_order=True,
    is_done=True,
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def hurried(board, since_ms):
    """The same agent without its patience: it tries again at once."""
    seams = Seams(system_clock, None, "", "drill")
    agent = Agent(
        Settings(data_dir=board.data_dir), seams, schema_version=schema_version(board.database)
    )
    with closing(agent):
        async with asyncio.timeout(40):
            while not board.is_quiet(since_ms):
                await agent.one_try()
    return True


async def test_two_days_cross_a_link_that_is_cut_all_the_time():
    weather = Weather(bytes_s=24_000, loss=0.5, cut_every_s=1.0)
    async with open_district() as hub:
        carried = await carry(hub, 1, weather, Plan(pupils=50, days=2, drain=hurried))
    assert (carried.lost, carried.resurrected, carried.duplicated) == (0, 0, 0)
    assert carried.is_in_order
    assert carried.interruptions > 0


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1},
        {"resurrected": 1},
        {"duplicated": 1},
        {"is_in_order": False},
        {"is_done": False},
        {"size_bytes": 1_201},
    ],
)
def test_each_kind_of_failure_fails_the_drill(change):
    assert Verdict(GOOD, GOOD).is_good
    verdict = Verdict(GOOD, msgspec.structs.replace(GOOD, **change))
    assert not verdict.is_good
    assert "FAIL" in verdict.line(Weather())


@pytest.mark.parametrize(
    ("arrived", "is_good"),
    [
        ([], True),
        ([{0}, {0, 1}, {1, 2_000}, {11_000}], True),
        ([{0}, {1}, {0}], False),  # a mark of today after one of yesterday
        ([{0, 2_000}, {1}], False),
    ],
)
def test_the_order_is_judged_by_what_arrived(arrived, is_good):
    assert is_in_order(arrived) is is_good
