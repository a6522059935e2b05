"""The export is plain, whole, and free of secrets."""

import csv
import subprocess
import sys

import pytest
import sqlite_utils

from appliance.errors import Conflict
from appliance.export import export_school


@pytest.fixture
def exported(database, tmp_path):
    folder = tmp_path / "export"
    return folder, {table.table: table.rows for table in export_school(database, folder)}


def test_ids_are_readable_and_names_keep_their_letters(exported, school):
    folder, _ = exported
    with (folder / "person.csv").open(encoding="utf-8-sig", newline="") as file:
        people = {row["id"]: row["display_name"] for row in csv.DictReader(file)}
    assert people[str(school.noor)] == "نور الهدى"
    assert people[str(school.anh)] == "Nguyễn Thị Ánh"


def test_the_plain_database_holds_every_row_that_was_counted(exported):
    folder, rows = exported
    plain = sqlite_utils.Database(folder / "school.sqlite")
    assert {name: plain.table(name).count for name in plain.table_names()} == rows
    plain.close()


@pytest.mark.parametrize("secret", ["credential", "session", "sync_identity", "hub_enrolment"])
def test_secrets_and_the_change_log_stay_behind(exported, secret):
    folder, rows = exported
    assert secret not in rows
    assert not (folder / f"{secret}.csv").exists()


def test_an_earlier_export_is_never_overwritten(exported, database):
    folder, _ = exported
    with pytest.raises(Conflict, match="already there"):
        export_school(database, folder)


def test_the_server_never_loads_the_second_sqlite_library():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import appliance.app, appliance.__main__, sys; print('sqlite3' in sys.modules)",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.strip() == "False"
