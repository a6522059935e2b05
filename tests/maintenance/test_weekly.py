"""The weekly check beside a dead box: of the copy, never of the live file, told by the lights."""

import pytest

from appliance.__main__ import run
from appliance.database.backup import back_up
from appliance.database.lock import only_box
from appliance.database.readers import Readers
from appliance.maintenance.box import DAY_MS
from appliance.maintenance.checking import CopyGone, check_newest
from appliance.maintenance.weekly import OVERDUE_MS, check_if_overdue
from appliance.settings import Settings
from appliance.telemetry.queries import last_runs
from tests.cast import NOW_MS


@pytest.fixture
def settings(database):
    return Settings(data_dir=database.parent)


@pytest.fixture
def copy(settings):
    made = settings.backups / "nightly-20251123.db"
    back_up(settings.database, made)
    return made


def told(settings):
    readers = Readers(settings.database)
    try:
        return [(each.name, each.state) for each in last_runs(readers.here)]
    finally:
        readers.close()


def test_a_dead_box_has_its_copy_checked_once_in_nine_days(settings, copy):
    assert check_if_overdue(settings, now_ms=NOW_MS)[0] == "ok"
    for later_ms, state in [(OVERDUE_MS, "skipped"), (OVERDUE_MS + DAY_MS, "ok")]:
        assert check_if_overdue(settings, now_ms=NOW_MS + later_ms)[0] == state
    assert told(settings) == [("full-check", "ok")]


def test_a_damaged_copy_reaches_the_lights_and_the_exit_status(settings, copy, monkeypatch, capsys):
    whole = bytearray(copy.read_bytes())
    whole[5 * 4_096 : 9 * 4_096] = b"\xa5" * (4 * 4_096)
    copy.write_bytes(whole)
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    assert run(["check", "--copy"]) == 1
    assert copy.name in capsys.readouterr().out
    assert told(settings) == [("full-check", "failed")]
    assert run(["check", "--full"]) == 0


def test_a_copy_that_is_gone_is_no_damage(settings, copy, monkeypatch):
    monkeypatch.setattr("appliance.maintenance.weekly.nightly_copies", lambda _folder: [copy])
    copy.unlink()
    state, words = check_if_overdue(settings, now_ms=NOW_MS)
    assert (state, words) == ("failed", f"{copy.name}: is not there any more")
    with pytest.raises(CopyGone, match="is not there any more"):
        check_newest([copy])


def test_a_box_that_runs_is_left_in_peace(settings, copy):
    with only_box(settings.data_dir):
        state, words = check_if_overdue(settings, now_ms=NOW_MS)
    assert (state, told(settings)) == ("skipped", [])
    assert "a box runs" in words


def test_without_a_copy_there_is_nothing_to_check(settings):
    words = "there is no backup to check yet"
    assert check_if_overdue(settings, now_ms=NOW_MS) == ("skipped", words)
