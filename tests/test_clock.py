import pytest

from appliance import clock


def test_the_clock_counts_milliseconds_and_does_not_stand_still():
    assert clock.BUILD_FLOOR_MS < clock.system_clock() < 1 << 48


@pytest.mark.parametrize(
    ("now_ms", "is_synchronised", "quality"),
    [
        (clock.BUILD_FLOOR_MS - 1, True, clock.UNKNOWN),
        (0, False, clock.UNKNOWN),
        (clock.BUILD_FLOOR_MS, False, clock.SINCE_BOOT),
        (clock.BUILD_FLOOR_MS, True, clock.CERTAIN),
    ],
)
def test_how_far_the_clock_is_believed(monkeypatch, now_ms, is_synchronised, quality):
    monkeypatch.setattr(clock, "system_clock", lambda: now_ms)
    monkeypatch.setattr(clock, "kernel_is_synchronised", lambda: is_synchronised)
    assert clock.clock_quality() == quality


def test_the_kernel_answers_the_question():
    assert clock.kernel_is_synchronised() in {True, False}
