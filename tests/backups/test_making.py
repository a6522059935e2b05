"""A backup is one only when it was restored; whatever the stick does, the school goes on."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from appliance import room
from appliance.accounts.faults import KeysMissing
from appliance.accounts.keys import read_keys
from appliance.backups.drill import restore_drill
from appliance.backups.envelope import read_label
from appliance.backups.faults import (
    BackupDamaged,
    BackupNotOurs,
    MediumFailed,
    MediumFull,
    MediumMissing,
    WrongMedium,
    WrongPassphrase,
)
from appliance.backups.journal import Run, note_run, runs
from appliance.backups.media import find, mounted, prepare, read_mark
from appliance.backups.trial import workroom
from appliance.backups.words import backup_lines
from appliance.database.faults import BackupUnusable
from appliance.database.readers import Readers
from appliance.errors import Busy
from appliance.restore import restore_school
from appliance.room import Card
from appliance.settings import Settings
from tests.cast import NOW_MS, new_id
from tests.full_disk import small_files

DAY_MS = 86_400_000
NAMES = "SELECT group_concat(display_name, ', ' ORDER BY display_name) FROM person"
RENAME = "UPDATE person SET display_name = 'nobody', version = version + 1"


def names(settings):
    readers = Readers(settings.database)
    try:
        return readers.here.value(NAMES)
    finally:
        readers.close()


def nobody_asks():
    raise AssertionError("the keys are here")


def on_stick(stick):
    return sorted(path.name for path in (stick / "darasa-backup").glob("*.backup"))


def test_a_backup_is_restored_before_it_counts(make, settings, stick, school):
    run = make()
    assert run.is_verified
    assert "Shule ya Mfano" in run.words
    assert on_stick(stick) == [run.file]
    assert run.rows == read_label(stick / "darasa-backup" / run.file).rows > 20
    assert runs(settings) == [run]
    assert list(settings.backup_work.glob("*")) == []


def test_the_school_comes_back_as_it_was(make, settings, stick, write):
    before = names(settings)
    backup = stick / "darasa-backup" / make().file
    write(lambda tx: tx.run(RENAME))
    words = restore_school(settings, backup, code=nobody_asks, now_ms=NOW_MS)
    assert names(settings) == before
    assert any("Shule ya Mfano" in line for line in words)
    assert any("before-restore" in line for line in words)
    readers = Readers(settings.database)
    assert readers.here.value("SELECT count(*) FROM sync_stream") == 0  # a new lineage
    readers.close()


def test_on_a_new_board_the_printed_code_brings_the_keys_too(
    make, settings, stick, recovery_code, tmp_path
):
    backup, elsewhere = stick / "darasa-backup" / make().file, Settings(data_dir=tmp_path / "new")
    with pytest.raises(WrongPassphrase):
        restore_school(elsewhere, backup, code=lambda: "2345", now_ms=NOW_MS)
    assert not elsewhere.database.exists()
    restore_school(elsewhere, backup, code=lambda: recovery_code, now_ms=NOW_MS)
    assert names(elsewhere) == names(settings)
    for name in ("pin.pepper", "sealing.key", "node.key"):
        assert (elsewhere.keys / name).read_bytes() == (settings.keys / name).read_bytes()


def test_what_pupils_handed_in_as_files_comes_back(make, settings, stick, write, school, tmp_path):
    content = b"a photo of a leaf"
    digest = hashlib.sha256(content).digest()
    write(hand_in_with_photo, school, digest)
    settings.blobs.mkdir()
    (settings.blobs / digest.hex()).write_bytes(content)
    backup = stick / "darasa-backup" / make().file
    (sealed,) = (stick / "darasa-backup" / "files").iterdir()
    assert content not in sealed.read_bytes()
    shutil.rmtree(settings.blobs)
    words = restore_school(settings, backup, code=nobody_asks, now_ms=NOW_MS)
    assert (settings.blobs / digest.hex()).read_bytes() == content
    assert "1 photos and files of hand-ins came back." in words


def test_on_an_almost_full_card_photos_stay_on_the_stick_and_the_keys_come(
    make, settings, stick, write, school, recovery_code, tmp_path, monkeypatch
):
    digest = hashlib.sha256(b"a photo of a leaf").digest()
    write(hand_in_with_photo, school, digest)
    settings.blobs.mkdir()
    (settings.blobs / digest.hex()).write_bytes(b"a photo of a leaf")
    backup = stick / "darasa-backup" / make().file
    board = Settings(data_dir=tmp_path / "board")
    almost_full = Card(total_bytes=32 << 30, free_bytes=199 << 20)
    monkeypatch.setattr(room, "card_of", lambda _folder: almost_full)
    words = restore_school(board, backup, code=lambda: recovery_code, now_ms=NOW_MS)
    assert any(each.startswith("1 photos and files stay on the stick") for each in words)
    assert not (board.blobs / digest.hex()).exists()
    assert read_keys(board.keys) == read_keys(settings.keys)


def hand_in_with_photo(tx, school, digest):
    submission, revision = new_id(), new_id()
    tx.run(
        "INSERT INTO submission (id, assessment_id, person_id, attempt_no, state, submitted_at_ms,"
        " late_ms, clock_quality, version, updated_at_ms)"
        " VALUES (?1, ?2, ?3, 1, 'submitted', 0, 0, 1, 1, 0)",
        (submission, school.village, school.amina),
    )
    tx.run(
        "INSERT INTO submission_revision (id, submission_id, person_id, rev, body, content_hash,"
        " saved_at_ms) VALUES (?1, ?2, ?3, 1, 'Maji', zeroblob(32), 0)",
        (revision, submission, school.amina),
    )
    tx.run(
        "INSERT INTO attachment (id, submission_revision_id, person_id, name, mime, size_bytes,"
        " sha256, saved_at_ms) VALUES (?1, ?2, ?3, 'leaf.jpg', 'image/jpeg', 17, ?4, 0)",
        (new_id(), revision, school.amina, digest),
    )


def test_old_ones_go_only_after_a_new_one_has_passed(make, stick):
    for day in range(9):
        make(NOW_MS + day * DAY_MS)
    assert len(on_stick(stick)) == 7


def test_after_a_restore_the_new_backups_are_the_newest(make, settings, stick, write, tmp_path):
    """The restored school has changed less often than what was there before."""
    first = shutil.copy(stick / "darasa-backup" / make().file, tmp_path)
    for day in range(1, 8):
        write(lambda tx: tx.run("UPDATE person SET version = version + 1"))
        make(NOW_MS + day * DAY_MS)
    restore_school(settings, Path(first), code=nobody_asks, now_ms=NOW_MS)
    run = make(NOW_MS + 7 * DAY_MS + 1_000)
    assert run.file in on_stick(stick)


def test_the_stick_of_another_school_is_named_and_left_alone(make, settings, stick, school):
    prepare(stick, new_id(), "Lycée de Thiès")
    before = sorted(stick.rglob("*"))
    with pytest.raises(WrongMedium, match="Lycée de Thiès"):
        make()
    with pytest.raises(WrongMedium, match="Lycée de Thiès"):
        find(settings, school.school_id)
    assert sorted(stick.rglob("*")) == before
    assert not runs(settings)[-1].is_verified


def test_without_a_stick_the_page_says_what_to_do(make, settings, stick):
    stick.rmdir()
    with pytest.raises(MediumMissing):
        make()
    last, failed = backup_lines(settings, now_ms=NOW_MS)
    assert (last.kind, last.title) == ("bad", "No backup")
    assert "Plug a stick in and tap" in last.todo
    assert "mounted" in failed.words


def test_a_full_stick_keeps_what_was_on_it(make, settings, stick, write, school):
    """The card takes the copy of the database; the stick has no room for a film."""
    kept = make().file
    film = bytes(4 << 20)
    digest = hashlib.sha256(film).digest()
    write(hand_in_with_photo, school, digest)
    settings.blobs.mkdir()
    (settings.blobs / digest.hex()).write_bytes(film)
    with small_files(3 << 20), pytest.raises(MediumFull):
        make(NOW_MS + DAY_MS)
    assert on_stick(stick) == [kept]
    assert not list(stick.rglob("*.partial"))
    assert "still good" in backup_lines(settings, now_ms=NOW_MS)[1].todo
    make(NOW_MS + DAY_MS)  # the film was deleted


def test_a_stick_pulled_out_while_writing_is_said_in_words(make, settings, stick):
    make()
    shutil.rmtree(stick / "darasa-backup")
    (stick / "darasa-backup").write_bytes(b"")  # what is left of it
    with pytest.raises((MediumFailed, MediumMissing)):
        make()
    assert "still good" in backup_lines(settings, now_ms=NOW_MS)[1].todo


@pytest.mark.parametrize("place", [30, 600, -100])
def test_a_damaged_backup_changes_nothing(make, settings, stick, place):
    backup = stick / "darasa-backup" / make().file
    before, content = names(settings), bytearray(backup.read_bytes())
    content[place] ^= 0xFF
    backup.write_bytes(content)
    with pytest.raises((BackupDamaged, WrongPassphrase)):
        restore_school(settings, backup, code=lambda: "", now_ms=NOW_MS)
    assert names(settings) == before
    assert not list(settings.data_dir.glob("before-*"))


def test_another_schools_backup_stays_out_of_a_box_with_a_school(make, settings, stick, write):
    backup = stick / "darasa-backup" / make().file
    write(lambda tx: tx.run("UPDATE sync_identity SET school_id = ?1", (new_id(),)))
    before = names(settings)
    with pytest.raises(BackupNotOurs, match="Shule ya Mfano"):
        restore_school(settings, backup, code=nobody_asks, now_ms=NOW_MS)
    assert names(settings) == before


def test_a_file_that_is_not_there_is_no_backup(settings, tmp_path):
    with pytest.raises(BackupUnusable, match="not there"):
        restore_school(settings, tmp_path / "nothing", code=nobody_asks, now_ms=NOW_MS)


def test_keys_that_were_lost_are_missed_before_anything_is_written(make, settings, stick):
    (settings.keys / "school-keys.sealed").unlink()
    with pytest.raises(KeysMissing):
        make()
    assert on_stick(stick) == []


def test_each_drill_takes_the_backup_that_was_not_tried_for_longest(make, settings, school, stick):
    first, second = make(NOW_MS).file, make(NOW_MS + DAY_MS).file
    tried = [restore_drill(settings, school.school_id, now_ms=NOW_MS).file for _ in range(3)]
    assert tried == [first, second, first]
    assert backup_lines(settings, now_ms=NOW_MS + DAY_MS)[-1].title == "Last restore drill"


def test_a_drill_that_fails_is_said_until_the_next_one(make, settings, school, stick):
    backup = stick / "darasa-backup" / make().file
    os.truncate(backup, backup.stat().st_size - 10)
    with pytest.raises(BackupDamaged):
        restore_drill(settings, school.school_id, now_ms=NOW_MS)
    assert "does not read back" in backup_lines(settings, now_ms=NOW_MS)[-1].words


@pytest.mark.parametrize(("at_ms", "kind"), [(NOW_MS, "good"), (NOW_MS + 9 * 365 * DAY_MS, "wait")])
def test_a_backup_dated_by_a_clock_that_ran_ahead_is_not_called_fresh(settings, at_ms, kind):
    stick = {"is_verified": True, "place": "/media/stick", "words": "read"}
    note_run(settings, Run(at_ms=at_ms, kind="backup", **stick))
    note_run(settings, Run(at_ms=at_ms, kind="drill", **stick))
    last, drilled = backup_lines(settings, now_ms=NOW_MS)
    assert (last.kind, drilled.kind) == (kind, kind)
    assert ("nobody knows how old" in last.words) == (kind == "wait")


def test_a_torn_line_of_the_journal_is_no_run(make, settings):
    run = make()
    with settings.backup_runs.open("ab") as file:
        file.write(b'{"at_ms": 5, "ki')
    again = make(NOW_MS + DAY_MS)
    assert runs(settings) == [run, again]


def test_two_keepers_at_once_write_one_backup(make, settings, stick):
    with workroom(settings), pytest.raises(Busy):
        make()
    assert on_stick(stick) == []
    make()


def test_sticks_are_found_where_they_are_mounted():
    table = (
        "22 1 179:2 / / rw - ext4 /dev/mmcblk0p2 rw\n"
        "40 22 8:1 / /media/My\\040stick rw,nosuid shared:1 - vfat /dev/sda1 rw\n"
        "41 22 0:30 / /run rw - tmpfs tmpfs rw\n"
        "42 22 179:2 /media /media ro - ext4 /dev/mmcblk0p2 ro\n"  # the unit's own doing
    )
    assert mounted(table) == ["/", "/media/My stick"]
    assert mounted(table * 2) == ["/", "/media/My stick"]  # as a unit that was there first sees it


@pytest.mark.timeout(10)
def test_a_stick_whose_mark_is_a_pipe_keeps_nobody_waiting(tmp_path):
    (tmp_path / "darasa-backup").mkdir()
    os.mkfifo(tmp_path / "darasa-backup/medium.json")
    assert read_mark(tmp_path) is None


@pytest.mark.parametrize("name", ["CLÉ USB", "فلاشة", "Thẻ nhớ", "पेन ड्राइव", "back\\slash"])
def test_a_stick_is_found_whatever_it_is_called(settings, school, tmp_path, name):
    """The kernel writes blanks and backslashes in octal and every other byte as it is."""
    root = tmp_path / name
    root.mkdir()
    prepare(root, school.school_id, "Shule ya Mfano")
    place = str(root).replace("\\", "\\134").replace(" ", "\\040")
    table = tmp_path / "mountinfo"
    unreadable = b"41 22 8:2 / /media/CL\xc9 rw - vfat /dev/sdb1 rw\n"  # in another encoding
    table.write_bytes(unreadable + f"40 22 8:1 / {place} rw - vfat /dev/sda1 rw\n".encode())
    assert find(Settings(data_dir=settings.data_dir), school.school_id, mounts=table).root == root


@pytest.mark.parametrize("content", [b"", b"{", json.dumps({"school_id": 5}).encode()])
def test_a_mark_that_cannot_be_read_marks_nothing(settings, stick, school, content):
    (stick / "darasa-backup").mkdir()
    (stick / "darasa-backup" / "medium.json").write_bytes(content)
    with pytest.raises(MediumMissing):
        find(settings, school.school_id)
