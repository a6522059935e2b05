"""Whatever a keeper does wrong: one plain sentence, what to do next, and the school untouched."""

import json
import os
import shutil
import subprocess
import sys

import pytest

INSIDE = ("unshare", "--map-root-user", "--mount")

SAID = {
    "another_schools_stick": ("not this school's backup stick", "Take this school's stick"),
    "another_schools_stick_to_prepare": ("holds backups of Lycée de Thiès", "Nothing was written"),
    "another_schools_stick_without_its_mark": ("holds backups of Lycée de Thiès", "an empty one"),
    "full_stick": ("The backup stick is full", "Delete other files on it"),
    "small_stick_that_nobody_has_prepared": ("The backup stick is full", "use a larger one"),
    "full_stick_to_prepare": ("The backup stick is full", "use a larger one"),
    "read_only_stick": ("cannot be written on", "a small lock on its side"),
    "stick_pulled_out_while_writing": ("did not take what was written", "Plug it in again"),
    "stick_pulled_out_while_preparing": ("did not take what was written", "Plug it in again"),
    "no_stick": ("There is no backup stick", "Plug the school's backup stick in"),
    "backup_of_another_school": ("This is another school's backup", "Take this school's backup"),
    "damaged_backup": ("This backup is damaged", "Take an earlier one"),
    "cut_off_backup": ("This backup is damaged", "Take an earlier one"),
    "no_backup_at_all": ("This backup cannot be used", "Take another one"),
    "empty_backup": ("is empty: it was not copied to its end", "Take another one"),
    "wrong_code": (
        "the backup: it is one of",
        "Type the recovery code",
    ),
    "broken_settings_file": ("A setting is not right", "Correct it where"),
    "unknown_setting": (
        "is lesson_hours meant?",
        "Correct it where",
    ),
    "impossible_setting": ("lesson_days", "Correct it where"),
    "two_keepers_back_up": ("being made or a stick prepared right now", "Wait a minute"),
    "two_keepers_try_a_backup": ("being made or a stick prepared right now", "Wait a minute"),
    "two_keepers_restore": ("being made or a stick prepared right now", "Wait a minute"),
}


@pytest.fixture(scope="module")
def bad_day(school_on_file, printed, tmp_path_factory):
    """Play all of it once: mounting needs a name space of its own."""
    data_dir = tmp_path_factory.mktemp("bad-day") / "box"
    data_dir.mkdir()
    shutil.copy(school_on_file[0], data_dir / "school.db")
    shutil.copytree(printed[0], data_dir / "keys")
    command = [*INSIDE, sys.executable, "-m", "tests.backups.stick_lab", str(data_dir)]
    env = {key: word for key, word in os.environ.items() if not key.startswith("DARASA_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", SAID)
def test_what_went_wrong_is_one_sentence_and_what_to_do(bad_day, name):
    told, (sentence, todo) = bad_day[name], SAID[name]
    assert told["status"] == 1, told
    assert sentence in told["said"]
    assert todo in told["said"]
    assert "Traceback" not in told["said"]
    assert told["is_untouched"]


def test_nobody_was_left_out(bad_day):
    assert bad_day.keys() - SAID.keys() == {"afterwards", "new_board"}


def test_after_all_of_it_the_next_backup_is_made(bad_day):
    assert bad_day["afterwards"]["status"] == 0, bad_day["afterwards"]
    assert bad_day["new_board"] == []
