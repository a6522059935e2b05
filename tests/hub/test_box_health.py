"""What a box said of itself stands on the district's pages, in words, or that it said nothing."""

import pytest
from msgspec import structs

from appliance.backups.journal import Run, note_run
from appliance.backups.turns import Backups
from appliance.backups.words import LATE_MS, OLD_MS
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.maintenance.box import Box
from appliance.maintenance.commands import record_run
from appliance.maintenance.runner import run_job
from appliance.maintenance.schedule import NIGHT
from appliance.maintenance.weekly import OVERDUE_MS
from appliance.web.moments import moment
from sync.core.columns import Rows
from sync.hub.app import create_app
from sync.hub.fleet.health import (
    AHEAD,
    BACKUP_LATE_MS,
    BACKUP_OLD_MS,
    CHECK_LATE_MS,
    box_lines,
    box_needs,
    size,
)
from sync.hub.fleet.models import School
from sync.hub.intake.statements import statements
from sync.registry import TABLE, TABLE_NUMBERED
from tests.hub.cast import NOW_MS, new_id, rows, values

DAY_MS = 86_400_000
AWAY, CHECKED = "Last backup away from its card", "Last copy found whole"
LAST_NIGHT_MS = NOW_MS - DAY_MS // 2
SUNDAY_MS = NOW_MS - 4 * DAY_MS
GB = 1_000_000_000
WELL = School(
    school_id=None,
    name="Hilltop School",
    state="well",
    contact_at_ms=NOW_MS,
    waiting=0,
    oldest_since_ms=None,
    app_version="0.2.0",
    quarantined=0,
    conflicts=0,
    has_two_live_epochs=False,
    clock_offset_ms=1_500,
    sampled_at_ms=NOW_MS,
    disk_free_bytes=12_400_000_000,
    temperature_mc=61_700,
    database_bytes=48_000_000,
    clients_max=31,
    wal_bytes=9_000_000,
    memory_bytes=61_000_000,
    under_voltage=0,
    backup_away_at_ms=LAST_NIGHT_MS,
    copy_checked_at_ms=SUNDAY_MS,
)


def said(**changes):
    lines = box_lines(structs.replace(WELL, **changes), hub_version="0.2.0")
    return {line.name: (line.value, line.state) for line in lines}


def test_a_box_that_is_well_says_so_and_needs_nothing():
    assert said() == {
        "Free space": ("12.4 GB", "good"),
        "Temperature": ("62 °C", "good"),
        "Power": ("No complaint from the board", "good"),
        "The school's records": ("48 MB", "quiet"),
        "Log beside the records": ("9 MB", "quiet"),
        "Memory of the box": ("61 MB", "quiet"),
        "Signed in then": ("31 people", "quiet"),
        AWAY: (moment(LAST_NIGHT_MS), "good"),
        CHECKED: (moment(SUNDAY_MS), "good"),
        "Clock": ("Right", "good"),
        "Version": ("0.2.0", "good"),
    }
    assert box_needs(WELL) == []


@pytest.mark.parametrize(
    ("changes", "name", "value", "state", "need"),
    [
        ({"disk_free_bytes": 199 << 20}, "Free space", "209 MB", "bad", "Card full"),
        ({"disk_free_bytes": 0}, "Free space", "less than 1 MB", "bad", "Card full"),
        ({"disk_free_bytes": 2 * GB}, "Free space", "2.0 GB", "wait", "Little space"),
        ({"temperature_mc": 76_000}, "Temperature", "76 °C", "wait", None),
        ({"temperature_mc": 85_000}, "Temperature", "85 °C", "bad", "Too hot"),
        ({"temperature_mc": -4_000}, "Temperature", "-4 °C", "good", None),
        ({"clock_offset_ms": -119_999}, "Clock", "Right", "good", None),
        ({"clock_offset_ms": -130_000}, "Clock", "2 minutes behind", "wait", "Clock wrong"),
        ({"clock_offset_ms": 3_700_000}, "Clock", "1 hour ahead", "wait", "Clock wrong"),
        ({"clock_offset_ms": -NOW_MS}, "Clock", "20,370 days behind", "wait", "Clock wrong"),
        ({"app_version": "0.1.0"}, "Version", "0.1.0", "quiet", None),
        ({"app_version": None}, "Version", "unknown", "good", None),
        ({"wal_bytes": 65 << 20}, "Log beside the records", "68 MB", "wait", "Log grows"),
        ({"clients_max": 1}, "Signed in then", "1 person", "quiet", None),
    ],
)
def test_what_is_said_and_what_somebody_should_see(changes, name, value, state, need):
    assert said(**changes)[name] == (value, state)
    needs = box_needs(structs.replace(WELL, **changes))
    assert [line.need for line in needs] == ([need] if need else [])
    assert all(line.advice for line in needs)


@pytest.mark.parametrize(
    ("changes", "name", "value", "state", "need"),
    [
        ({"under_voltage": 1}, "Power", "Too little voltage", "bad", "Low voltage"),
        ({"backup_away_at_ms": None}, AWAY, "None", "wait", "No backup"),
        ({"backup_away_at_ms": LATE_MS}, AWAY, moment(NOW_MS - LATE_MS), "good", None),
        ({"backup_away_at_ms": 4 * DAY_MS}, AWAY, "4 days old", "wait", "Backup old"),
        ({"backup_away_at_ms": 15 * DAY_MS}, AWAY, "15 days old", "bad", "Backup old"),
        ({"backup_away_at_ms": NOW_MS}, AWAY, "20,370 days old", "bad", "Backup old"),
        ({"backup_away_at_ms": -60_000}, AWAY, moment(NOW_MS + 60_000), "good", None),
        ({"backup_away_at_ms": -DAY_MS}, AWAY, AHEAD, "wait", "Backup undated"),
        ({"backup_away_at_ms": NOW_MS - 2**63 + 1}, AWAY, AHEAD, "wait", "Backup undated"),
        ({"copy_checked_at_ms": None}, CHECKED, "None yet", "wait", None),
        ({"copy_checked_at_ms": OVERDUE_MS}, CHECKED, moment(NOW_MS - OVERDUE_MS), "good", None),
        ({"copy_checked_at_ms": 10 * DAY_MS}, CHECKED, "10 days ago", "wait", "Copy unchecked"),
        ({"copy_checked_at_ms": NOW_MS - 2**63 + 1}, CHECKED, AHEAD, "wait", None),
    ],
)
def test_power_backups_and_checks_as_the_box_itself_judges(changes, name, value, state, need):
    """Instants are given as how long before the reading."""
    given = {
        key: NOW_MS - ago if key.endswith("_ms") and ago is not None else ago
        for key, ago in changes.items()
    }
    assert said(**given)[name] == (value, state)
    lines = box_lines(structs.replace(WELL, **given), hub_version="0.2.0")
    assert [line.need for line in lines if line.need] == ([need] if need else [])
    assert all(line.advice for line in lines if line.state in {"wait", "bad"})


def test_how_old_something_is_stands_beside_its_date():
    early = {"backup_away_at_ms": NOW_MS - 4 * DAY_MS, "copy_checked_at_ms": NOW_MS - 10 * DAY_MS}
    needs = box_needs(structs.replace(WELL, **early))
    assert all(moment(at) in line.advice for line, at in zip(needs, early.values(), strict=True))


def test_the_district_calls_old_what_the_box_calls_old():
    assert (BACKUP_LATE_MS, BACKUP_OLD_MS, CHECK_LATE_MS) == (LATE_MS, OLD_MS, OVERDUE_MS)


def test_what_an_older_box_never_says_is_not_called_never():
    silent = dict.fromkeys(("under_voltage", "backup_away_at_ms", "copy_checked_at_ms"))
    assert not {"Power", AWAY, CHECKED} & said(**silent).keys()
    assert box_needs(structs.replace(WELL, **silent)) == []


def test_what_was_not_said_is_not_made_up():
    nothing = dict.fromkeys(
        (
            "disk_free_bytes",
            "temperature_mc",
            "database_bytes",
            "clients_max",
            "sampled_at_ms",
            "wal_bytes",
            "memory_bytes",
            "under_voltage",
            "backup_away_at_ms",
            "copy_checked_at_ms",
        )
    )
    assert said(**nothing, clock_offset_ms=None).keys() == {"Version"}
    assert said(contact_at_ms=None) == {}
    assert box_needs(structs.replace(WELL, contact_at_ms=None, disk_free_bytes=0)) == []


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "less than 1 MB"), (999_999, "less than 1 MB"), (1_000_000, "1 MB"), (GB, "1.0 GB")],
)
def test_sizes_are_written_as_shops_write_them(count, words):
    assert size(count) == words


def sample(box, **given):
    usual = {"id": new_id(), "disk_free_bytes": 9 * GB, "temperature_mc": 50_000}
    usual |= {"under_voltage": 0, "backup_away_at_ms": LAST_NIGHT_MS}
    usual |= {"copy_checked_at_ms": SUNDAY_MS}
    return rows("health_sample", values("health_sample", box.school_id, **(usual | given)))


@pytest.mark.anyio
@pytest.mark.postgres
async def test_the_newest_reading_stands_on_both_pages(district):
    box = await district.school("Hilltop School")
    await district.school("Riverside School")
    page = f"/schools/{box.school_id}"
    assert "The box has not called yet" in (await district.client.get(page)).text
    await box.hello(app_version="0.1.0")
    assert "No reading has come yet" in (await district.client.get(page)).text
    await box.send(sample(box))
    assert "9.0 GB" in (await district.client.get(page)).text
    await box.send(sample(box, disk_free_bytes=1 << 20, temperature_mc=None))
    text = (await district.client.get(page)).text
    for words in ("1 MB", "Put in a larger card", "The newest reading came", "0.1.0"):
        assert words in text
    assert "9.0 GB" not in text
    assert "°C" not in text
    schools = (await district.client.get("/")).text
    assert schools.count("Card full") == 1
    listed = (await district.client.get("/api/v1/schools")).json()
    assert [school["disk_free_bytes"] for school in listed] == [1 << 20, None]


LOOKED_AFTER = """
INSERT INTO credential (person_id, kind, sign_in_name, secret_hash)
VALUES (?1, 'password', 'otieno', x'00')
"""
NEWEST = """
SELECT under_voltage, backup_away_at_ms, copy_checked_at_ms
  FROM health_sample ORDER BY change_no DESC LIMIT 1
"""


def older(table):
    """The table as the release before declares it."""
    kept = tuple(column for column in table.columns if not column.since)
    return structs.replace(table, columns=kept)


def as_older(block):
    kept = len(older(TABLE[block.table]).columns)
    return Rows(block.table, block.columns[:kept], [row[:kept] for row in block.rows])


@pytest.mark.anyio
@pytest.mark.postgres
async def test_a_reading_of_an_older_box_or_sealed_by_an_older_program_says_nothing_of_it(
    district, see
):
    box = await district.school("Hilltop School")
    await box.hello(app_version="0.2.0")
    await box.send(sample(box, under_voltage=1))
    page = f"/schools/{box.school_id}"
    assert "Too little voltage" in (await district.client.get(page)).text
    await box.send(as_older(sample(box)))
    assert tuple(await see.fetchrow(NEWEST)) == (None, None, None)
    assert await see.fetchval("SELECT count(*) FROM sync_quarantine") == 0
    text = (await district.client.get(page)).text
    assert "9.0 GB" in text
    for name in ("Power", AWAY, CHECKED):
        assert name not in text
    await box.send(sample(box))
    assert moment(LAST_NIGHT_MS) in (await district.client.get(page)).text


@pytest.mark.anyio
@pytest.mark.postgres
async def test_an_older_hub_keeps_what_it_has_no_place_for_until_it_has_one(
    district, see, settings, watch, monkeypatch
):
    box = await district.school("Hilltop School")
    sent = sample(box, under_voltage=1)
    with monkeypatch.context() as before:
        for known, key in ((TABLE, "health_sample"), (TABLE_NUMBERED, 27)):
            before.setitem(known, key, older(known[key]))
        statements.cache_clear()
        await box.send(sent)
        assert tuple(await see.fetchrow(NEWEST)) == (None, None, None)
    statements.cache_clear()
    app = create_app(settings, clock=watch)
    async with app.lifespan():  # as after `darasa-hub migrate`
        pass
    assert tuple(await see.fetchrow(NEWEST)) == (1, LAST_NIGHT_MS, SUNDAY_MS)
    assert await see.fetchval("SELECT count(*) FROM sync_extra WHERE columns <> '[]'") == 0


@pytest.mark.anyio
@pytest.mark.postgres
async def test_an_instant_no_clock_can_have_is_put_aside_and_the_page_stands(district, see):
    box = await district.school("Hilltop School")
    await box.hello()
    await box.send(sample(box, backup_away_at_ms=2**62), sample(box, copy_checked_at_ms=-1))
    assert await see.fetchval("SELECT count(*) FROM sync_quarantine") == 1
    answer = await district.client.get(f"/schools/{box.school_id}")
    assert (answer.status_code, AHEAD in answer.text) == (200, True)


def made(at_ms, **changes):
    usual = {"kind": "backup", "is_verified": True, "place": "/media/stick", "words": "restored"}
    return Run(at_ms=at_ms, **(usual | changes))


async def take_reading(box):
    """The night's own job, at a real board."""
    settings, writer, readers = box.settings, Writer(box.settings.database), None
    writer.start()
    try:
        readers = Readers(settings.database)
        at = {"started_at_ms": SUNDAY_MS, "took_ms": 9}
        await writer.write(record_run, "full-check", "ok", "every page", **at)
        at = {"started_at_ms": SUNDAY_MS + DAY_MS, "took_ms": 9}
        await writer.write(record_run, "full-check", "failed", "damage", **at)
        backups = Backups(settings, readers, box.watch, app_version="0.3.0")
        night = Box(settings, writer, readers, clock=box.watch, backups=backups)
        (job,) = [job for job in NIGHT if job.name == "health-sample"]
        assert await run_job(night, job) == "ok"
    finally:
        if readers is not None:
            readers.close()
        writer.stop()


@pytest.mark.anyio
@pytest.mark.postgres
async def test_a_real_box_tells_its_district_when_its_work_was_last_made_safe(box, district, see):
    box.write(LOOKED_AFTER, box.cast.mr_otieno)
    note_run(box.settings, made(LAST_NIGHT_MS))
    note_run(box.settings, made(NOW_MS - 9, is_verified=False))
    note_run(box.settings, made(NOW_MS - 8, is_same_card=True))
    note_run(box.settings, made(NOW_MS - 7, kind="drill"))
    await take_reading(box)
    await box.agent.one_try()
    assert tuple(await see.fetchrow(NEWEST)) == (0, LAST_NIGHT_MS, SUNDAY_MS)
    (school,) = (await district.client.get("/api/v1/schools")).json()
    assert school["backup_away_at_ms"] == LAST_NIGHT_MS
    text = (await district.client.get(f"/schools/{school['school_id']}")).text
    for words in ("No complaint from the board", moment(LAST_NIGHT_MS), moment(SUNDAY_MS)):
        assert words in text
    assert "/media/stick" not in text
