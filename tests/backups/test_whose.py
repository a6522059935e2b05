"""A backup this box must not take, or has no room to make: one sentence, and nothing changes."""

import os
from contextlib import closing

import apsw
import pytest

from appliance.__main__ import run
from appliance.accounts.keys import read_keys
from appliance.backups.envelope import read_label, seal
from appliance.backups.faults import BackupNotOurs
from appliance.backups.journal import runs
from appliance.backups.label import open_for_box
from appliance.database.agent import AgentDatabase
from appliance.database.backup import back_up
from appliance.database.faults import BackupUnusable
from appliance.database.integrity import quick_check
from appliance.database.migrate import EDGE_MIGRATIONS, read_migrations
from appliance.repair import find_footing
from appliance.restore import restore_school
from appliance.room import NoRoomForCopies, require_room_for_copies
from tests.cast import NOW_MS, new_id

MOVE = "UPDATE sync_identity SET school_id = ?1"
SCHOOL = "SELECT school_id FROM sync_identity"
KNOWN = len(read_migrations(EDGE_MIGRATIONS))
CLAIMED_BY_NOBODY = "DELETE FROM sync_identity"


@pytest.fixture
def plain(settings, tmp_path):
    copy = tmp_path / "plain.db"
    back_up(settings.database, copy)
    return copy


def change(path, sql, *args):
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(sql, args)


def school_of(settings):
    with closing(AgentDatabase(settings.database)) as db:
        return db.value(SCHOOL)


def refused(settings, backup):
    before = school_of(settings)
    with pytest.raises((BackupNotOurs, BackupUnusable)) as error:
        restore_school(settings, backup, code=lambda: "", now_ms=NOW_MS)
    assert school_of(settings) == before
    assert not quick_check(settings.database).problems
    assert not list(settings.data_dir.glob("before-*"))
    assert not list(settings.data_dir.glob("school.db.restored*"))
    return error


@pytest.mark.parametrize("sql", [MOVE, CLAIMED_BY_NOBODY])
def test_a_plain_backup_of_another_school_is_refused(settings, plain, sql):
    args = (new_id().bytes,) if sql == MOVE else ()
    change(plain, sql, *args)
    assert refused(settings, plain).type is BackupNotOurs


def test_a_box_too_damaged_to_say_whose_it_is_asks_its_nights(settings, plain):
    back_up(settings.database, settings.backups / "nightly-20251123.db")
    change(plain, MOVE, new_id().bytes)
    settings.database.write_bytes(b"\xa5" * 8_192)
    with pytest.raises(BackupNotOurs):
        restore_school(settings, plain, code=lambda: "", now_ms=NOW_MS)
    assert settings.database.read_bytes() == b"\xa5" * 8_192


def test_the_console_says_it_in_a_sentence(settings, plain, monkeypatch, capsys):
    change(plain, MOVE, new_id().bytes)
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    assert run(["restore", str(plain)]) == 1
    assert "it is the backup of another school" in capsys.readouterr().err


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_backup_of_a_release_to_come_is_refused(make, settings, plain, stick, is_sealed):
    change(plain, "PRAGMA user_version = 99")
    backup = plain
    if is_sealed:
        backup = stick / "darasa-backup" / make().file
        seal_instead(backup, plain, read_keys(settings.keys))
    assert refused(settings, backup).type is BackupUnusable


def seal_instead(backup, plain, keys):
    """The newer release has made it: this one would not get it through its trial."""
    label = read_label(backup)
    secret = open_for_box(label.for_box, keys.sealing_key)
    with backup.open("wb") as file:
        seal(plain, file, label, keys, secret)


def test_the_ladder_passes_a_copy_of_a_release_to_come_over(settings, plain):
    for day, has in [("20251123", KNOWN), ("20251124", 99)]:
        copy = settings.backups / f"nightly-{day}.db"
        back_up(settings.database, copy)
        change(copy, f"PRAGMA user_version = {has}")
    settings.database.unlink()
    found = find_footing(settings, now_ms=NOW_MS)
    assert (found.state, "nightly-20251123" in found.words[0]) == ("restored", True)


def test_a_backup_is_not_begun_where_it_would_take_the_room_of_hand_ins(make, settings, stick):
    os.truncate(settings.database, 1 << 42)  # no card has three times that
    with pytest.raises(NoRoomForCopies):
        make()
    assert [each.is_verified for each in runs(settings)] == [False]
    assert not list(stick.rglob("*.backup"))


def test_what_fits_is_no_refusal(tmp_path):
    require_room_for_copies(tmp_path, 1)
