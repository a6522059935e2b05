"""The whole night on one screen; also printed in docs/runbook.md."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from appliance.maintenance.jobs import (
    Box,
    back_up_nightly,
    check_quickly,
    lacks_room,
    prune_logs,
    reclaim_space,
)


class Job(Struct, frozen=True):
    """A piece of nightly work: local time, what runs, and what holds it back."""

    name: str
    hour: int
    minute: int
    run: Callable[[Box], Awaitable[str]]
    skip_if: Callable[[Box], str | None] | None = None
    waits_for_idle: bool = False


NIGHT: Final = (
    Job("prune-logs", 2, 10, prune_logs),
    Job("reclaim-space", 2, 20, reclaim_space, waits_for_idle=True),
    Job("quick-check", 2, 40, check_quickly),
    Job("backup", 3, 0, back_up_nightly, skip_if=lacks_room),
)
