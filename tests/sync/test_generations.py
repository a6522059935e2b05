"""How a hub counts its lives: one that was put back must notice it, and each life only once."""

from uuid import UUID

import pytest

from sync.core.hub import (
    GENERATION_BY_CLOCK_MAX,
    GENERATIONS_BEGIN_MS,
    has_forgotten,
    next_generation,
)
from sync.protocol import Receipt

HERE, THERE = UUID(int=1), UUID(int=2)
INT32_MAX = (1 << 31) - 1  # the column's
YEAR_MS = 365 * 86_400_000


def receipt(incarnation, generation):
    return Receipt(
        hub_id=HERE,
        incarnation=incarnation,
        school_id=HERE,
        node_id=HERE,
        epoch=HERE,
        lane=0,
        received_n=1,
        received_hash=bytes(32),
        applied_n=1,
        no=1,
        log_hash=bytes(32),
        issued_at_ms=0,
        generation=generation,
    )


@pytest.mark.parametrize(
    ("incarnation", "generation", "has_forgotten_it"),
    [
        (HERE, 5, False),  # this very life
        (HERE, 6, False),
        (THERE, 4, False),  # a life before this one
        (THERE, 5, True),  # two lives that began at one moment
        (THERE, 6, True),  # a life after the one that was put back
    ],
)
def test_a_hub_learns_from_a_receipt_of_a_life_it_knows_nothing_of(
    incarnation, generation, has_forgotten_it
):
    assert has_forgotten(receipt(incarnation, generation), HERE, 5) is has_forgotten_it


@pytest.mark.parametrize(
    ("known", "shown", "seconds", "expected"),
    [
        (0, 0, 0, 1),
        (7, 0, 0, 8),
        (0, 7, 0, 8),
        (7, 9, 0, 10),
        (7, 9, 10, 10),
        (7, 9, 11, 11),
        (7, 9, -1_000_000, 10),  # a clock in 1970
    ],
)
def test_the_next_life_counts_from_above_all_and_from_the_clock(known, shown, seconds, expected):
    now_ms = GENERATIONS_BEGIN_MS + seconds * 1_000
    assert next_generation(known, shown, now_ms=now_ms) == expected


def test_a_clock_that_is_centuries_wrong_leaves_lives_to_count():
    now_ms = GENERATIONS_BEGIN_MS + 500 * YEAR_MS
    by_clock = next_generation(0, 0, now_ms=now_ms)
    assert by_clock == GENERATION_BY_CLOCK_MAX
    assert INT32_MAX - by_clock > 1_000_000
    assert next_generation(by_clock, 0, now_ms=now_ms) == by_clock + 1


def test_clocks_that_are_right_count_for_sixty_years():
    sooner, later = (GENERATIONS_BEGIN_MS + years * YEAR_MS for years in (66, 67))
    assert next_generation(0, 0, now_ms=sooner) < next_generation(0, 0, now_ms=later)
