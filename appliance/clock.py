"""The wall clock, and how far it can be believed.

The board has no clock battery. After a power cut it wakes in the past until somebody
tells it the time, so order never comes from here (it comes from sequence numbers) and
every instant that matters is stored beside a quality:

    0 unknown     the clock stands before this program was written
    1 since boot  plausible, vouched for by nobody
    2 told        the district's hub (signed) or a teacher's phone has said what time it is
    3 certain     the kernel says it follows NTP

Time here is what it was at boot plus the time since boot, so no step of the kernel's clock
moves it by itself. Where nobody vouches for the kernel's clock, it is followed forwards only,
never before the last time this box is known to have had (the floor, kept on the card), and not
to a year nobody lives in. What somebody vouches for is followed both ways. The box takes such
a step when it has made room for it (`waits`); the agent and the tools at once.

What was told is kept as a distance from the time since boot, in a small file that both
processes read, and ends with the boot. Neither process may set the kernel's clock
(docs/decisions/0008); docs/decisions/0019 says why steps are taken and not suffered.
"""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from msgspec import Struct

from appliance.durable import put_private

Clock = Callable[[], int]
Source = Literal["hub", "phone"]

UNKNOWN: Final = 0
SINCE_BOOT: Final = 1
TOLD: Final = 2
CERTAIN: Final = 3

BUILD_FLOOR_MS: Final = 1_735_689_600_000  # 2025-01-01 UTC: no box existed before
YEAR_MS: Final = 365 * 86_400_000
AHEAD_MS_MAX: Final = 5 * YEAR_MS  # of the floor: longer than a box lies in a cupboard
AHEAD_OF_BUILD_MS_MAX: Final = 30 * YEAR_MS  # on a card that does not know its last time
STEP_MS: Final = 2_000  # less is followed silently: it moves no date and ends no session
TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; room to spare
TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
LOOK_AGAIN_S: Final = 2.0  # between two looks at the files and at the kernel's opinion
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def kernel_is_synchronised() -> bool:
    """Ask adjtimex(2) without changing anything (modes = 0 needs no privilege)."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    state: int = ctypes.CDLL(None).adjtimex(timex)
    return 0 <= state < TIME_ERROR


class Board(Struct, frozen=True):
    """What a board's kernel says. Drills have boards of their own."""

    wall_ms: Clock
    since_boot_ms: Clock
    is_synchronised: Callable[[], bool]
    boot_id: Callable[[], str]


BOARD: Final = Board(
    wall_ms=lambda: time.time_ns() // 1_000_000,
    since_boot_ms=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
    is_synchronised=kernel_is_synchronised,
    boot_id=lambda: BOOT_ID.read_text().strip(),
)


class Word(Struct, frozen=True):
    """What a file says the time was at this boot, and whose word it is."""

    at_boot_ms: int
    source: str = ""


class Belief(Struct, frozen=True):
    """The time at boot, UTC milliseconds, and how far it can be believed."""

    at_boot_ms: int
    quality: int
    source: str = ""


class BoxClock:
    """The time since boot, added to what is believed the time was at boot."""

    def __init__(self, board: Board, told: Path, floor: Path, *, waits: bool = False) -> None:
        self.board: Final = board
        self._told: Final = told
        self._floor: Final = floor
        self._waits: Final = waits
        self._lock: Final = Lock()
        self._belief = self._wakened()
        self._belief = self._now_believed()
        self._looked_ms = board.since_boot_ms()

    def now_ms(self) -> int:
        """UTC milliseconds."""
        return self.belief().at_boot_ms + self.board.since_boot_ms()

    def belief(self) -> Belief:
        """What holds now; looks again every two seconds, and takes small corrections."""
        since_boot_ms = self.board.since_boot_ms()
        with self._lock:
            if since_boot_ms - self._looked_ms >= LOOK_AGAIN_S * 1_000:
                self._looked_ms = since_boot_ms
                fresh = self._now_believed()
                if not self._waits or abs(fresh.at_boot_ms - self._belief.at_boot_ms) < STEP_MS:
                    self._belief = fresh
            return self._belief

    def step_ms(self) -> int:
        """How far the clock would step now; 0 for less than two seconds."""
        step_ms = self._now_believed().at_boot_ms - self._belief.at_boot_ms
        return step_ms if abs(step_ms) >= STEP_MS else 0

    def look_soon(self) -> None:
        """Look at the next question already."""
        self._looked_ms = -YEAR_MS

    def take_step(self) -> None:
        """Go over to what is believed now."""
        with self._lock:
            self._belief = self._now_believed()

    def save_floor(self) -> None:
        """Keep the time on the card: no later start begins before it.

        A time that somebody vouches for may lower what a wrong clock has left there.
        """
        belief = self.belief()
        now_ms = belief.at_boot_ms + self.board.since_boot_ms()
        words = f"{self.board.boot_id()} {belief.at_boot_ms} {now_ms}\n"
        put_private(self._floor, words.encode())

    def _wakened(self) -> Belief:
        """Where to begin: as before in this boot, else at the last known time."""
        before = _words(self._floor)
        if len(before) == 3 and before[0] == self.board.boot_id():
            return Belief(int(before[1]), SINCE_BOOT)
        floor_ms = int(before[2]) if len(before) == 3 else BUILD_FLOOR_MS
        ahead_ms = AHEAD_MS_MAX if len(before) == 3 else AHEAD_OF_BUILD_MS_MAX
        wall_ms = self.board.wall_ms()
        is_plausible = floor_ms <= wall_ms <= floor_ms + ahead_ms
        at_boot_ms = (wall_ms if is_plausible else floor_ms) - self.board.since_boot_ms()
        return Belief(at_boot_ms, SINCE_BOOT)

    def _now_believed(self) -> Belief:
        kernel_ms = self.board.wall_ms() - self.board.since_boot_ms()
        if self.board.is_synchronised() and self.board.wall_ms() >= BUILD_FLOOR_MS:
            return Belief(kernel_ms, CERTAIN)
        word = self._heard()
        if word is not None:
            return Belief(word.at_boot_ms, TOLD, word.source)
        if self._belief.quality >= TOLD:  # it was right in this boot, and boots keep time
            return Belief(self._belief.at_boot_ms, TOLD, self._belief.source)
        ahead_ms = kernel_ms - self._belief.at_boot_ms
        is_plausible = 0 <= ahead_ms <= AHEAD_MS_MAX
        return Belief(kernel_ms if is_plausible else self._belief.at_boot_ms, SINCE_BOOT)

    def _heard(self) -> Word | None:
        """What was told since this boot; another boot's word, or half a word, counts nothing."""
        words = _words(self._told)
        if len(words) < 2 or words[0] != self.board.boot_id():
            return None
        return Word(int(words[1]), words[2] if len(words) == 3 else "hub")


def _words(file: Path) -> list[str]:
    """The words of a small file, all but the first of them numbers; else none."""
    try:
        words = file.read_text().split()
        [int(word) for word in words[1:] if word not in {"hub", "phone"}]
    except (OSError, ValueError):
        return []
    return words


class Ear(Struct):
    """Whom this process listens to; nobody in the hub, whose server keeps its own clock."""

    clock: BoxClock | None = None
    board: Board = BOARD


_ear: Final = Ear()


def listen(
    told: Path | None, floor: Path | None = None, *, board: Board = BOARD, waits: bool = False
) -> BoxClock | None:
    """Keep time as a box does from now on: by its two files and what its kernel says."""
    _ear.board = board
    _ear.clock = None
    if told is not None:
        _ear.clock = BoxClock(board, told, floor or told.with_name("clock-floor"), waits=waits)
    return _ear.clock


def tell(file: Path, utc_ms: int, *, source: Source = "hub") -> None:
    """Keep what somebody says the time is, for both processes and until the next boot."""
    board = _ear.board
    words = f"{board.boot_id()} {utc_ms - board.since_boot_ms()} {source}\n"
    put_private(file, words.encode())
    if _ear.clock is not None:
        _ear.clock.look_soon()


def box_clock() -> BoxClock | None:
    """The clock of this process, where it keeps time as a box does."""
    return _ear.clock


def system_clock() -> int:
    """UTC milliseconds."""
    return _ear.clock.now_ms() if _ear.clock is not None else _ear.board.wall_ms()


def clock_quality() -> int:
    """How far `system_clock` can be believed right now."""
    if system_clock() < BUILD_FLOOR_MS:
        return UNKNOWN
    if _ear.clock is not None:
        return _ear.clock.belief().quality
    return CERTAIN if _ear.board.is_synchronised() else SINCE_BOOT
