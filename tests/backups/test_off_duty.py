"""The timer's backup onto the stick: only where no box runs, and only onto the school's own."""

import pytest

from appliance.__main__ import run
from appliance.backups.journal import Run, note_run, runs
from appliance.backups.media import prepare
from appliance.maintenance.off_duty import carry_off_duty, copy_off_duty
from appliance.maintenance.stops import note_start
from tests.cast import NOW_MS, new_id

HOUR_MS = 3_600_000


@pytest.fixture
def carried(settings):
    """What the timer says, after the copy on the card."""

    def carried(now_ms=NOW_MS):
        copy_off_duty(settings, now_ms=now_ms, wall_ms=lambda: now_ms)
        return carry_off_duty(settings, app_version="0.3.0", now_ms=now_ms)

    return carried


def test_a_box_that_does_not_run_still_has_its_backup_on_the_stick(
    settings, stick, school, monkeypatch, capsys
):
    prepare(stick, school.school_id, "Shule ya Mfano")
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("DARASA_BACKUP_DIR", str(stick))
    assert run(["nightly-copy"]) == 0
    assert f"stick: {stick}: school-" in capsys.readouterr().out
    (backup,) = stick.glob("darasa-backup/school-*")
    (made,) = runs(settings)
    assert (made.is_verified, made.file) == (True, backup.name)


def test_a_box_that_runs_is_left_in_peace(settings, stick, school, carried):
    prepare(stick, school.school_id, "Shule ya Mfano")
    carried()
    note_start(settings.running, port=None)
    assert "when no class is at work" in carried(NOW_MS + 90 * 24 * HOUR_MS)
    assert len(runs(settings)) == 1


@pytest.mark.parametrize(
    ("whose", "said"), [(None, "never prepared"), (new_id(), "holds backups of Lycée de Thiès")]
)
def test_without_the_schools_stick_nothing_is_tried(settings, stick, carried, whose, said):
    if whose is not None:
        prepare(stick, whose, "Lycée de Thiès")
    assert said in carried()
    assert runs(settings) == [], "a night without a stick is no failed backup"


def test_a_backup_of_tonight_is_not_made_again(settings, stick, school, carried):
    prepare(stick, school.school_id, "Shule ya Mfano")
    made = {"is_verified": True, "place": str(stick), "words": "read"}
    note_run(settings, Run(at_ms=NOW_MS, kind="backup", **made))
    assert "hours old" in carried(NOW_MS + 35 * HOUR_MS)
    assert "school-" in carried(NOW_MS + 36 * HOUR_MS)
