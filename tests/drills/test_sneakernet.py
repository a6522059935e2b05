"""The drill finds what it is there to find, and two weeks of bad sticks lose nothing."""

import asyncio

import pytest
from msgspec import structs

from demo.compare import Custody, Side, TableMatch, Verdict
from tests.drills.lineage import Found
from tests.drills.sneakernet import Result, Tally, drill

EQUAL = TableMatch("grade", Side(2, 7), Side(2, 7))
GOOD = Result(2, Tally(), Verdict([EQUAL], Custody(5, 5, 5), 0), 5, 0, 0, Found(), 3, 0)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"verdict": Verdict([EQUAL], Custody(5, 5, 4), 0)}, "lost 1"),
        (
            {
                "verdict": Verdict(
                    [TableMatch("grade", Side(2, 7), Side(2, 8))], Custody(5, 5, 5), 0
                )
            },
            "digests DIFFERENT",
        ),
        ({"verdict": Verdict([EQUAL], Custody(5, 5, 5), 1)}, "FAIL"),
        ({"duplicated": 1}, "duplicated 1"),
        ({"classes": Found(resurrected=["value 7B"])}, "resurrected 1"),
        ({"classes": Found(lost=["value 7B"])}, "lost 1"),
        ({"waiting": 3}, "waiting 3"),
        ({"photos_lost": 1}, "photos 3, photos lost 1"),
        ({"readable": 1}, "names readable on a stick 1"),
    ],
)
def test_every_kind_of_damage_fails_the_drill(found, words):
    assert GOOD.is_good
    bad = structs.replace(GOOD, **found)
    assert not bad.is_good
    assert "FAIL" in bad.line()
    assert words in bad.line()


@pytest.mark.system
def test_two_weeks_of_sticks_lose_and_double_nothing():
    result = asyncio.run(drill(2, seed=7, pupils=5))
    assert result.is_good, result.line()
    assert result.acknowledged > 30
    assert result.photos > 2
