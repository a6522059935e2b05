"""What the hub does once a day, whether or not anybody asks it anything."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from sync.hub.running import Hub

logger = logging.getLogger(__name__)

EVERY_S: Final = 86_400

Job = Callable[[Hub], Awaitable[int]]


async def every_day(job: Job, hub: Hub, *, after_s: float) -> None:
    """For as long as the hub serves, also after a day when PostgreSQL or the disk was away."""
    await asyncio.sleep(after_s)
    while True:
        try:
            await job(hub)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            name = getattr(job, "__name__", "?")
            logger.warning("daily work failed job=%s error=%s", name, type(error).__name__)
        await asyncio.sleep(EVERY_S)
