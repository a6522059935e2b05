"""Notices what the agent brought, and sees to it.

The agent is another process: PRAGMA data_version tells that somebody has written, and
costs a microsecond to ask. Commands that wait for a clock are looked at once a minute.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import msgspec

from appliance.background import beside
from appliance.clock import Clock, clock_quality
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import DarasaError, NotFound
from appliance.orders.commands import carry_out, refuse
from appliance.orders.queries import pending

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LOOK_ANYWAY_EVERY: Final = 60  # looks: a clock may have been set, and nothing written
OUR_FAULT: Final = 500  # from this status on an error says nothing about the order


class Desk:
    """Where orders are answered; `quality` says how far the clock can be believed."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        clock: Clock,
        quality: Callable[[], int] = clock_quality,
    ) -> None:
        self._writer: Final = writer
        self._readers: Final = readers
        self._clock: Final = clock
        self._quality: Final = quality

    async def watch(self, *, every_s: float = LOOK_EVERY_S) -> None:
        """Look until cancelled. Whatever goes wrong, there is a next look."""
        seen, looks = -1, 0
        while True:
            version = self._readers.data_version
            if version != seen or looks % LOOK_ANYWAY_EVERY == 0:
                seen = version
                await self._look()
            looks += 1
            await asyncio.sleep(every_s)

    async def _look(self) -> None:
        try:
            await self.answer_all()
        except DarasaError as error:
            logger.warning("orders wait code=%s", error.code)
        except Exception:
            logger.exception("orders wait")

    async def answer_all(self) -> int:
        """Carry out or refuse what waits; return how many were answered.

        Raises Busy, StorageFull, WriteFailed: then the rest waits for the next look.
        """
        orders = await self._readers.read(pending, quality=self._quality())
        return sum([await self._answer(order.id) for order in orders])

    async def _answer(self, command_id: UUID) -> bool:
        """Carry it out and answer in one transaction, or refuse it in another."""
        now_ms = self._clock()
        try:
            return await self._writer.write(
                carry_out, command_id, now_ms=now_ms, quality=self._quality()
            )
        except DarasaError as error:
            if error.status >= OUR_FAULT:
                raise
            reason = _reason(error)
        except msgspec.DecodeError as error:
            reason = f"The order is not written as this box expects it: {error}"
        except Exception as error:
            # A bug of ours must not stop the orders behind it, nor leave the district waiting.
            logger.exception("order failed kind=%s", type(error).__name__)
            reason = f"The box failed at this order ({type(error).__name__})."
        await self._writer.write(refuse, command_id, reason, now_ms=now_ms)
        return True


@asynccontextmanager
async def answering(desk: Desk) -> AsyncIterator[None]:
    """Answer orders as long as the app lives."""
    async with beside(desk.watch()):
        yield


def _reason(error: DarasaError) -> str:
    """Say it to somebody far away, who does not see this box."""
    if isinstance(error, NotFound):
        return f"This box has no {error.detail}."
    return f"{error.title}: {error.detail}."
