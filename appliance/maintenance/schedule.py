"""The whole night on one screen; also printed in docs/runbook.md."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from apscheduler.triggers.cron import CronTrigger
from msgspec import Struct

from appliance.maintenance.box import DAY_MS, Box, conditions
from appliance.maintenance.guards import (
    QUIET,
    Guard,
    almost_full,
    class_at_work,
    held_back,
    lesson_hours,
    little_space,
    unknown_hours,
    worn_today,
)
from appliance.maintenance.jobs import (
    back_up_nightly,
    back_up_to_stick,
    check_backup,
    check_keys,
    check_quickly,
    compact_file,
    drill_restore,
    lacks_backup,
    lacks_stick,
    prune_logs,
    reclaim_space,
    refresh_statistics,
    take_sample,
    was_drilled,
)

SUNDAY: Final = 6
WEEK_MS: Final = 7 * DAY_MS
PATIENCE_MS: Final = 4 * DAY_MS  # over a weekend with the plug pulled, to the night after it


class Job(Struct, frozen=True):
    """A piece of nightly work: local time, what runs, and what holds it back.

    Four days after it last worked it may run in lesson hours, if nobody is at work: a
    box that is switched off with the lights knows no other hours. `is_patient`: not this one,
    for which everybody waits.
    """

    name: str
    hour: int
    minute: int
    run: Callable[[Box], Awaitable[str]]
    guards: tuple[Guard, ...] = ()
    skip_if: Callable[[Box], str | None] | None = None  # what only this job can ask
    also_at: tuple[int, ...] = ()  # further hours
    weekday: int | None = None  # once a week
    is_patient: bool = False

    @property
    def hours(self) -> tuple[int, ...]:
        """Every hour it runs at."""
        return (self.hour, *self.also_at)

    @property
    def period_ms(self) -> int:
        """How often it should run."""
        return DAY_MS if self.weekday is None else WEEK_MS

    def guards_after(self, late_ms: int) -> tuple[Guard, ...]:
        """What still holds it back after so long."""
        if self.is_patient or late_ms < PATIENCE_MS:
            return self.guards
        return tuple(guard for guard in self.guards if guard is not lesson_hours)

    def held_back(self, box: Box, late_ms: int) -> str | None:
        """Why it must not run now, or None."""
        reason = held_back(self.guards_after(late_ms), conditions(box))
        return self.skip_if(box) if reason is None and self.skip_if else reason

    def is_due(self, last: datetime, now: datetime) -> bool:
        """Whether a time it should run at has passed since it last worked."""
        trigger = CronTrigger(
            day_of_week=self.weekday,
            hour=",".join(map(str, self.hours)),
            minute=self.minute,
            timezone=now.tzinfo,
        )
        slot: datetime = trigger.get_next_fire_time(last, now)
        return slot <= now


NIGHT: Final = (
    Job("prune-logs", 2, 10, prune_logs, (class_at_work, lesson_hours)),
    Job("reclaim-space", 2, 20, reclaim_space, (*QUIET, worn_today)),
    Job("statistics", 2, 30, refresh_statistics, (class_at_work, lesson_hours)),
    Job("quick-check", 2, 40, check_quickly, QUIET),
    Job("backup", 3, 0, back_up_nightly, (*QUIET, little_space)),
    Job("key-check", 3, 10, check_keys, QUIET, weekday=SUNDAY),
    Job("backup-to-stick", 3, 20, back_up_to_stick, QUIET, skip_if=lacks_stick),
    Job("full-check", 3, 30, check_backup, QUIET, skip_if=lacks_backup, weekday=SUNDAY),
    Job("restore-drill", 3, 40, drill_restore, QUIET, skip_if=was_drilled),
    Job(
        "compact",
        3,
        50,
        compact_file,
        (*QUIET, unknown_hours, little_space, worn_today),
        weekday=SUNDAY,
        is_patient=True,
    ),
    Job("health-sample", 1, 5, take_sample, (almost_full,), also_at=(7, 10, 13, 17)),
)
