"""What the backups page knows, for programs."""

import asyncio
from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.backups.journal import Run, runs
from appliance.backups.models import BackupState, StickTaken
from appliance.backups.turns import Backups
from appliance.backups.words import backup_lines

RUNS_SHOWN: Final = 30


@get("/api/v1/box/backups")
async def backup_state(backups: NamedDependency[Backups]) -> BackupState:
    """Say where the backups are, what is plugged in, and what became of the last ones."""
    return await state(backups)


@post("/api/v1/box/backups", status_code=201)
async def make_backup(backups: NamedDependency[Backups]) -> Run:
    """Make one now; it is answered when it has been restored to test it."""
    return await backups.make()


@post("/api/v1/box/backup-sticks", status_code=201)
async def take_stick(data: JSONBody[StickTaken], backups: NamedDependency[Backups]) -> BackupState:
    """Make a stick that is plugged in this school's; what else is on it stays."""
    await backups.take(data.place)
    return await state(backups)


async def state(backups: Backups) -> BackupState:
    """Read both journals, and look at what is plugged in."""
    now_ms, settings = backups.clock(), backups.settings
    return BackupState(
        lines=await asyncio.to_thread(backup_lines, settings, now_ms=now_ms),
        sticks=await backups.sticks(),
        runs=(await asyncio.to_thread(runs, settings))[: -RUNS_SHOWN - 1 : -1],
    )


ROUTES: Final = (backup_state, make_backup, take_stick)
