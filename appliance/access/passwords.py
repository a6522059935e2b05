"""The two threads that hash staff passwords, with a bound on who may wait for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

from appliance.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 2  # 19 MiB each while they work
WAITING_MAX: Final = 60  # every teacher at once; at 30 ms a hash the last waits one second


class PasswordHasher:
    """Runs slow hashes away from the event loop."""

    def __init__(self) -> None:
        self._lane: Final = ThreadPoolExecutor(THREADS, "password")
        self._waiting = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `call` on one of the threads. Raises Busy when too many wait already."""
        if self._waiting >= WAITING_MAX:
            raise Busy(f"{WAITING_MAX} sign-ins are already waiting")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._lane, lambda: call(*args, **kwargs))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for hashes under way."""
        self._lane.shutdown()
