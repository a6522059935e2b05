"""How many segments may be on their way in, and how many are merged at once.

A district's boxes all wake at eight, most of them on slow links: many may be sending while
few are merging. Those beyond the bound are told when to come back, each at another
moment, so that they do not come back together.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from appliance.errors import Busy

INSIDE_MAX: Final = 64  # 4 MiB each at the very worst, 50 KB as a rule
RETRY_AFTER_S_MAX: Final = 10


class Gate:
    """Lets a bounded number in and `at_once` of them through."""

    def __init__(self, at_once: int) -> None:
        self._lanes: Final = asyncio.Semaphore(at_once)
        self.inside = 0
        self.refused = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place before the body is read. Raises Busy when all are taken."""
        if self.inside >= INSIDE_MAX:
            self.refused += 1
            wait_s = 1 + secrets.randbelow(RETRY_AFTER_S_MAX)
            raise Busy(f"{self.inside} segments are on their way in", retry_after_s=wait_s)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def lane(self) -> AsyncIterator[None]:
        """Wait for a turn to merge; nobody waits here for somebody's slow link."""
        async with self._lanes:
            yield
