"""The drill over a bad link, small; and that it can fail."""

import msgspec
import pytest

from demo.link import Weather
from tests.drills.district import open_district
from tests.drills.link import Carried, Verdict, carry, is_in_order

pytestmark = pytest.mark.anyio

GOOD = Carried(
    rows=100,
    size_bytes=1_000,
    seconds=1.0,
    interruptions=3,
    lost=0,
    duplicated=0,
    is_in_order=True,
    is_done=True,
)


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_day_crosses_a_link_that_is_cut_all_the_time():
    weather = Weather(bytes_s=24_000, loss=0.3, cut_every_s=1.5)
    async with open_district() as hub:
        carried = await carry(hub, 1, weather, pupils=50, days=2, seed=4)
    assert (carried.lost, carried.duplicated) == (0, 0)
    assert carried.is_done
    assert carried.is_in_order
    assert carried.interruptions > 0


@pytest.mark.parametrize(
    "change",
    [
        {"lost": 1},
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
