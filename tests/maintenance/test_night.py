"""The night's work is done, written down with its effect, and caught up after nights off."""

import pytest

from appliance.backups.turns import Backups
from appliance.database.backup import restore
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.maintenance.commands import record_run
from appliance.maintenance.jobs import BACKUPS_KEPT, DAY_MS, Box, forget_old_backups
from appliance.maintenance.queries import last_run
from appliance.maintenance.runner import IDLE_S, maintenance, overdue, run_job
from appliance.maintenance.schedule import NIGHT, Job
from appliance.settings import Settings

pytestmark = pytest.mark.anyio

NOON_MS = 1_790_000_000_000
BY_NAME = {job.name: job for job in NIGHT}

NEED_A_STICK = {"backup-to-stick", "restore-drill"}


def idle():
    return IDLE_S


def busy():
    return 1.0


@pytest.fixture
def box(tmp_path):
    settings = Settings(data_dir=tmp_path)
    migrate(settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=NOON_MS)
    writer = Writer(settings.database)
    writer.start()
    readers = Readers(settings.database)
    backups = Backups(settings, readers, lambda: NOON_MS, app_version="0.3.0")
    yield Box(settings, writer, readers, lambda: NOON_MS, backups)
    readers.close()
    writer.stop()


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - NEED_A_STICK))
async def test_every_job_runs_and_writes_down_its_effect(box, name):
    assert await run_job(box, BY_NAME[name], idle) == "ok"
    run = last_run(box.readers.here, name)
    assert (run.state, run.started_at_ms) == ("ok", NOON_MS)
    assert run.effect


async def test_the_backup_opens_and_holds_what_the_box_holds(box):
    await run_job(box, BY_NAME["quick-check"], idle)
    await run_job(box, BY_NAME["backup"], idle)
    (copy,) = box.settings.backups.glob("nightly-*.db")
    restore(copy, box.settings.data_dir / "again.db")
    readers = Readers(box.settings.data_dir / "again.db")
    assert last_run(readers.here, "quick-check").state == "ok"
    readers.close()


@pytest.mark.parametrize("name", NEED_A_STICK)
async def test_without_a_school_there_is_nothing_to_carry_away(box, name):
    assert await run_job(box, BY_NAME[name], idle) == "skipped"
    assert last_run(box.readers.here, name).effect == "not claimed yet: nothing to back up"


async def test_space_is_not_reclaimed_while_a_class_works(box):
    assert await run_job(box, BY_NAME["reclaim-space"], busy) == "skipped"
    assert last_run(box.readers.here, "reclaim-space").effect == "a class is at work"


async def test_a_job_that_fails_says_why_and_stays_overdue(box):
    async def fails(_box):
        raise OSError("the stick was pulled out")

    job = Job("backup", 3, 0, fails)
    assert await run_job(box, job, idle) == "failed"
    assert last_run(box.readers.here, "backup").effect == "the stick was pulled out"
    assert "backup" in {job.name for job in overdue(box)}


@pytest.mark.parametrize(
    ("age_ms", "is_overdue"),
    [
        (0, False),
        (DAY_MS, False),
        (DAY_MS + 1, True),
        (-1, True),  # written under a clock that ran ahead: it proves nothing
    ],
)
async def test_what_a_switched_off_night_missed_is_overdue(box, age_ms, is_overdue):
    await box.writer.write(
        record_run, "backup", "ok", "done", started_at_ms=NOON_MS - age_ms, took_ms=1
    )
    assert ("backup" in {job.name for job in overdue(box)}) is is_overdue


async def test_the_scheduler_holds_the_night_and_what_is_overdue(box):
    await box.writer.write(record_run, "backup", "ok", "done", started_at_ms=NOON_MS, took_ms=1)
    async with maintenance(box, idle) as scheduler:
        names = {job.id for job in scheduler.get_jobs()}
    assert set(BY_NAME) <= names
    assert "catch-up-quick-check" in names
    assert "catch-up-backup" not in names


def test_only_the_newest_copies_are_kept(tmp_path):
    for day in range(10, 20):
        (tmp_path / f"nightly-202611{day}.db").touch()
    (tmp_path / "before-0002-1.db").touch()
    assert forget_old_backups(tmp_path) == 10 - BACKUPS_KEPT
    assert min(path.name for path in tmp_path.glob("nightly-*")) == "nightly-20261113.db"
    assert (tmp_path / "before-0002-1.db").exists()
