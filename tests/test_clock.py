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


@pytest.fixture
def told(tmp_path, monkeypatch):
    """A board whose kernel knows no better, listening to what the hub says."""
    monkeypatch.setattr(clock, "kernel_is_synchronised", lambda: False)
    clock.listen(tmp_path / "clock")
    yield tmp_path / "clock"
    clock.listen(None)


HUB_MS = 2_500_000_000_000


def test_what_the_hub_says_counts_until_the_next_boot(told):
    assert clock.clock_quality() == clock.SINCE_BOOT
    clock.tell(told, HUB_MS)
    assert 0 <= clock.system_clock() - HUB_MS < 1_000
    assert clock.clock_quality() == clock.TOLD
    boot, distance = told.read_text().split()
    told.write_text(f"another-boot {distance}")
    clock.listen(told)
    assert clock.clock_quality() == clock.SINCE_BOOT
    assert clock.system_clock() < HUB_MS
    told.write_text(boot)  # cut off while it was written
    clock.listen(told)
    assert clock.clock_quality() == clock.SINCE_BOOT


def test_the_other_process_hears_it_soon(told, monkeypatch):
    before = clock.system_clock()
    monkeypatch.setattr(clock, "LOOK_AGAIN_S", 0.0)
    other = clock.Told()
    monkeypatch.setattr(clock, "_told", other)
    clock.tell(told, HUB_MS)
    assert clock.system_clock() < HUB_MS, "this one does not listen"
    clock.listen(told)
    assert clock.system_clock() >= HUB_MS > before


def test_a_step_of_the_wall_clock_does_not_move_what_the_hub_said(told, monkeypatch):
    clock.tell(told, HUB_MS)
    monkeypatch.setattr(clock.time, "time_ns", lambda: 0)
    assert 0 <= clock.system_clock() - HUB_MS < 1_000


def test_a_kernel_that_follows_the_network_needs_nobody(told, monkeypatch):
    clock.tell(told, HUB_MS)
    monkeypatch.setattr(clock, "kernel_is_synchronised", lambda: True)
    clock.listen(told)
    assert clock.system_clock() < HUB_MS
    assert clock.clock_quality() == clock.CERTAIN
