"""What the backups page knows, for programs."""

import asyncio
from typing import Final

from litestar import get, post
from litestar.di import NamedDependency

from appliance.backups.journal import Run, runs
from appliance.backups.models import BackupState
from appliance.backups.turns import Backups
from appliance.backups.words import backup_lines

RUNS_SHOWN: Final = 30


@get("/api/v1/box/backups")
async def backup_state(backups: NamedDependency[Backups]) -> BackupState:
    """Say where the backups are and what became of the last ones."""
    return await asyncio.to_thread(state, backups)


@post("/api/v1/box/backups", status_code=201)
async def make_backup(backups: NamedDependency[Backups]) -> Run:
    """Make one now; it is answered when it has been restored to test it."""
    return await backups.make()


def state(backups: Backups) -> BackupState:
    """Read both journals."""
    now_ms = backups.clock()
    return BackupState(
        lines=backup_lines(backups.settings, now_ms=now_ms),
        runs=runs(backups.settings)[: -RUNS_SHOWN - 1 : -1],
    )


ROUTES: Final = (backup_state, make_backup)
