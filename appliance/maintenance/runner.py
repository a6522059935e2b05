"""Runs the nightly work, also after nights the box spent switched off.

APScheduler keeps the time; whether a job did its work is our own record, because
"executed successfully" says nothing about the effect. A school that pulls the plug
every afternoon would never see two a.m.: what is overdue runs some minutes after start.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from appliance.clock import system_clock
from appliance.errors import DarasaError
from appliance.maintenance.commands import State, record_run
from appliance.maintenance.jobs import DAY_MS, Box
from appliance.maintenance.queries import last_success_at_ms
from appliance.maintenance.schedule import NIGHT, Job

logger = logging.getLogger(__name__)

CATCH_UP_AFTER_S: Final = 300  # the class signs in first
CATCH_UP_APART_S: Final = 120
GRACE_S: Final = 3_600  # a busy second at 02:10 is no reason to lose the night
IDLE_S: Final = 300.0  # nobody asked for anything in this long: no lesson is running

IdleFor = Callable[[], float]


@asynccontextmanager
async def maintenance(box: Box, idle_for_s: IdleFor) -> AsyncIterator[AsyncIOScheduler]:
    """Run the night while the app lives."""
    scheduler = AsyncIOScheduler(
        job_defaults={
            "coalesce": True,
            "max_instances": 1,
            "misfire_grace_time": GRACE_S,
        }
    )
    for job in NIGHT:
        scheduler.add_job(
            run_job,
            "cron",
            (box, job, idle_for_s),
            id=job.name,
            hour=",".join(map(str, job.hours)),
            minute=job.minute,
        )
    now = datetime.fromtimestamp(system_clock() / 1_000, UTC)  # the scheduler's own clock
    for place, job in enumerate(overdue(box)):
        at = now + timedelta(seconds=CATCH_UP_AFTER_S + place * CATCH_UP_APART_S)
        scheduler.add_job(
            run_job,
            "date",
            (box, job, idle_for_s),
            id=f"catch-up-{job.name}",
            run_date=at,
        )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)


def overdue(box: Box) -> list[Job]:
    """The jobs whose last success is more than a day ago, or in the future.

    A last success in the future was written under a wrong clock: it proves nothing.
    """
    now_ms = box.clock()

    def is_overdue(job: Job) -> bool:
        at_ms = last_success_at_ms(box.readers.here, job.name)
        return at_ms is None or not now_ms - DAY_MS <= at_ms <= now_ms

    return [job for job in NIGHT if is_overdue(job)]


async def run_job(box: Box, job: Job, idle_for_s: IdleFor) -> State:
    """Run one job if nothing holds it back, and write down its effect."""
    started_at_ms = box.clock()
    began = time.monotonic_ns()
    state, effect = await _outcome(box, job, idle_for_s)
    took_ms = (time.monotonic_ns() - began) // 1_000_000
    await box.writer.write(
        record_run,
        job.name,
        state,
        effect,
        started_at_ms=started_at_ms,
        took_ms=took_ms,
    )
    logger.log(
        logging.ERROR if state == "failed" else logging.INFO,
        "job name=%s state=%s effect=%s",
        job.name,
        state,
        effect,
    )
    return state


async def _outcome(box: Box, job: Job, idle_for_s: IdleFor) -> tuple[State, str]:
    if job.waits_for_idle and idle_for_s() < IDLE_S:
        return "skipped", "a class is at work"
    reason = job.skip_if(box) if job.skip_if else None
    if reason is not None:
        return "skipped", reason
    try:
        return "ok", await job.run(box)
    except (DarasaError, OSError) as error:
        return "failed", str(error)
