"""The timers' copy: only where the box makes none, and where the ladder finds it."""

import os

import pytest

from appliance.__main__ import run
from appliance.backups.nightly import KEPT, copy_tonight, forget_old_copies, nightly_copies
from appliance.database.faults import BackupFailed
from appliance.errors import StorageFull
from appliance.maintenance.off_duty import copy_off_duty
from appliance.maintenance.stops import note_lessons, note_start
from appliance.repair import find_footing
from appliance.restore import restore_school
from appliance.room import Card
from appliance.settings import Settings
from tests.cast import NOW_MS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RENAME = "UPDATE person SET display_name = 'nobody', version = version + 1"


@pytest.fixture
def settings(database):
    made = Settings(data_dir=database.parent)
    made.keys.mkdir()
    return made


@pytest.fixture
def off_duty(settings):
    """What the timer does at a time."""

    def copy(now_ms=NOW_MS, **card):
        return copy_off_duty(settings, now_ms=now_ms, wall_ms=lambda: now_ms, **card)

    return copy


def copy_of(settings, made_ms):
    """A copy the box has made."""
    name = copy_tonight(settings, now_ms=made_ms).name
    os.utime(settings.backups / name, (made_ms / 1_000, made_ms / 1_000))


@pytest.mark.parametrize(
    ("age_ms", "serves", "said"),
    [
        (None, None, "-20251124.db"),
        (35 * HOUR_MS, None, "nothing to do: the newest copy is 35 hours old"),
        (36 * HOUR_MS, None, "-20251124.db"),
        (-HOUR_MS, None, "-20251124.db"),  # the clock has gone back: it proves nothing
        (36 * HOUR_MS, "school", "when no class is at work"),
        (90 * DAY_MS, "school", "when no class is at work"),
        (None, "school", "when no class is at work"),  # only the box knows when a lesson is
        (7 * DAY_MS, "lessons", "a damaged database is not copied"),
    ],
)
def test_a_copy_is_made_only_where_the_box_makes_none(settings, off_duty, age_ms, serves, said):
    if age_ms is not None:
        copy_of(settings, NOW_MS - age_ms)
    if serves == "school":
        note_start(settings.running, port=None)
    if serves == "lessons":
        note_lessons(settings.running, port=0)
    assert said in off_duty()


def test_the_ladder_takes_the_timers_copy(settings, off_duty):
    off_duty()
    settings.database.unlink()
    found = find_footing(settings, now_ms=NOW_MS)
    assert found.state == "restored"
    assert "-20251124.db" in found.words[0]


def test_a_damaged_database_takes_no_good_copy_away(settings, off_duty):
    copy_of(settings, NOW_MS)
    good = nightly_copies(settings.backups)[0].read_bytes()
    content = bytearray(settings.database.read_bytes())
    content[8 * 4_096 : 12 * 4_096] = b"\xa5" * (4 * 4_096)
    settings.database.write_bytes(content)
    with pytest.raises(BackupFailed):
        off_duty(NOW_MS + 2 * DAY_MS)
    (only,) = nightly_copies(settings.backups)
    assert only.read_bytes() == good


@pytest.mark.parametrize("trouble", ["", "refused"])
def test_a_lost_log_is_left_for_the_box_to_find(settings, off_duty, trouble):
    """Opening the database would make an empty one."""
    mark = f'{{"pid": 7, "boot_id": "another", "trouble": "{trouble}"}}'
    settings.running.write_text(mark)
    log = settings.database.with_name("school.db-wal")
    log.unlink(missing_ok=True)
    assert "look at its files first" in off_duty()
    assert not log.exists()


def test_the_room_of_hand_ins_is_left_alone(settings, off_duty):
    size = settings.database.stat().st_size
    with pytest.raises(StorageFull, match="tonight's copy"):
        off_duty(card=lambda _folder: Card(100 * size, 2 * size))
    assert nightly_copies(settings.backups) == []
    off_duty(card=lambda _folder: Card(100 * size, 3 * size))


def test_no_more_than_a_weeks_copies_stay(settings, off_duty):
    for day in range(KEPT + 2):
        off_duty(NOW_MS + 2 * day * DAY_MS)
    assert len(nightly_copies(settings.backups)) == KEPT


def test_the_copy_just_made_stays_whatever_the_clock_says(settings):
    for day in range(KEPT):
        copy_of(settings, NOW_MS + day * DAY_MS)
    copy_of(settings, 5_000)
    assert nightly_copies(settings.backups)[0].name.endswith("-19700101.db")
    assert len(nightly_copies(settings.backups)) == KEPT


def test_copies_of_a_future_that_was_left_stand_behind_the_one_it_was_left_for(settings, write):
    copy_of(settings, NOW_MS)
    write(lambda tx: tx.run(RENAME))
    copy_of(settings, NOW_MS + DAY_MS)
    later, earlier = nightly_copies(settings.backups)
    restore_school(settings, earlier, code=str, now_ms=NOW_MS)
    assert nightly_copies(settings.backups) == [earlier, later]


def test_damaged_copies_are_forgotten_first(tmp_path):
    for day in range(10, 20):
        (tmp_path / f"nightly-202611{day}.db").write_bytes(b"\xa5" * 100)
    (tmp_path / "before-0002-1.db").touch()
    assert forget_old_copies(tmp_path) == 10 - KEPT
    assert min(path.name for path in tmp_path.glob("nightly-*")) == "nightly-20261113.db"
    assert (tmp_path / "before-0002-1.db").exists()


@pytest.mark.parametrize("words", [["nightly-copy"], ["check", "--copy"]])
def test_the_timers_commands_say_what_they_did(settings, monkeypatch, capsys, words):
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    assert run(words) == 0
    assert capsys.readouterr().out
