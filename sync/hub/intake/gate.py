"""How many segments are merged at once, and how many may wait for it.

A district's boxes all wake at eight. Those beyond the bound are told when to come back,
each at another moment, so that they do not come back together.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from appliance.errors import Busy

WAITING_PER_LANE_MAX: Final = 4  # at 200 ms a merge the last one waits under a second
RETRY_AFTER_S_MAX: Final = 10


class Gate:
    """Lets `at_once` through, keeps a few waiting, and sends the others away."""

    def __init__(self, at_once: int) -> None:
        self._lanes: Final = asyncio.Semaphore(at_once)
        self._inside_max: Final = at_once * (1 + WAITING_PER_LANE_MAX)
        self.inside = 0
        self.refused = 0

    @asynccontextmanager
    async def passage(self) -> AsyncIterator[None]:
        """Wait for a place. Raises Busy when too many wait already."""
        if self.inside >= self._inside_max:
            self.refused += 1
            wait_s = 1 + secrets.randbelow(RETRY_AFTER_S_MAX)
            raise Busy(f"{self.inside} segments are being taken in", retry_after_s=wait_s)
        self.inside += 1
        try:
            async with self._lanes:
                yield
        finally:
            self.inside -= 1
