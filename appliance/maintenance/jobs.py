"""The nightly work itself: bounded steps that let pupils in between.

Every job returns one sentence about its effect; the runner writes it down.
"""

import asyncio
from typing import Final

from appliance.access.commands import prune_sessions
from appliance.accounts.queries import identity, is_claimed
from appliance.backups.faults import MediumMissing, WrongMedium
from appliance.backups.media import find
from appliance.backups.nightly import copy_tonight, nightly_copies
from appliance.backups.trial import TRIAL_FACTOR
from appliance.backups.turns import drilled_this_week
from appliance.database.compact import compact
from appliance.database.connection import PAGE_SIZE_BYTES
from appliance.database.integrity import foreign_key_check, quick_check
from appliance.maintenance.box import DAY_MS, Box, conditions
from appliance.maintenance.checking import DamageFound, check_newest
from appliance.maintenance.commands import (
    free_some_pages,
    optimize,
    prune_oldest_runs,
    prune_runs,
)
from appliance.maintenance.guards import IDLE_S, lacks_room
from appliance.maintenance.queries import pages
from appliance.maintenance.stops import note_trouble
from appliance.room import size
from appliance.telemetry.commands import add_sample
from appliance.telemetry.safety import read_safety
from appliance.telemetry.vitals import read_vitals

# By class of row (docs/runbook.md). R0 and R1 are never pruned here: they are the school's own.
# R2, readings for the district, the agent lets go of once they have arrived.
KEPT_R3_MS: Final = 30 * DAY_MS  # operational: a month of journal tells any story
KEPT_R3_RUNS: Final = 3_000  # of it, where no clock is sure: 20 a day in 5 months
KEPT_R4_MS: Final = 0  # ephemeral: a session that is over is over
STEPS_MAX: Final = 4_000  # 4 GiB at 1 MiB a step: more waits for the next night
PAUSE_S: Final = 0.02  # between steps; a hand-in waits for one step at most
FREE_PERCENT_MAX: Final = 25  # beyond this a file is worth writing anew


async def prune_logs(box: Box) -> str:
    """Forget ended sessions and the journal of more than a month ago."""
    now_ms = box.clock()
    if not box.is_clock_sure:
        runs = await box.writer.write(prune_oldest_runs, kept=KEPT_R3_RUNS)
        return f"{runs} runs forgotten, by count: the clock is not sure"
    sessions = await box.writer.write(prune_sessions, now_ms=now_ms - KEPT_R4_MS)
    runs = await box.writer.write(prune_runs, before_ms=now_ms - KEPT_R3_MS)
    return f"{sessions} sessions and {runs} runs forgotten"


async def reclaim_space(box: Box) -> str:
    """Give unused pages back, yielding to pupils' writes between steps."""
    given, words = 0, ""
    for _ in range(STEPS_MAX):
        if box.idle_for_s() < IDLE_S:
            words = "; the rest next time: a class came"
            break
        freed = await box.writer.write(free_some_pages)
        if freed == 0:
            break
        given += freed
        await asyncio.sleep(PAUSE_S)
    done = f"{size(given * PAGE_SIZE_BYTES)} given back" if given else "nothing to give back"
    return f"{done}{words}"


async def compact_file(box: Box) -> str:
    """Write the file anew when more than a quarter of it is unused; everybody waits meanwhile."""
    found = await box.readers.read(pages)
    percent = found.free * 100 // max(1, found.pages)
    if percent <= FREE_PERCENT_MAX:
        return f"{percent} % unused: nothing to gain"
    smaller_bytes = await asyncio.to_thread(compact, box.settings.database)
    return f"{percent} % was unused; {size(smaller_bytes)} smaller"


async def refresh_statistics(box: Box) -> str:
    """Let SQLite look again at how its tables are filled."""
    await box.writer.write(optimize)
    return "statistics are fresh"


async def check_quickly(box: Box) -> str:
    """Read the whole file once; fail when it is damaged, and have the next start repair it."""
    report = await box.readers.read(quick_check)
    if report.problems:
        note_trouble(box.settings.running, "damaged")
        raise DamageFound("; ".join(report.problems))
    return f"ok in {report.took_ms} ms"


async def check_keys(box: Box) -> str:
    """Look for rows that point nowhere; report them, delete nothing."""
    found = await box.readers.read(foreign_key_check)
    if not found:
        return "every row points at one that is there"
    return "left as they are: " + ", ".join(
        f"{each.dangling} of {each.child} point at no {each.parent}" for each in found
    )


async def check_backup(box: Box) -> str:
    """Read every page and every index of the newest backup; the live file is left in peace."""
    # The schedule asks lacks_backup first.
    return await asyncio.to_thread(check_newest, nightly_copies(box.settings.backups))


async def back_up_nightly(box: Box) -> str:
    """Copy the live database, verify the copy, keep the last seven."""
    done = await asyncio.to_thread(copy_tonight, box.settings, now_ms=box.clock())
    return f"{done.name}, {size(done.size_bytes)}, verified; {done.forgotten} older removed"


async def back_up_to_stick(box: Box) -> str:
    """Make a sealed backup on the other medium, restored once to test it."""
    run = await box.backups.make()
    return f"{run.file}, {size(run.size_bytes)}, {run.rows} rows restored; {run.words}"


async def drill_restore(box: Box) -> str:
    """Restore the backup that was not tried for longest, every index read."""
    run = await box.backups.drill()
    return f"{run.file}: {run.words}"


def lacks_stick(box: Box) -> str | None:
    """No prepared stick is plugged in, or less than 3.2 times the file is free."""
    me = identity(box.readers.here)
    if me is None:
        return "not claimed yet: nothing to back up"
    try:
        find(box.settings, me.school_id)
    except (MediumMissing, WrongMedium) as error:
        return error.detail
    return lacks_room(conditions(box), TRIAL_FACTOR)


def was_drilled(box: Box) -> str | None:
    """A drill of this week went well, or there is no prepared stick."""
    return drilled_this_week(box.settings, now_ms=box.clock()) or lacks_stick(box)


async def take_sample(box: Box) -> str:
    """Read the machine's own state and keep it for the district."""
    if not await box.readers.read(is_claimed):
        return "not claimed yet: nothing is kept"
    vitals = await asyncio.to_thread(read_vitals, box.settings)
    at = {"now_ms": box.clock(), "clock_quality": box.quality()}
    safety = await box.readers.read(lambda db: read_safety(db, box.settings, **at))
    await box.writer.write(add_sample, vitals, safety, **at)
    return f"{size(vitals.disk_free_bytes)} free on the card"


def lacks_backup(box: Box) -> str | None:
    """There is no backup yet."""
    is_there = bool(nightly_copies(box.settings.backups))
    return None if is_there else "there is no backup to check yet"
