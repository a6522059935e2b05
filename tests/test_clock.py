"""The clock of a board without a battery: what it believes, and that it is never thrown about."""

import pytest

from appliance import clock
from appliance.clock import Board, BoxClock

HOUR_MS = 3_600_000
SCHOOL_DAY_MS = 1_790_000_000_000  # September 2026
HUB_MS = SCHOOL_DAY_MS + 40 * 86_400_000


class Machine:
    """A board whose clock a test turns."""

    def __init__(self, wall_ms=SCHOOL_DAY_MS, boot="one"):
        self.wall_ms, self.up_ms, self.boot = wall_ms, 60_000, boot
        self.is_synchronised = False

    def board(self):
        return Board(
            lambda: self.wall_ms,
            lambda: self.up_ms,
            lambda: self.is_synchronised,
            lambda: self.boot,
        )

    def run_for(self, ms):
        self.wall_ms += ms
        self.up_ms += ms

    def restart(self, wall_ms):
        self.wall_ms, self.up_ms, self.boot = wall_ms, 1_000, self.boot + "+"


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def told(tmp_path):
    yield tmp_path / "clock"
    clock.listen(None)


@pytest.fixture
def begin(machine, told):
    """Start a process on the board; a new boot's floor is where the last one left it."""
    return lambda **more: BoxClock(machine.board(), told, told.with_name("floor"), **more)


def test_the_real_clock_counts_milliseconds_and_the_real_kernel_answers():
    assert clock.BUILD_FLOOR_MS < clock.system_clock() < 1 << 48
    assert clock.kernel_is_synchronised() in {True, False}
    assert clock.clock_quality() in {clock.SINCE_BOOT, clock.CERTAIN}


@pytest.mark.parametrize(
    ("wall_ms", "begins_ms"),
    [
        (0, SCHOOL_DAY_MS),  # 1970: no time before the last known one
        (SCHOOL_DAY_MS - HOUR_MS, SCHOOL_DAY_MS),
        (SCHOOL_DAY_MS + 9 * HOUR_MS, SCHOOL_DAY_MS + 9 * HOUR_MS),  # a battery, after a night
        (SCHOOL_DAY_MS + 4 * clock.YEAR_MS, SCHOOL_DAY_MS + 4 * clock.YEAR_MS),
        (SCHOOL_DAY_MS + 50 * clock.YEAR_MS, SCHOOL_DAY_MS),  # nobody lives there
    ],
)
def test_a_boot_begins_at_a_time_that_can_be(machine, begin, wall_ms, begins_ms):
    begin().save_floor()
    machine.restart(wall_ms)
    its = begin()
    assert its.now_ms() == begins_ms
    assert its.belief().quality == clock.SINCE_BOOT


@pytest.mark.parametrize(
    ("wall_ms", "begins_ms"),
    [(0, clock.BUILD_FLOOR_MS), (SCHOOL_DAY_MS, SCHOOL_DAY_MS), (1 << 47, clock.BUILD_FLOOR_MS)],
)
def test_a_card_that_knows_no_time_begins_when_boxes_began(machine, begin, wall_ms, begins_ms):
    machine.wall_ms = wall_ms
    assert begin().now_ms() == begins_ms


def test_a_floor_that_was_cut_off_or_is_not_there_stops_nobody(machine, begin, told):
    for words in ("", "one", "one 12 ", "one two three", "\x00" * 40):
        told.with_name("floor").write_text(words)
        assert begin().now_ms() == SCHOOL_DAY_MS


@pytest.mark.parametrize(
    "wall_ms", [0, SCHOOL_DAY_MS - HOUR_MS, SCHOOL_DAY_MS + 50 * clock.YEAR_MS]
)
def test_a_step_that_nobody_vouches_for_and_that_cannot_be_is_not_taken(machine, begin, wall_ms):
    its = begin()
    machine.wall_ms = wall_ms
    machine.run_for(HOUR_MS)
    assert its.now_ms() == SCHOOL_DAY_MS + HOUR_MS


def test_a_clock_set_forward_by_hand_is_followed(machine, begin):
    its = begin()
    machine.wall_ms += HOUR_MS
    machine.run_for(3_000)
    assert its.now_ms() == SCHOOL_DAY_MS + HOUR_MS + 3_000
    assert its.belief().quality == clock.SINCE_BOOT


@pytest.mark.parametrize("by_ms", [-HOUR_MS, HOUR_MS, 50 * clock.YEAR_MS])
def test_the_network_is_followed_wherever_it_goes(machine, begin, by_ms):
    its = begin()
    machine.wall_ms += by_ms
    machine.is_synchronised = True
    machine.run_for(3_000)
    assert its.now_ms() == SCHOOL_DAY_MS + by_ms + 3_000
    assert its.belief().quality == clock.CERTAIN
    machine.is_synchronised = False  # the link is gone again; the board still counts
    machine.run_for(HOUR_MS)
    assert its.now_ms() == SCHOOL_DAY_MS + by_ms + 3_000 + HOUR_MS
    assert its.belief().quality == clock.TOLD


def test_a_process_that_starts_again_goes_on_where_the_other_was(machine, begin):
    machine.wall_ms = 0
    before = begin()
    before.save_floor()
    machine.run_for(HOUR_MS)
    assert begin().now_ms() == before.now_ms()


def test_a_time_that_is_vouched_for_mends_a_floor_that_was_too_high(machine, begin):
    machine.wall_ms = SCHOOL_DAY_MS + 4 * clock.YEAR_MS
    begin().save_floor()
    machine.restart(0)
    its = begin()
    machine.wall_ms, machine.is_synchronised = HUB_MS, True
    machine.run_for(3_000)
    its.save_floor()
    machine.restart(0)
    machine.is_synchronised = False
    assert begin().now_ms() == HUB_MS + 3_000


def test_what_somebody_says_counts_until_the_next_boot(machine, told):
    clock.listen(told, board=machine.board())
    assert clock.clock_quality() == clock.SINCE_BOOT
    clock.tell(told, HUB_MS)
    assert clock.system_clock() == HUB_MS
    assert clock.clock_quality() == clock.TOLD
    assert clock.box_clock().belief().source == "hub"
    clock.tell(told, HUB_MS - HOUR_MS, source="phone")
    assert clock.system_clock() == HUB_MS - HOUR_MS
    assert clock.box_clock().belief().source == "phone"
    machine.restart(0)
    clock.listen(told, board=machine.board())
    assert clock.clock_quality() == clock.SINCE_BOOT


@pytest.mark.parametrize("words", ["", "one", "one x", "one 5 y", "another 5"])
def test_half_a_word_counts_nothing(machine, told, words):
    told.write_text(words)
    clock.listen(told, board=machine.board())
    assert clock.clock_quality() == clock.SINCE_BOOT
    assert clock.system_clock() == SCHOOL_DAY_MS


def test_the_other_process_hears_it_soon(machine, begin, told):
    other = begin()
    clock.listen(told, board=machine.board())
    clock.tell(told, HUB_MS)
    assert other.now_ms() == SCHOOL_DAY_MS
    machine.run_for(3_000)
    assert other.now_ms() == HUB_MS + 3_000


def test_a_step_of_the_kernels_clock_does_not_move_what_was_told(machine, told):
    clock.listen(told, board=machine.board())
    clock.tell(told, HUB_MS)
    machine.wall_ms = 0
    machine.run_for(3_000)
    assert clock.system_clock() == HUB_MS + 3_000


def test_a_kernel_that_follows_the_network_needs_nobody(machine, told):
    clock.listen(told, board=machine.board())
    clock.tell(told, HUB_MS)
    machine.is_synchronised = True
    machine.run_for(3_000)
    assert clock.system_clock() == SCHOOL_DAY_MS + 3_000
    assert clock.clock_quality() == clock.CERTAIN


def test_a_box_takes_a_step_when_it_is_ready_and_small_corrections_at_once(machine, begin):
    its = begin(waits=True)
    machine.is_synchronised = True
    machine.wall_ms += 1_000
    machine.run_for(3_000)
    assert its.now_ms() == SCHOOL_DAY_MS + 4_000
    assert its.belief().quality == clock.CERTAIN
    machine.wall_ms += HOUR_MS
    machine.run_for(3_000)
    assert its.now_ms() == SCHOOL_DAY_MS + 7_000
    assert its.step_ms() == HOUR_MS
    its.take_step()
    assert its.now_ms() == SCHOOL_DAY_MS + HOUR_MS + 7_000
    assert its.step_ms() == 0
