"""How long to wait and how much to send at once.

Waiting doubles with each failure and is drawn anew between nothing and the bound ("full
jitter"): after a power cut in a district all boxes come back in the same second.

A segment should take six seconds of the link as it is: long enough to pack well, short enough
that a link which drops every minute loses little. So its size follows the measured bytes
a second and how well rows pack, both smoothed; what was lost halves it at once.
"""

from collections.abc import Callable
from typing import Final

from sync.protocol import SEGMENT_RAW_BYTES_MAX

WAIT_S_FIRST: Final = 5.0
WAIT_S_MAX: Final = 900.0
SIZE_BYTES_MIN: Final = 32 << 10  # about 8 KiB compressed: half a second on 128 kbit/s
SIZE_BYTES_FIRST: Final = 256 << 10
SEND_S_GOOD: Final = 6.0
GROWTH_MAX: Final = 2.0  # one lucky segment proves little
TELLING_BYTES: Final = 4 << 10  # what is smaller tells of the delay, not of the speed
NEW_SHARE: Final = 0.5  # of the newest measurement in the smoothed rate


class Pace:
    """`dice` returns a number between 0 and 1. `size_bytes` is before compression."""

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice: Final = dice
        self._bound_s = WAIT_S_FIRST
        self._raw_bytes_s: float | None = None  # rows carried, before compression
        self.size_bytes = SIZE_BYTES_FIRST

    def failed(self) -> float:
        """Return how long to wait after a failure."""
        wait_s = self._dice() * self._bound_s
        self._bound_s = min(self._bound_s * 2, WAIT_S_MAX)
        return wait_s

    def asked_to_wait(self, least_s: float) -> float:
        """Return how long to wait when the hub has named the least: never all together."""
        return least_s + max(self.failed(), self._dice() * least_s / 2)

    def heard(self) -> None:
        """The hub answered: the next failure is a first one again."""
        self._bound_s = WAIT_S_FIRST

    def link_up(self) -> float:
        """Return how long to wait when the link comes back, in the same second for all."""
        self.heard()
        return self.failed()

    def sent(self, size_bytes: int, raw_bytes: int, took_s: float) -> None:
        """A segment of so many bytes, packed from so many, arrived."""
        self.heard()
        if size_bytes < TELLING_BYTES and took_s <= SEND_S_GOOD:
            return
        newest = raw_bytes / max(took_s, 0.001)
        known = self._raw_bytes_s
        rate = newest if known is None else known + (newest - known) * NEW_SHARE
        self._raw_bytes_s = rate
        wanted = min(rate * SEND_S_GOOD, self.size_bytes * GROWTH_MAX)
        self.size_bytes = int(min(max(wanted, SIZE_BYTES_MIN), SEGMENT_RAW_BYTES_MAX))

    def lost(self) -> None:
        """A segment did not arrive."""
        self.size_bytes = max(self.size_bytes // 2, SIZE_BYTES_MIN)
