"""Keeps house while the app lives, also after nights the box spent switched off.

The wall clock says which work is due and the monotonic one when to look: a board's clock is
set by years at a time, and a timer that waits for a date would wait for ever
(docs/decisions/0019). Whether a job did its work is our own record, because "executed" says
nothing about the effect. Work is done one piece at a time, and never in a lesson;
only the room on the card is looked after beside it.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from appliance.background import beside
from appliance.errors import DarasaError
from appliance.maintenance.box import DAY_MS, Box
from appliance.maintenance.commands import State, record_run
from appliance.maintenance.queries import first_try_ms, last_success_at_ms
from appliance.maintenance.room_keeping import make_room
from appliance.maintenance.schedule import NIGHT, Job
from appliance.maintenance.wear_keeping import count_wear

logger = logging.getLogger(__name__)

LOOK_S: Final = 10.0  # a full card is noticed in this time
SETTLE_S: Final = 300.0  # after a start: the class signs in first
AGAIN_S: Final = 3_600.0  # after a failure
WEAR_S: Final = 600.0  # between two looks at what was written to the card


class Night:
    """The work of one box, and what this process remembers about it."""

    def __init__(self, box: Box, jobs: tuple[Job, ...] = NIGHT) -> None:
        self._box: Final = box
        self._jobs: Final = jobs
        self._started_s: Final = box.monotonic_s()
        self._failed_s: Final[dict[str, float]] = {}
        self._held: Final[dict[str, str]] = {}  # the reason that is in the journal already
        self._wear_s = self._started_s

    async def keep_room(self) -> None:
        """Do without as the card fills, also while a job writes; count what is written to it."""
        box = self._box
        now_s = box.monotonic_s()
        if (words := await make_room(box)) is not None:
            await journal(box, "room", "ok", words)
        if now_s - self._wear_s >= WEAR_S:
            self._wear_s = now_s
            await asyncio.to_thread(count_wear, box)

    async def look(self) -> None:
        """Do what is due and may be done; a few milliseconds when nothing is."""
        is_settled = self._box.monotonic_s() - self._started_s >= SETTLE_S
        for job in self.due() if is_settled else []:
            await self._try(job)

    def due(self) -> list[Job]:
        """What should have run by now and has not."""
        return [job for job in self._jobs if self._is_due(job)]

    def _is_due(self, job: Job) -> bool:
        box = self._box
        failed_s = self._failed_s.get(job.name)
        if failed_s is not None and box.monotonic_s() - failed_s < AGAIN_S:
            return False
        now_ms = box.clock()
        last_ms = last_success_at_ms(box.readers.here, job.name, now_ms=now_ms)
        if last_ms is None or job.is_due(box.local(last_ms), box.local(now_ms)):
            return True
        # A board that never knows the time counts only the hours it runs: its day is a start.
        started_ms = now_ms - (box.monotonic_s() - self._started_s) * 1_000
        return not box.is_clock_sure and job.weekday is None and last_ms < started_ms

    async def _try(self, job: Job) -> None:
        reason = job.held_back(self._box, self._late_ms(job))
        if reason is None:
            self._held.pop(job.name, None)
            if await run_job(self._box, job) == "failed":
                self._failed_s[job.name] = self._box.monotonic_s()
        elif self._held.get(job.name) is None:  # once until it runs, or the journal is all excuses
            self._held[job.name] = reason
            await journal(self._box, job.name, "skipped", reason)

    def _late_ms(self, job: Job) -> int:
        """How long it has come to nothing: since it last worked, or was first tried."""
        db, now_ms = self._box.readers.here, self._box.clock()
        last_ms = last_success_at_ms(db, job.name, now_ms=now_ms)
        if last_ms is not None:
            return now_ms - last_ms - job.period_ms + DAY_MS
        return now_ms - (first_try_ms(db, job.name, now_ms=now_ms) or now_ms)


@asynccontextmanager
async def maintenance(box: Box, jobs: tuple[Job, ...] = NIGHT) -> AsyncIterator[Night]:
    """Keep house while the app lives. Whatever goes wrong, there is a next look.

    Two at a time: a job takes minutes, and the one that writes most fills the card fastest.
    """
    night = Night(box, jobs)
    try:
        async with beside(_keep_at(night.keep_room)), beside(_keep_at(night.look)):
            yield night
    finally:
        count_wear(box)


async def _keep_at(look: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            await look()
        except (DarasaError, OSError) as error:
            logger.warning("housekeeping put off cause=%s", error)
        except Exception:  # a damaged page, or a bug of ours: the lights must still be told
            logger.exception("housekeeping put off")


async def run_job(box: Box, job: Job) -> State:
    """Run one job and write down its effect."""
    began = time.monotonic_ns()
    started_at_ms = box.clock()
    state: State = "ok"
    try:
        effect = await job.run(box)
    except (DarasaError, OSError) as error:
        state, effect = "failed", str(error)
    except Exception as error:
        # A bug in one job, or a page it could not read, must not keep the others from theirs.
        logger.exception("job name=%s", job.name)
        state, effect = "failed", f"{type(error).__name__}: {error}"
    took_ms = (time.monotonic_ns() - began) // 1_000_000
    return await journal(box, job.name, state, effect, started_at_ms=started_at_ms, took_ms=took_ms)


async def journal(
    box: Box,
    name: str,
    state: State,
    effect: str,
    *,
    started_at_ms: int | None = None,
    took_ms: int = 0,
) -> State:
    """Write down what became of a job."""
    at_ms = box.clock() if started_at_ms is None else started_at_ms
    await box.writer.write(record_run, name, state, effect, started_at_ms=at_ms, took_ms=took_ms)
    level = logging.ERROR if state == "failed" else logging.INFO
    logger.log(level, "job name=%s state=%s effect=%s", name, state, effect)
    return state
