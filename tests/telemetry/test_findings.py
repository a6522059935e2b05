"""What a keeper is told: in plain words, only when there is something to do, the pressing first."""

from contextlib import closing
from functools import partial

import pytest
from msgspec import structs

from appliance.backups.journal import Run, note_run
from appliance.backups.words import DRILL, LAST, NONE, OWN_CARD, BackupLine, backup_lines
from appliance.clock import SINCE_BOOT, TOLD
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.maintenance.commands import record_run
from appliance.maintenance.schedule import NIGHT
from appliance.room import MIB
from appliance.settings import Settings
from appliance.telemetry.exposition import requests
from appliance.telemetry.findings import Signs, all_findings, machine_findings, worst
from appliance.telemetry.jobs import CALLED
from appliance.telemetry.meter import Route
from appliance.telemetry.power import Power
from appliance.telemetry.queries import Contact, JobState, Unsent
from appliance.telemetry.signs import read_signs
from appliance.telemetry.vitals import (
    TEMPERATURE_C_MAX,
    TEMPERATURE_C_WARM,
    WAL_BYTES_MAX,
    Vitals,
)

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
FINE = Vitals(
    uss_bytes=60 << 20,
    memory_free_bytes=2 << 30,
    disk_free_bytes=8 << 30,
    disk_total_bytes=32 << 30,
    database_bytes=4 << 20,
    wal_bytes=1 << 20,
    temperature_c=55.0,
    uptime_s=100,
)
ALONE = Contact(is_enrolled=False, contact_at_ms=None, contact_error=None)
AWAY = BackupLine("good", LAST, "The last one was made today.")
NEVER = BackupLine("bad", NONE, "There is no backup.", "Plug a stick in.")
OLD = BackupLine("bad", LAST, "It is 20 days old.", "Plug a stick in.", is_by_age=True)
LATE = BackupLine("wait", LAST, "It is 4 days old.", "Plug a stick in.", is_by_age=True)
OWN = BackupLine("bad", OWN_CARD, "It would be lost with the card.", "Plug a stick in.")
FAILED_TRY = BackupLine("wait", "Last try", "It made none.", "Plug a stick in.")
FAILED_DRILL = BackupLine("bad", DRILL, "It failed.", "Make a new one.")
WELL = Signs(
    now_ms=NOW_MS,
    clock_quality=TOLD,
    vitals=FINE,
    contact=Contact(is_enrolled=True, contact_at_ms=1, contact_error=None),
    unsent=Unsent(waiting=3, oldest_since_ms=NOW_MS - DAY_MS),
    runs=[JobState("backup", "ok", NOW_MS, "done")],
    clients=31,
    backup_at_ms=NOW_MS - DAY_MS,
    check_at_ms=NOW_MS - DAY_MS,
    backups=[AWAY],
    card_day=("2026-09-20", 400_000_000),
    card_day_bytes_max=2_000_000_000,
    host_name="darasa",
    host_name_wanted="darasa",
)


def failed(name, effect="row 7 of an index is missing"):
    return {"runs": [JobState(name, "failed", NOW_MS, effect)]}


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({}, None),
        ({"temperature_c": None}, None),
        ({"disk_free_bytes": 700 * MIB}, ("soon", "room")),
        ({"disk_free_bytes": 100 * MIB}, ("now", "room")),
        ({"memory_free_bytes": 1 << 20}, ("soon", "memory")),
        ({"temperature_c": TEMPERATURE_C_WARM + 1}, ("soon", "heat")),
        ({"temperature_c": TEMPERATURE_C_MAX + 1}, ("now", "heat")),
        ({"power": Power(under_voltage=True)}, ("now", "power")),
        ({"power": Power(on_battery=True)}, ("soon", "power")),
        ({"wal_bytes": WAL_BYTES_MAX + 1}, ("soon", "wal")),
    ],
)
def test_the_machine_is_complained_of_only_when_a_person_should_do_something(changes, about):
    found = machine_findings(structs.replace(FINE, **changes))
    assert [(each.level, each.about) for each in found] == ([about] if about else [])
    assert all(each.words.endswith(".") and each.todo.endswith(".") for each in found)


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({}, None),
        ({"contact": None, "backup_at_ms": None}, None),  # nobody's box yet
        ({"contact": ALONE, "backups": [NEVER]}, ("soon", "work")),
        ({"contact": ALONE}, None),  # a stick has it
        ({"backups": [NEVER]}, ("soon", "backups")),
        ({"backups": [OLD]}, ("now", "backups")),
        ({"backups": [LATE]}, ("soon", "backups")),
        ({"backups": [AWAY, FAILED_DRILL]}, ("now", "backups")),
        ({"backups": [OWN]}, ("now", "backups")),
        ({"backups": [AWAY, FAILED_TRY], **failed("backup-to-stick")}, ("soon", "backups")),
        ({"backups": [OLD], "clock_quality": SINCE_BOOT}, ("soon", "clock")),  # how old?
        ({"unsent": Unsent(9, NOW_MS - 8 * DAY_MS)}, ("soon", "work")),
        ({"clock_quality": SINCE_BOOT}, ("soon", "clock")),
        ({"card_day": ("2026-09-20", 2_000_000_001)}, ("soon", "wear")),
        ({"card_day": None}, None),
        ({"backup_at_ms": NOW_MS - 4 * DAY_MS}, ("soon", "backup")),
        ({"backup_at_ms": NOW_MS - 14 * DAY_MS}, ("now", "backup")),
        ({"backup_at_ms": None}, ("soon", "backup")),  # the night has never come to it
        ({"backup_at_ms": 0, "clock_quality": SINCE_BOOT}, ("soon", "clock")),  # how old?
        ({"host_name": "darasa-2"}, ("soon", "name")),
        ({"host_name": None}, None),
        ({"migrations_ahead": 2}, ("soon", "release")),
        (failed("quick-check"), ("now", "damage")),
        (failed("full-check"), ("now", "damage")),
        (failed("backup"), ("soon", "night")),
        (failed("full-check", "nightly-20260920.db is not there any more"), ("soon", "night")),
        (failed("full-check", "[Errno 2] No such file or directory: 'x.db'"), ("soon", "night")),
        (failed("quick-check", "IOError: disk I/O error"), ("now", "damage")),
        ({"runs": [JobState("key-check", "ok", 1, "left as they are: 2 of …")]}, ("soon", "keys")),
    ],
)
def test_the_school_is_told_what_to_do(changes, about):
    found = all_findings(structs.replace(WELL, **changes))
    assert [(each.level, each.about) for each in found] == ([about] if about else [])
    assert worst(found) == (about[0] if about else "works")


@pytest.mark.parametrize("line", [OWN, FAILED_DRILL, FAILED_TRY, NEVER])
def test_an_unsure_clock_hides_nothing_that_has_no_age(line):
    sure = all_findings(structs.replace(WELL, backups=[line]))
    unsure = all_findings(structs.replace(WELL, backups=[line], clock_quality=SINCE_BOOT))
    assert [each for each in unsure if each.about != "clock"] == sure != []


def test_a_backup_onto_the_own_card_is_none_away_from_it(tmp_path):
    settings = Settings(data_dir=tmp_path)

    def made(at_ms, **more):
        run = {"is_verified": True, "place": "/media/x", "words": "read", **more}
        note_run(settings, Run(at_ms=at_ms, kind="backup", **run))
        return backup_lines(settings, now_ms=NOW_MS)

    lines = made(NOW_MS - 2, is_same_card=True)
    found = all_findings(structs.replace(WELL, contact=ALONE, backups=lines))
    assert [(each.level, each.about) for each in found] == [("now", "backups"), ("soon", "work")]
    assert all(each.todo.endswith(".") for each in found)
    made(NOW_MS - 1)
    (line,) = made(NOW_MS, is_same_card=True)
    assert (line.kind, line.title) == ("good", LAST), "one away is no worse for one beside it"


def test_a_drill_that_was_long_ago_says_what_to_do(tmp_path):
    settings = Settings(data_dir=tmp_path)
    run = {"is_verified": True, "place": "/media/x", "words": "read", "file": "x.sealed"}
    note_run(settings, Run(at_ms=NOW_MS, kind="backup", **run))
    note_run(settings, Run(at_ms=NOW_MS - 16 * DAY_MS, kind="drill", **run))
    lines = backup_lines(settings, now_ms=NOW_MS)
    (found,) = all_findings(structs.replace(WELL, backups=lines))
    assert (found.level, found.about) == ("soon", "backups")
    assert "16 days ago" in found.words
    assert "overnight" in found.todo


def test_one_night_under_a_clock_that_ran_ahead_does_not_hide_how_old_a_copy_is(database):
    writer = Writer(database)
    writer.start()
    for at_ms in (NOW_MS - 20 * DAY_MS, NOW_MS + 9 * 365 * DAY_MS):
        writer.write_blocking(record_run, "backup", "ok", "x", started_at_ms=at_ms, took_ms=1)
    writer.stop()
    with closing(Readers(database)) as readers:
        ask = partial(read_signs, readers.here, Settings(data_dir=database.parent), FINE)
        signs = ask(now_ms=NOW_MS, clock_quality=TOLD)
        unsure = ask(now_ms=5, clock_quality=SINCE_BOOT)
    assert ("now", "backup") in {(each.level, each.about) for each in all_findings(signs)}
    assert "backup" not in {each.about for each in all_findings(unsure)}


def test_every_piece_of_the_nights_work_has_a_name_a_keeper_knows():
    assert {*CALLED} == {job.name for job in NIGHT} | {"room"}
    (found,) = all_findings(structs.replace(WELL, **failed("reclaim-space")))
    assert found.words.startswith("Giving room back to the card did not work: row 7")


def test_what_must_be_done_today_stands_first():
    signs = structs.replace(
        WELL,
        clock_quality=SINCE_BOOT,
        vitals=structs.replace(FINE, power=Power(under_voltage=True), wal_bytes=1 << 30),
    )
    found = all_findings(signs)
    assert [each.level for each in found] == ["now", "soon", "soon"]
    assert worst(found) == "now"


def test_a_histogram_counts_upwards_to_all_answers():
    route = Route()
    for seconds in (0.001, 0.004, 0.004, 3.0):
        route.note(200, seconds)
    lines = list(requests({("GET", "/learn/tasks/{assessment_id}"): route}))
    counts = [int(line.rsplit(" ", 1)[1]) for line in lines if "_bucket" in line]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == 4
    assert (
        'darasa_requests_total{method="GET",route="/learn/tasks/{assessment_id}",status="200"} 4'
        in lines
    )
