"""The line to the hub: opened, counted, paid for from the budget, and trusted despite the clock."""

import logging
import math
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import httpx

from appliance.clock import CERTAIN
from appliance.database.agent import AgentDatabase
from sync.agent import store
from sync.agent.budget import Bounds, Budget, Leave, Now
from sync.agent.faults import BudgetSpent
from sync.agent.hubtime import HubClock, ask_time, undated
from sync.agent.link import open_client
from sync.agent.meter import Meter
from sync.agent.store import Identity
from sync.protocol import NONCE_BYTES

logger = logging.getLogger(__name__)

QUIET_S: Final = 300.0  # with nothing to send: is there something to fetch, are we still known
SETTLE_S: Final = 2.0  # a burst of hand-ins becomes one segment
METERED_QUIET_S: Final = 3_600.0  # an idle day costs 150 KB instead of 2 MB
METERED_SETTLE_S: Final = 60.0  # one TLS handshake costs as much as a hundred facts


class Line:
    """One for each agent; conversations come and go on it."""

    def __init__(
        self,
        db: AgentDatabase,
        bounds: Callable[[], Bounds],
        clock: HubClock,
        transport: httpx.AsyncBaseTransport | None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db: Final = db
        self._transport: Final = transport
        self._monotonic: Final = monotonic
        self._meter: Final = Meter()
        self._undated: ssl.SSLContext | None = None  # certificates were too new for this clock
        self._used_s = -math.inf
        self._needed = Leave.URGENT
        self.clock: Final = clock
        self.budget: Final = Budget(db, bounds, lambda: Now(clock.local(), monotonic()))

    @property
    def quiet_s(self) -> float:
        """How long to wait with nothing to send."""
        return METERED_QUIET_S if self.budget.bounds.is_metered else QUIET_S

    @property
    def settle_s(self) -> float:
        """How long to wait for more of what has just begun to be written."""
        return METERED_SETTLE_S if self.budget.bounds.is_metered else SETTLE_S

    @property
    def leave(self) -> Leave:
        """What may be said now."""
        return self.budget.leave()

    def is_worth_it(self, me: Identity) -> bool:
        """Whether to begin a conversation: while only hand-ins may go, for them or hourly.

        Raises BudgetSpent.
        """
        leave = self.leave
        if leave is Leave.NOTHING:
            self.budget.count(0, 0)  # hours of running end a day, too
            raise BudgetSpent("the bound is reached")
        return leave is Leave.ALL or self._has_urgent(me) or self._is_long_unused()

    def allow(self) -> None:
        """Let one more request pass, or raise BudgetSpent."""
        if self.budget.bounds.is_metered:
            self.count()
        if self.leave < self._needed:
            raise BudgetSpent("the bound is reached")

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """What is asked for in here may not use the part kept for hand-ins and marks."""
        self._needed = Leave.ALL
        try:
            yield
        finally:
            self._needed = Leave.URGENT

    @asynccontextmanager
    async def opened(
        self, hub_url: str, verify: ssl.SSLContext | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        """Open a client whose bytes are counted, whatever becomes of it."""
        context = verify or self._undated
        try:
            async with open_client(
                hub_url, self._transport, meter=self._meter, verify=context
            ) as client:
                yield client
            self._used_s = self._monotonic()
        finally:
            self.count()
            self._meter.close()

    def count(self) -> None:
        """Charge what has crossed since the last look."""
        crossed = self._meter.take()
        if crossed.up_bytes:
            self.budget.count(crossed.up_bytes, crossed.down_bytes)

    async def learn_time(self, me: Identity) -> bool:
        """Ask the hub what time it is, over a connection whose dates cannot be judged yet.

        False where that cannot help: it was done, or the kernel knows the time for certain.
        """
        if self._undated is not None or self.clock.quality() == CERTAIN:
            return False
        assert me.hub_url is not None
        assert me.hub_key is not None
        context, began = undated(), self._monotonic()
        async with self.opened(me.hub_url, context) as client:
            hub_ms = await ask_time(client, me.hub_key, secrets.token_bytes(NONCE_BYTES))
        self.clock.hear(hub_ms, delay_s=self._monotonic() - began)
        self._undated = context
        logger.warning("clock set by the hub utc_ms=%d", hub_ms)
        return True

    def _has_urgent(self, me: Identity) -> bool:
        lanes = store.lane_views(self._db, me.epoch, rank_max=0)
        return any(lane.has_waiting or lane.received_n < lane.cur_n for lane in lanes[:1])

    def _is_long_unused(self) -> bool:
        return self._monotonic() - self._used_s >= METERED_QUIET_S
