"""The nightly work itself: bounded steps that let pupils in between.

Every job returns one sentence about its effect; the runner writes it down.
"""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from appliance.access.commands import prune_sessions
from appliance.accounts.queries import identity, is_claimed
from appliance.backups.faults import MediumMissing
from appliance.backups.media import find
from appliance.backups.turns import Backups, drilled_this_week
from appliance.clock import Clock, clock_quality
from appliance.database.backup import back_up
from appliance.database.integrity import quick_check
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.durable import put_private
from appliance.errors import DarasaError
from appliance.maintenance.commands import free_some_pages, optimize, prune_runs
from appliance.settings import Settings
from appliance.telemetry.commands import add_sample
from appliance.telemetry.vitals import DISK_FREE_BYTES_MIN, read_vitals

DAY_MS: Final = 86_400_000
KEEP_RUNS_MS: Final = 30 * DAY_MS  # retention R3: a month of journal tells any story
STEPS_MAX: Final = 4_000  # 4 GiB at 1 MiB a step: more waits for the next night
PAUSE_S: Final = 0.02  # between steps; a hand-in waits for one step at most
BACKUPS_KEPT: Final = 7
TRIAL_FACTOR: Final = 3.2  # the copy, then what is unsealed and restored from it, and its log
ROOM_FACTOR: Final = 2.2  # the copy, its journal, and space to hand in meanwhile


class DamageFound(DarasaError):
    """quick_check found damage."""

    code = "database-damaged"
    title = "The database is damaged"
    hint = "Restart the box when the lesson is over: it repairs itself at its start."


class Box(Struct, frozen=True):
    """What a job may touch."""

    settings: Settings
    writer: Writer
    readers: Readers
    clock: Clock
    backups: Backups


async def prune_logs(box: Box) -> str:
    """Forget ended sessions and the journal of more than a month ago."""
    now_ms = box.clock()
    sessions = await box.writer.write(prune_sessions, now_ms=now_ms)
    runs = await box.writer.write(prune_runs, before_ms=now_ms - KEEP_RUNS_MS)
    return f"{sessions} sessions and {runs} runs forgotten"


async def reclaim_space(box: Box) -> str:
    """Shrink the database file, yielding to pupils' writes between steps.

    Not VACUUM: that copies the whole file, needs its size again in free space, and
    holds the write lock throughout. Boarding schools study at two a.m.
    """
    pages = 0
    for _ in range(STEPS_MAX):
        freed = await box.writer.write(free_some_pages)
        if freed == 0:
            break
        pages += freed
        await asyncio.sleep(PAUSE_S)
    await box.writer.write(optimize)
    return f"{pages} pages given back"


async def check_quickly(box: Box) -> str:
    """Read the whole file once; raise when it is damaged, and have the next start repair it."""
    report = await box.readers.read(quick_check)
    if report.problems:
        put_private(box.settings.unclean, b"damaged\n")
    if not report.is_ok:
        raise DamageFound("; ".join(report.problems) or f"{report.dangling} dangling keys")
    return f"ok in {report.took_ms} ms"


async def back_up_nightly(box: Box) -> str:
    """Copy the live database, verify the copy, keep the last seven."""
    day = datetime.fromtimestamp(box.clock() / 1_000, UTC).strftime("%Y%m%d")
    target = box.settings.backups / f"nightly-{day}.db"
    result = await asyncio.to_thread(back_up, box.settings.database, target)
    forgotten = forget_old_backups(box.settings.backups)
    return f"{target.name}, {result.size_bytes} bytes, verified; {forgotten} old ones removed"


async def back_up_to_stick(box: Box) -> str:
    """Make a sealed backup on the other medium, restored once to test it."""
    run = await box.backups.make()
    return f"{run.file}, {run.size_bytes} bytes, {run.rows} rows restored; {run.words}"


async def drill_restore(box: Box) -> str:
    """Restore the backup that was not tried for longest, every index read."""
    run = await box.backups.drill()
    return f"{run.file}: {run.words}"


def lacks_stick(box: Box) -> str | None:
    """Say why no backup can be made on another medium now, or None; the page says so, too."""
    me = identity(box.readers.here)
    if me is None:
        return "not claimed yet: nothing to back up"
    try:
        find(box.settings, me.school_id)
    except MediumMissing as error:
        return error.detail
    return lacks_room(box, TRIAL_FACTOR)


def was_drilled(box: Box) -> str | None:
    """Say that this week's drill went well, or why there can be none now, or None."""
    return drilled_this_week(box.settings, now_ms=box.clock()) or lacks_stick(box)


async def take_sample(box: Box) -> str:
    """Read the machine's own state and keep it for the district."""
    if not await box.readers.read(is_claimed):
        return "not claimed yet: nothing is kept"
    vitals = await asyncio.to_thread(read_vitals, box.settings)
    await box.writer.write(add_sample, vitals, now_ms=box.clock(), clock_quality=clock_quality())
    return f"{vitals.disk_free_bytes} bytes free on the card"


def is_almost_full(box: Box) -> str | None:
    """Say that the card is almost full, or None: readings are the first thing to do without."""
    free = shutil.disk_usage(box.settings.data_dir).free
    return f"{free} bytes free" if free < DISK_FREE_BYTES_MIN else None


def forget_old_backups(folder: Path) -> int:
    """Keep the newest nightly copies by name; return how many were removed."""
    old = sorted(folder.glob("nightly-*.db"))[:-BACKUPS_KEPT]
    for path in old:
        path.unlink()
    return len(old)


def lacks_room(box: Box, factor: float = ROOM_FACTOR) -> str | None:
    """Say why a copy would not fit, or None."""
    needed = int(box.settings.database.stat().st_size * factor)
    free = shutil.disk_usage(box.settings.data_dir).free
    return f"{free} bytes free, {needed} needed" if free < needed else None
