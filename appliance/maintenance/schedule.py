"""The whole night on one screen; also printed in docs/runbook.md."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from appliance.maintenance.jobs import (
    Box,
    back_up_nightly,
    back_up_to_stick,
    check_quickly,
    drill_restore,
    is_almost_full,
    lacks_room,
    lacks_stick,
    prune_logs,
    reclaim_space,
    take_sample,
    was_drilled,
)


class Job(Struct, frozen=True):
    """A piece of nightly work: local time, what runs, and what holds it back."""

    name: str
    hour: int
    minute: int
    run: Callable[[Box], Awaitable[str]]
    skip_if: Callable[[Box], str | None] | None = None
    waits_for_idle: bool = False
    also_at: tuple[int, ...] = ()  # further hours

    @property
    def hours(self) -> tuple[int, ...]:
        """Every hour it runs at."""
        return (self.hour, *self.also_at)


NIGHT: Final = (
    Job("prune-logs", 2, 10, prune_logs),
    Job("reclaim-space", 2, 20, reclaim_space, waits_for_idle=True),
    Job("quick-check", 2, 40, check_quickly),
    Job("backup", 3, 0, back_up_nightly, skip_if=lacks_room),
    Job("backup-to-stick", 3, 20, back_up_to_stick, skip_if=lacks_stick),
    Job("restore-drill", 3, 50, drill_restore, skip_if=was_drilled),
    Job("health-sample", 1, 5, take_sample, skip_if=is_almost_full, also_at=(7, 10, 13, 17)),
)
