"""Takes the steps of the clock, so that nobody is thrown out by one, and keeps the floor.

A board that wakes in the past learns the time in the middle of a lesson. Forwards, whoever
signed in since it woke is taken along before the step; backwards, sessions that would now last
for years are cut to a day's after it. The order of work is not touched: it is by number.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from appliance.access.commands import cap_sessions, shift_sessions
from appliance.background import beside
from appliance.clock import BoxClock
from appliance.database.writer import Writer
from appliance.errors import DarasaError

logger = logging.getLogger(__name__)

LOOK_S: Final = 2.0
FLOOR_EVERY: Final = 300  # looks: ten minutes, the most that a power cut costs the clock


@asynccontextmanager
async def keeping_time(clock: BoxClock | None, writer: Writer) -> AsyncIterator[None]:
    """Keep time while the app lives; without a box's clock there is nothing to do."""
    if clock is None:
        yield
        return
    await writer.write(cap_sessions, now_ms=clock.now_ms())  # a power cut may have split a step
    await asyncio.to_thread(clock.save_floor)
    try:
        async with beside(_keep_looking(clock, writer)):
            yield
    finally:
        clock.save_floor()


async def _keep_looking(clock: BoxClock, writer: Writer) -> None:
    looks = 0
    while True:
        await asyncio.sleep(LOOK_S)
        looks += 1
        try:
            stepped = await take_step(clock, writer)
            if stepped or looks % FLOOR_EVERY == 0:
                await asyncio.to_thread(clock.save_floor)
        except (DarasaError, OSError) as error:
            logger.warning("clock step put off cause=%s", error)
        except Exception:  # a bug of ours must not leave the box in 1970 for good
            logger.exception("clock step put off")


async def take_step(clock: BoxClock, writer: Writer) -> bool:
    """Go over to the time that is believed now, sessions and all; False when it holds."""
    step_ms = clock.step_ms()
    if step_ms == 0:
        return False
    if step_ms > 0:
        since_ms = clock.belief().at_boot_ms
        await writer.write(shift_sessions, since_ms=since_ms, by_ms=step_ms)
    clock.take_step()
    if step_ms < 0:
        await writer.write(cap_sessions, now_ms=clock.now_ms())
    logger.info("clock stepped by_ms=%d quality=%d", step_ms, clock.belief().quality)
    return True
