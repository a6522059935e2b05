"""Carries a verification over HTTP, between two pieces of ordinary work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from appliance.clock import Clock
from appliance.database.agent import AgentDatabase
from sync.agent.link import Link
from sync.agent.verifying import (
    Ask,
    AskBuckets,
    AskDigests,
    AskRows,
    AskStates,
    Breathe,
    Found,
    Push,
    verify,
)
from sync.protocol import BucketDigests, BucketPage, Digests, RowsPage

logger = logging.getLogger(__name__)

Answer = Digests | BucketDigests | BucketPage | RowsPage | None

DIGESTS: Final = "/sync/v1/digests"


class Comparison:
    """One verification on its way. `push` sends whatever waits."""

    def __init__(
        self, db: AgentDatabase, link: Link, clock: Clock, push: Callable[[], Awaitable[None]]
    ) -> None:
        self._db: Final = db
        self._link: Final = link
        self._clock: Final = clock
        self._push: Final = push
        self._version = db.data_version

    async def run(self) -> list[Found]:
        """Compare, mend, note; return what was found in each table."""
        steps = verify(self._db, self._clock)
        answer: Answer = None
        while True:
            try:
                asked: Ask = steps.send(answer)
            except StopIteration as done:
                return _told(done.value)
            answer = await self._answer(asked)

    async def _answer(self, asked: Ask) -> Answer:
        match asked:
            case AskDigests():
                return await self._link.get(f"{DIGESTS}?own=1", Digests)
            case AskBuckets(table=table):
                return await self._link.get(f"{DIGESTS}?buckets=1&table={table}", BucketDigests)
            case AskStates(table=table, bucket=bucket, after=after):
                path = f"{DIGESTS}/{table}/{bucket}?after={after}"
                return await self._link.get(path, BucketPage)
            case AskRows(request=request):
                return await self._link.post("/sync/v1/rows", request, RowsPage)
            case Push():
                await self._push()
            case Breathe():
                await self._breathe()
        return None

    async def _breathe(self) -> None:
        """A hand-in does not wait until a whole school is compared."""
        await asyncio.sleep(0)
        if self._db.data_version != self._version:
            self._version = self._db.data_version
            await self._push()


def _told(found: list[Found]) -> list[Found]:
    different = sum(each.different for each in found)
    repaired = sum(each.repaired for each in found)
    say = logger.info if different == repaired else logger.error
    say("verified tables=%d different=%d repaired=%d", len(found), different, repaired)
    return found
