"""The wall clock, and how far it can be believed.

The board has no clock battery. After a power cut it wakes in the past until somebody
tells it the time, so order never comes from here (it comes from sequence numbers) and
every instant that matters is stored beside a quality:

    0 unknown     the clock stands before this program was written
    1 since boot  plausible, vouched for by nobody
    2 told        the district's hub has said, signed, what time it is, since this boot
    3 certain     the kernel says it follows NTP or a real-time clock

What the hub said is kept as a distance from the time since boot, in a small file that both
processes read: no step of the wall clock touches it, and it ends with the boot. Neither
process may set the kernel's clock (docs/decisions/0008).
"""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

Clock = Callable[[], int]

UNKNOWN: Final = 0
SINCE_BOOT: Final = 1
TOLD: Final = 2
CERTAIN: Final = 3

BUILD_FLOOR_MS: Final = 1_735_689_600_000  # 2025-01-01 UTC: no box existed before
TIMEX_BYTES: Final = 512  # struct timex is 208 bytes on 64-bit Linux; room to spare
TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronised
LOOK_AGAIN_S: Final = 2.0  # between two looks at the file and at the kernel's opinion
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class Told(Struct):
    """What is known of the hub's time: UTC milliseconds at boot, None when nothing is."""

    file: Path | None = None
    at_boot_ms: int | None = None
    looked_s: float = -LOOK_AGAIN_S


_told: Final = Told()


def listen(file: Path | None) -> None:
    """Believe the hub's time in `file` from now on, wherever the kernel knows no better."""
    _told.file, _told.at_boot_ms, _told.looked_s = file, None, -LOOK_AGAIN_S


def tell(file: Path, utc_ms: int) -> None:
    """Keep what the hub says the time is, for both processes and until the next boot."""
    written = file.with_suffix(".new")
    written.write_text(f"{_boot_id()} {utc_ms - _since_boot_ms()}\n")
    written.replace(file)
    _told.looked_s = -LOOK_AGAIN_S


def system_clock() -> int:
    """UTC milliseconds."""
    at_boot_ms = _at_boot_ms()
    return time.time_ns() // 1_000_000 if at_boot_ms is None else at_boot_ms + _since_boot_ms()


def clock_quality() -> int:
    """How far `system_clock` can be believed right now."""
    if system_clock() < BUILD_FLOOR_MS:
        return UNKNOWN
    if kernel_is_synchronised():
        return CERTAIN
    return SINCE_BOOT if _at_boot_ms() is None else TOLD


def _at_boot_ms() -> int | None:
    if _told.file is not None and time.monotonic() - _told.looked_s >= LOOK_AGAIN_S:
        _told.looked_s = time.monotonic()
        _told.at_boot_ms = None if kernel_is_synchronised() else _read(_told.file)
    return _told.at_boot_ms


def _read(file: Path) -> int | None:
    """What was told since this boot; another boot's word, or half a word, counts nothing."""
    try:
        boot_id, _, at_boot_ms = file.read_text().strip().partition(" ")
        return int(at_boot_ms) if boot_id == _boot_id() else None
    except (OSError, ValueError):
        return None


def _since_boot_ms() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _boot_id() -> str:
    return BOOT_ID.read_text().strip()


def kernel_is_synchronised() -> bool:
    """Ask adjtimex(2) without changing anything (modes = 0 needs no privilege)."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    state: int = ctypes.CDLL(None).adjtimex(timex)
    return 0 <= state < TIME_ERROR
