"""Slowing down guesses, also where several hub processes serve one district.

With Redis (or Valkey) they count together; without it, or while it is out of reach, each
counts for itself: the hub runs either way. Only counters live there, under a hash of the
name, for a minute.
"""

import hashlib
import logging
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from appliance.access.limits import REFILL_MS, TRIES_MAX, GuessLimit
from appliance.errors import TooManyRequests

logger = logging.getLogger(__name__)

WINDOW_S: Final = TRIES_MAX * REFILL_MS // 1_000  # as many tries a minute as the bucket refills
REDIS_S_MAX: Final = 0.5  # a sign-in does not wait for a store that is not there
KEY_DIGITS: Final = 32


class SharedGuessLimit:
    """Tries for each account: in Redis where there is one, else in this process."""

    def __init__(self, redis_url: str) -> None:
        self._own: Final = GuessLimit()
        self._redis: Final = (
            Redis.from_url(
                redis_url, socket_timeout=REDIS_S_MAX, socket_connect_timeout=REDIS_S_MAX
            )
            if redis_url
            else None
        )

    async def close(self) -> None:
        """Hang up."""
        if self._redis is not None:
            await self._redis.aclose()

    async def take(self, account: str, *, now_ms: int) -> None:
        """Use up one try. Raises TooManyRequests when none is left."""
        if self._redis is None:
            self._own.take(account, now_ms=now_ms)
            return
        try:
            tries, wait_s = await _count(self._redis, account)
        except RedisError as error:
            logger.warning("guesses counted here alone store=redis error=%s", type(error).__name__)
            self._own.take(account, now_ms=now_ms)
            return
        if tries > TRIES_MAX:
            raise TooManyRequests("too many wrong tries for this name", retry_after_s=wait_s)

    async def forgive(self, account: str) -> None:
        """Forget the tries of somebody who got it right."""
        self._own.forgive(account)
        if self._redis is not None:
            try:
                await self._redis.delete(_key(account))
            except RedisError as error:
                logger.warning("guesses not forgiven store=redis error=%s", type(error).__name__)


async def _count(redis: Redis, account: str) -> tuple[int, int]:
    """Count one try; return how many in this window, and how long it still lasts."""
    key = _key(account)
    tries = await redis.incr(key)
    left_s = await redis.ttl(key)
    if left_s < 0:  # new, or whoever counted first died before this line
        await redis.expire(key, WINDOW_S)
        left_s = WINDOW_S
    return int(tries), max(1, int(left_s))


def _key(account: str) -> str:
    return f"darasa:guess:{hashlib.sha256(account.encode()).hexdigest()[:KEY_DIGITS]}"
