"""The wall clock, and how far it can be believed.

The board has no clock battery. After a power cut it wakes in the past until somebody
tells it the time, so order never comes from here (it comes from sequence numbers) and
every instant that matters is stored beside a quality:

    0 unknown     the clock stands before this program was written
    1 since boot  plausible, vouched for by nobody
    2 told        set by the hub or by a phone; whoever sets it records that
    3 certain     the kernel says it follows NTP or a real-time clock
"""

import ctypes
import time
from collections.abc import Callable
from typing import Final

Clock = Callable[[], int]

UNKNOWN: Final = 0
SINCE_BOOT: Final = 1
TOLD: Final = 2
CERTAIN: Final = 3

BUILD_FLOOR_MS: Final = 1_735_689_600_000  # 2025-01-01 UTC: no box existed before
TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; room to spare
TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised


def system_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def clock_quality() -> int:
    """How far `system_clock` can be believed right now."""
    if system_clock() < BUILD_FLOOR_MS:
        return UNKNOWN
    return CERTAIN if kernel_is_synchronised() else SINCE_BOOT


def kernel_is_synchronised() -> bool:
    """Ask adjtimex(2) without changing anything (modes = 0 needs no privilege)."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    state: int = ctypes.CDLL(None).adjtimex(timex)
    return 0 <= state < TIME_ERROR
