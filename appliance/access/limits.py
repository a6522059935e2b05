"""Slowing down guesses, by account and never by address: a class shares one.

In memory on purpose. Restarting the box to gain five tries takes longer than waiting.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from appliance.errors import TooManyRequests

TRIES_MAX: Final = 5
REFILL_MS: Final = 12_000  # five a minute: a year of guessing tries 2.6 million passwords
NAMES_MAX: Final = 1_000  # names a guesser makes up push out only the oldest


class Bucket(Struct):
    """Tries left, as of an instant."""

    tries: float
    at_ms: int


class GuessLimit:
    """A bucket of tries for each account."""

    def __init__(self) -> None:
        self._buckets: Final[OrderedDict[str, Bucket]] = OrderedDict()

    def take(self, account: str, *, now_ms: int) -> None:
        """Use up one try. Raises TooManyRequests when none is left."""
        bucket = self._refilled(account, now_ms)
        if bucket.tries < 1:
            wait_s = max(1, round((1 - bucket.tries) * REFILL_MS / 1_000))
            raise TooManyRequests("too many wrong tries for this name", retry_after_s=wait_s)
        bucket.tries -= 1

    def forgive(self, account: str) -> None:
        """Forget the tries of somebody who got it right."""
        self._buckets.pop(account, None)

    def _refilled(self, account: str, now_ms: int) -> Bucket:
        bucket = self._buckets.pop(account, None) or Bucket(TRIES_MAX, now_ms)
        passed_ms = max(0, now_ms - bucket.at_ms)  # the board's clock may be set back
        bucket.tries = min(TRIES_MAX, bucket.tries + passed_ms / REFILL_MS)
        bucket.at_ms = now_ms
        self._buckets[account] = bucket
        if len(self._buckets) > NAMES_MAX:
            self._buckets.popitem(last=False)
        return bucket
