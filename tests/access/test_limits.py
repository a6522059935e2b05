import pytest

from appliance.access.limits import NAMES_MAX, REFILL_MS, TRIES_MAX, GuessLimit
from appliance.errors import TooManyRequests
from tests.cast import NOW_MS


def used_up(name="grace"):
    limit = GuessLimit()
    for _ in range(TRIES_MAX):
        limit.take(name, now_ms=NOW_MS)
    return limit


def test_one_more_try_comes_back_after_a_while():
    limit = used_up()
    with pytest.raises(TooManyRequests) as waited:
        limit.take("grace", now_ms=NOW_MS)
    assert waited.value.retry_after_s == REFILL_MS // 1_000
    limit.take("grace", now_ms=NOW_MS + REFILL_MS)
    with pytest.raises(TooManyRequests):
        limit.take("grace", now_ms=NOW_MS + REFILL_MS)


def test_a_clock_set_back_takes_no_tries_away():
    limit = used_up()
    with pytest.raises(TooManyRequests):
        limit.take("grace", now_ms=NOW_MS - 86_400_000)
    limit.take("grace", now_ms=NOW_MS - 86_400_000 + REFILL_MS)


def test_a_success_forgives():
    limit = used_up()
    limit.forgive("grace")
    limit.take("grace", now_ms=NOW_MS)


def test_made_up_names_do_not_fill_the_memory():
    limit = GuessLimit()
    for number in range(NAMES_MAX * 2):
        limit.take(f"name {number}", now_ms=NOW_MS)
    assert len(limit._buckets) == NAMES_MAX
