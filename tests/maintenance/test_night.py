"""The night's work is done, written down with its effect, and caught up after nights off."""

import asyncio
from datetime import datetime
from itertools import pairwise

import anyio
import pytest
from msgspec import structs

from appliance.backups.media import prepare
from appliance.backups.nightly import KEPT, forget_old_copies
from appliance.backups.order import FILE
from appliance.clock import CERTAIN, SINCE_BOOT
from appliance.database.backup import restore
from appliance.database.copies import check_copy
from appliance.database.readers import Readers
from appliance.maintenance.box import DAY_MS, conditions
from appliance.maintenance.commands import record_run
from appliance.maintenance.guards import IDLE_S, QUIET, SILENCE_S, held_back
from appliance.maintenance.runner import AGAIN_S, SETTLE_S, Night, maintenance, run_job
from appliance.maintenance.schedule import NIGHT, PATIENCE_MS, Job
from appliance.maintenance.stops import noting_the_stop, read_mark
from appliance.telemetry.queries import JobState
from tests.cast import new_id
from tests.maintenance.conftest import HOUR_MS, NOON_MS

pytestmark = pytest.mark.anyio

BY_NAME = {job.name: job for job in NIGHT}
LAST_RUN = "SELECT name, state, started_at_ms, effect FROM job_run WHERE name = ?1 ORDER BY id"
RUNS = "SELECT count(*) FROM job_run WHERE name = ?1 AND state = ?2"

NEED_A_STICK = ("backup-to-stick", "restore-drill")
SCHOOL_ID = new_id()
IDENTITY = "INSERT INTO sync_identity (node_id, school_id, epoch) VALUES (?1, ?2, ?3)"


def last_run(db, name):
    """What a job did last, whatever came of it."""
    return db.rows(JobState, LAST_RUN, (name,))[-1]


def runs(box, name, state="ok"):
    return box.readers.here.value(RUNS, (name, state))


async def look_for(night, times, ms, every_ms=60 * 60_000):
    """Let time pass; the night looks every hour of it."""
    for _ in range(ms // every_ms):
        times.run_for(every_ms)
        await night.look()


@pytest.mark.parametrize("name", sorted(BY_NAME.keys() - {*NEED_A_STICK, "full-check"}))
async def test_every_job_runs_and_writes_down_its_effect(box, name):
    assert await run_job(box, BY_NAME[name]) == "ok"
    run = last_run(box.readers.here, name)
    assert (run.state, run.started_at_ms) == ("ok", NOON_MS)
    assert run.effect


async def test_the_backup_opens_and_is_what_the_weekly_check_reads(box):
    job = BY_NAME["full-check"]
    assert job.held_back(box, late_ms=0) == "there is no backup to check yet"
    await run_job(box, BY_NAME["quick-check"])
    await run_job(box, BY_NAME["backup"])
    (copy,) = box.settings.backups.glob("nightly-*.db")
    restore(copy, box.settings.data_dir / "again.db")
    readers = Readers(box.settings.data_dir / "again.db")
    assert last_run(readers.here, "quick-check").state == "ok"
    readers.close()
    assert job.held_back(box, late_ms=0) is None
    assert await run_job(box, job) == "ok"
    assert copy.name in last_run(box.readers.here, "full-check").effect
    assert {path.name for path in box.settings.backups.iterdir()} == {copy.name, FILE}


async def test_a_damaged_backup_is_found_and_the_live_file_is_not_touched(box):
    await run_job(box, BY_NAME["backup"])
    (copy,) = box.settings.backups.glob("nightly-*.db")
    whole = bytearray(copy.read_bytes())
    whole[5 * 4_096 : 9 * 4_096] = b"\xa5" * (4 * 4_096)
    copy.write_bytes(whole)
    assert not check_copy(copy).is_ok
    assert await run_job(box, BY_NAME["full-check"]) == "failed"
    assert await run_job(box, BY_NAME["quick-check"]) == "ok"


@pytest.mark.parametrize("name", NEED_A_STICK)
async def test_without_a_school_there_is_nothing_to_carry_away(box, name):
    reason = BY_NAME[name].held_back(structs.replace(box, idle_for_s=lambda: 1e9), late_ms=0)
    assert reason == "not claimed yet: nothing to back up"


@pytest.mark.parametrize("name", NEED_A_STICK)
@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_only_the_schools_own_stick_takes_a_backup(box, tmp_path, name, whose):
    def claim(tx):
        tx.run(IDENTITY, (new_id(), SCHOOL_ID, new_id()))

    stick = tmp_path / "stick"
    stick.mkdir()
    prepare(stick, SCHOOL_ID if whose == "ours" else new_id(), "Lycée de Thiès")
    settings = structs.replace(box.settings, backup_dir=str(stick))
    await box.writer.write(claim)
    reason = BY_NAME[name].skip_if(structs.replace(box, settings=settings))
    assert reason is None if whose == "ours" else "Lycée de Thiès" in reason


async def test_damage_found_at_night_has_the_next_start_repair_it(box):
    def fill(tx):
        tx.run("CREATE TABLE big (x BLOB) STRICT")
        for _ in range(400):
            tx.run("INSERT INTO big VALUES (randomblob(1000))")

    await box.writer.write(fill)
    box.writer._connection.pragma("wal_checkpoint(truncate)")
    file = box.settings.database
    with file.open("r+b") as pages:
        pages.seek(file.stat().st_size - 40 * 4_096)
        pages.write(b"\xa5" * (4 * 4_096))
    with noting_the_stop(box.settings.running):
        assert await run_job(box, BY_NAME["quick-check"]) == "failed"
    assert read_mark(box.settings.running).trouble == "damaged"


async def test_rows_that_point_nowhere_are_reported_and_left(box):
    def dangle(tx):
        tx.run("INSERT INTO session VALUES (zeroblob(32), zeroblob(16), 0, 9000000000000)")

    box.writer._connection.pragma("foreign_keys", 0)
    await box.writer.write(dangle)
    assert await run_job(box, BY_NAME["key-check"]) == "ok"
    effect = last_run(box.readers.here, "key-check").effect
    assert effect == "left as they are: 1 of session point at no person"
    assert box.readers.here.value("SELECT count(*) FROM session") == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"idle_for_s": IDLE_S - 1}, "a class is at work"),
        ({"is_lesson_time": True}, "it is lesson time"),
        ({"is_lesson_time": None, "idle_for_s": SILENCE_S - 1}, "it may be lesson time"),
        ({"is_lesson_time": None, "idle_for_s": SILENCE_S}, None),
        ({"temperature_c": 80.0}, "the board has 80 °C"),
        ({"temperature_c": None}, None),
    ],
)
async def test_what_holds_heavy_work_back(box, changes, reason):
    now = structs.replace(conditions(box), temperature_c=40.0)
    said = held_back(QUIET, structs.replace(now, **changes))
    assert said is None if reason is None else said.startswith(reason)


@pytest.mark.parametrize("late_ms", [0, PATIENCE_MS])
async def test_what_makes_everybody_wait_is_not_done_at_an_hour_nobody_knows(box, times, late_ms):
    school = structs.replace(box, settings=structs.replace(box.settings, lesson_hours="7-17"))
    times.quality = SINCE_BOOT
    assert "nobody knows" in BY_NAME["compact"].held_back(school, late_ms)
    assert BY_NAME["quick-check"].held_back(school, late_ms) is None, "a silent hour is enough"
    times.idle_s = IDLE_S
    is_late = late_ms == PATIENCE_MS  # a box that is only on in lessons has breaks, and no more
    assert (BY_NAME["quick-check"].held_back(school, late_ms) is None) is is_late


@pytest.mark.parametrize(
    ("job", "last", "now", "is_due"),
    [
        ("prune-logs", "2026-09-20T02:11", "2026-09-21T02:09", False),
        ("prune-logs", "2026-09-20T02:11", "2026-09-21T02:10", True),
        ("full-check", "2026-09-13T03:30", "2026-09-20T03:29", False),
        ("full-check", "2026-09-13T03:29", "2026-09-13T03:30", True),
        ("health-sample", "2026-09-20T07:06", "2026-09-20T10:04", False),
        ("health-sample", "2026-09-20T07:06", "2026-09-20T10:05", True),
    ],
)
async def test_a_job_is_due_once_its_time_has_passed_since_it_last_worked(job, last, now, is_due):
    then, at = (datetime.fromisoformat(words).astimezone() for words in (last, now))
    assert BY_NAME[job].is_due(then, at) is is_due


async def test_a_week_of_nights_does_everything_once_a_night(box, times):
    night = Night(box)
    await look_for(night, times, 7 * DAY_MS)
    for name, job in BY_NAME.items():
        if name in NEED_A_STICK:
            continue
        due = 1 if job.weekday is not None else 7
        wanted = due * len(job.hours)
        assert wanted <= runs(box, name) <= wanted + 1, name


async def test_nothing_is_done_before_the_class_has_signed_in(box, times):
    night = Night(box)
    times.run_for(int(SETTLE_S * 1_000) - 1_000)
    await night.look()
    assert runs(box, "quick-check") == 0
    times.run_for(1_000)
    await night.look()
    assert runs(box, "quick-check") == 1


async def test_a_box_at_work_is_left_in_peace_and_the_journal_is_not_all_excuses(box, times):
    times.idle_s = 1.0
    night = Night(box)
    await look_for(night, times, 8 * HOUR_MS)
    assert runs(box, "backup") == runs(box, "reclaim-space") == runs(box, "compact") == 0
    assert runs(box, "backup", "skipped") == 1
    assert runs(box, "health-sample") > 0


async def test_a_box_that_is_only_on_in_lessons_does_its_work_in_a_long_break(box, times):
    box = structs.replace(box, settings=structs.replace(box.settings, lesson_hours="0-24"))
    for _ in range(PATIENCE_MS // DAY_MS):
        night = Night(box)  # switched on in the morning, off in the afternoon
        await look_for(night, times, 8 * HOUR_MS)
        assert runs(box, "backup") == 0
        times.now_ms += 16 * HOUR_MS
    times.idle_s = 1.0
    night = Night(box)
    await look_for(night, times, HOUR_MS)
    assert runs(box, "backup") == 0, "not while a class is at work"
    times.idle_s = IDLE_S
    await look_for(night, times, HOUR_MS)
    assert runs(box, "backup") == 1
    assert runs(box, "compact") == 0, "what makes everybody wait is never done in lessons"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("the stick was pulled out"), "the stick was pulled out"),
        (ValueError("a bug of ours"), "ValueError: a bug of ours"),
    ],
)
async def test_a_failure_is_written_down_and_tried_again_in_an_hour(box, times, error, words):
    async def fails(_box):
        raise error

    night = Night(box, (Job("backup", 3, 0, fails), BY_NAME["quick-check"]))
    await look_for(night, times, int(AGAIN_S * 1_000))
    assert runs(box, "backup", "failed") == 1
    assert last_run(box.readers.here, "backup").effect == words
    assert runs(box, "quick-check") == 1, "nobody else is kept from work"
    await look_for(night, times, int(AGAIN_S * 1_000))
    assert runs(box, "backup", "failed") == 2


@pytest.mark.parametrize(
    ("age_ms", "is_due"),
    [
        (0, False),
        (DAY_MS, True),
        (-1, True),  # written under a clock that ran ahead: it proves nothing
    ],
)
async def test_what_a_switched_off_night_missed_is_due(box, age_ms, is_due):
    await box.writer.write(
        record_run, "backup", "ok", "done", started_at_ms=NOON_MS - age_ms, took_ms=1
    )
    assert ("backup" in {job.name for job in Night(box).due()}) is is_due


async def test_a_clock_that_jumps_neither_stops_the_night_nor_repeats_it(box, times):
    night = Night(box)
    await look_for(night, times, HOUR_MS)
    assert runs(box, "backup") == 1
    for jump_ms in (50 * 365 * DAY_MS, -50 * 365 * DAY_MS):
        times.now_ms += jump_ms
        before = runs(box, "backup")
        await look_for(night, times, DAY_MS)
        assert 1 <= runs(box, "backup") - before <= 2


async def test_a_box_that_never_knows_the_time_works_once_each_time_it_is_on(box, times):
    times.quality = SINCE_BOOT
    for start in range(1, 4):
        times.run_for(60_000)
        await look_for(Night(box), times, HOUR_MS)
        assert runs(box, "backup") == start


async def test_a_clock_nobody_vouches_for_forgets_nothing_by_date(box, times):
    for age in range(3):
        at_ms = NOON_MS - age * DAY_MS
        await box.writer.write(record_run, "old", "ok", "x", started_at_ms=at_ms, took_ms=1)
    times.now_ms += 50 * 365 * DAY_MS
    times.quality = SINCE_BOOT
    await run_job(box, BY_NAME["prune-logs"])
    assert runs(box, "old") == 3
    times.quality = CERTAIN
    await run_job(box, BY_NAME["prune-logs"])
    assert runs(box, "old") == 0


async def test_space_goes_back_in_steps_and_stops_for_a_class(box, times):
    def fill(tx):
        tx.run("CREATE TABLE big (x BLOB) STRICT")
        for _ in range(40):
            tx.run("INSERT INTO big VALUES (zeroblob(65536))")

    await box.writer.write(fill)
    await box.writer.write(lambda tx: tx.run("DROP TABLE big"))
    asked = iter([IDLE_S, IDLE_S, 0.0])
    watched = structs.replace(box, idle_for_s=lambda: next(asked))
    await run_job(watched, BY_NAME["reclaim-space"])
    assert "a class came" in last_run(box.readers.here, "reclaim-space").effect
    await run_job(box, BY_NAME["reclaim-space"])
    assert box.readers.here.value("PRAGMA freelist_count") == 0
    assert await run_job(box, BY_NAME["compact"]) == "ok"
    assert last_run(box.readers.here, "compact").effect == "0 % unused: nothing to gain"


async def test_a_file_that_is_mostly_air_is_written_anew(box):
    def fill(tx):
        tx.run("CREATE TABLE big (x BLOB) STRICT")
        tx.run("INSERT INTO big VALUES (zeroblob(4000000))")

    await box.writer.write(fill)
    await box.writer.write(lambda tx: tx.run("DROP TABLE big"))
    assert await run_job(box, BY_NAME["compact"]) == "ok"
    assert last_run(box.readers.here, "compact").effect.endswith("; 4 MB smaller")
    assert await run_job(box, BY_NAME["quick-check"]) == "ok"


async def test_the_app_keeps_house_while_it_lives(box):
    async with maintenance(box) as night:
        assert {job.name for job in night.due()} == set(BY_NAME)


def test_the_night_is_in_order():
    nights = [job for job in NIGHT if not job.also_at]
    times = [(job.hour, job.minute) for job in nights]
    assert all(one < other for one, other in pairwise(times))


def test_only_the_newest_copies_are_kept(tmp_path):
    for day in range(10, 20):
        (tmp_path / f"nightly-202611{day}.db").touch()
    (tmp_path / "before-0002-1.db").touch()
    assert forget_old_copies(tmp_path) == 10 - KEPT
    assert min(path.name for path in tmp_path.glob("nightly-*")) == "nightly-20261113.db"
    assert (tmp_path / "before-0002-1.db").exists()


async def test_room_is_looked_after_while_a_job_runs(box, times, monkeypatch):
    """A trial of a backup writes three times the file: the card fills just then."""
    monkeypatch.setattr("appliance.maintenance.runner.LOOK_S", 0.01)
    small = structs.replace(box, settings=structs.replace(box.settings, reserve_bytes=4_096))

    is_done = asyncio.Event()

    async def takes_long(box):
        box.settings.reserve.unlink(missing_ok=True)
        while not box.settings.reserve.exists():  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.01)
        is_done.set()
        return "room was kept meanwhile"

    async with maintenance(small, (Job("backup", 3, 0, takes_long),)):
        times.up_s += SETTLE_S
        with anyio.fail_after(10):
            await is_done.wait()
