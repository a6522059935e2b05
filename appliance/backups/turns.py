"""Backups in the running box: off the event loop, nightly or when asked."""

import asyncio
from typing import Final

from appliance.accounts.faults import NotClaimed
from appliance.accounts.queries import identity, school
from appliance.backups.drill import restore_drill
from appliance.backups.journal import Run, runs
from appliance.backups.making import back_up_away
from appliance.backups.sticks import Stick, sticks, take_stick
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.settings import Settings

DAY_MS: Final = 86_400_000
DRILL_EVERY_MS: Final = 7 * DAY_MS


class Backups:
    """What a backup needs of the running box. Whoever comes second is told that it is busy."""

    def __init__(
        self, settings: Settings, readers: Readers, clock: Clock, *, app_version: str
    ) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        self._readers: Final = readers
        self._app_version: Final = app_version

    async def sticks(self) -> list[Stick]:
        """What is plugged in, and whose it is; nothing before the box is a school."""
        known = school(self._readers.here)
        return await asyncio.to_thread(sticks, self.settings, known.id) if known else []

    async def take(self, place: str) -> None:
        """Make a stick this school's. Raises what is wrong with it, or BackupBusy."""
        known = school(self._readers.here)
        if known is None:
            raise NotClaimed("this box is not a school yet: there is nothing to back up")
        await asyncio.to_thread(take_stick, self.settings, place, known.id, known.name)

    async def make(self) -> Run:
        """Make a backup on the medium that is plugged in. Raises BackupBusy while one is made."""
        return await asyncio.to_thread(
            back_up_away, self.settings, app_version=self._app_version, now_ms=self.clock()
        )

    async def drill(self) -> Run:
        """Restore an old one to try it. Raises BackupBusy while a backup is made."""
        me = identity(self._readers.here)
        school_id = me.school_id if me else None
        return await asyncio.to_thread(restore_drill, self.settings, school_id, now_ms=self.clock())


def drilled_this_week(settings: Settings, *, now_ms: int) -> str | None:
    """Say that a drill of this week went well, or None: then it is time for one."""
    for run in reversed(runs(settings)):
        if run.kind == "drill" and run.is_verified and 0 <= now_ms - run.at_ms < DRILL_EVERY_MS:
            return f"{run.file} was tried {(now_ms - run.at_ms) // DAY_MS} days ago"
    return None
