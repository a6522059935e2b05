"""How long to wait and how much to send at once.

Waiting doubles with each failure and is drawn anew between nothing and the bound ("full
jitter"): after a power cut in a district all boxes come back in the same second. Size
grows by a step and shrinks by half, as TCP's does, so that a segment fits a link which
drops every minute.
"""

from collections.abc import Callable
from typing import Final

from sync.protocol import SEGMENT_RAW_BYTES_MAX

WAIT_S_FIRST: Final = 5.0
WAIT_S_MAX: Final = 900.0
SIZE_BYTES_MIN: Final = 32 << 10  # about 8 KiB compressed: half a second on 128 kbit/s
SIZE_BYTES_FIRST: Final = 256 << 10
SIZE_BYTES_STEP: Final = 64 << 10
SEND_S_GOOD: Final = 6.0  # what takes longer is likely to be cut


class Pace:
    """`dice` returns a number between 0 and 1."""

    def __init__(self, dice: Callable[[], float]) -> None:
        self._dice: Final = dice
        self._bound_s = WAIT_S_FIRST
        self.size_bytes = SIZE_BYTES_FIRST

    def failed(self) -> float:
        """Return how long to wait after a failure."""
        wait_s = self._dice() * self._bound_s
        self._bound_s = min(self._bound_s * 2, WAIT_S_MAX)
        return wait_s

    def heard(self) -> None:
        """The hub answered: the next failure is a first one again."""
        self._bound_s = WAIT_S_FIRST

    def sent(self, took_s: float) -> None:
        """A segment arrived."""
        if took_s <= SEND_S_GOOD:
            self.size_bytes = min(self.size_bytes + SIZE_BYTES_STEP, SEGMENT_RAW_BYTES_MAX)
        else:
            self.lost()

    def lost(self) -> None:
        """A segment did not arrive, or crept."""
        self.size_bytes = max(self.size_bytes // 2, SIZE_BYTES_MIN)
