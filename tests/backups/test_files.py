"""A photo on the stick is what was handed in, or somebody is told which one is not."""

import hashlib
import os
import shutil

import pytest

from appliance.accounts.keys import read_keys
from appliance.backups.drill import restore_drill
from appliance.backups.envelope import read_label
from appliance.backups.faults import BackupDamaged
from appliance.backups.files import READ_LAST, TRIALS, part_of, read_again, sealed_at
from appliance.backups.making import labels_on
from appliance.backups.media import MARK, Medium, another_school, read_mark
from appliance.backups.stock import copies
from appliance.restore import restore_school
from tests.backups.test_making import hand_in_with_photo
from tests.cast import NOW_MS

DAY_MS = 86_400_000
MANY = 60


def nobody_asks():
    raise AssertionError("the keys are here")


def digest(content):
    return hashlib.sha256(content).digest()


NAMED_PIPE_S = 20  # one that is opened is waited for without an end


@pytest.mark.timeout(NAMED_PIPE_S)
def test_a_named_pipe_among_the_backups_is_no_backup_and_nobody_waits_for_it(
    settings, stick, make, photos, at, trial, have_its_turn, school
):
    make()
    pipe = stick / "darasa-backup" / "aaa.backup"
    os.mkfifo(pipe)
    at(photos[0]).unlink()
    os.mkfifo(at(photos[0]))
    marked = (stick / "darasa-backup" / MARK).rename(stick / "mark")  # so labels are looked at
    assert another_school(stick, school.school_id) is None
    marked.rename(stick / "darasa-backup" / MARK)
    make(NOW_MS + DAY_MS)
    assert len(labels_on(pipe.parent, school.school_id)) == 2
    with copies(settings) as stock:
        assert [copy.name for copy in stock] != []
    with pytest.raises(BackupDamaged, match="is no file"):
        read_label(pipe)
    have_its_turn(photos[0])
    assert trial().mended == 1
    assert at(photos[0]).is_file()


@pytest.fixture
def photos(settings, write, school):
    """Some on the card, each of its own hand-in; by name."""
    settings.blobs.mkdir()
    contents = [b"leaf %d" % number for number in range(3)]
    for content in contents:
        write(hand_in_with_photo, school, digest(content))
        (settings.blobs / digest(content).hex()).write_bytes(content)
    return sorted(digest(content).hex() for content in contents)


@pytest.fixture
def at(stick, settings):
    """Where a file lies on the stick."""
    return lambda name: sealed_at(stick / "darasa-backup", name, read_keys(settings.keys))


@pytest.fixture
def trial(stick, settings):
    """Read one part of the files again."""

    def trial():
        return read_again(settings.blobs, Medium(stick, read_mark(stick)), read_keys(settings.keys))

    return trial


@pytest.fixture
def have_its_turn(stick):
    """Let the next trial read the part a file is in."""

    def have_its_turn(name):
        (stick / "darasa-backup" / READ_LAST).write_text(str(part_of(name) - 1))

    return have_its_turn


def rot(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_rotten_photo_is_found_within_the_stated_trials_and_written_anew(
    make, settings, photos, at, trial
):
    make()
    rot(at(photos[1]))
    trials = [trial() for _ in range(TRIALS)]
    assert sum(each.read for each in trials) == len(photos)
    assert sum(each.mended for each in trials) == 1
    shutil.rmtree(settings.blobs)
    backup = at(photos[0]).parent.parent / make(NOW_MS + 4 * DAY_MS).file
    restore_school(settings, backup, code=nobody_asks, now_ms=NOW_MS)
    for name in photos:
        assert digest((settings.blobs / name).read_bytes()).hex() == name


def test_every_file_has_its_turn(make, at, trial):
    make()
    names = sorted(digest(b"%d" % number).hex() for number in range(MANY))
    at(names[0]).parent.mkdir()
    for name in names:
        at(name).write_bytes(b"noise")
    gone = [trial().gone for _ in range(TRIALS)]
    assert sum(gone) == MANY
    assert max(gone) < MANY // 4


def test_the_drill_reads_some_of_them_too(make, settings, school, photos, at, have_its_turn):
    make()
    rot(at(photos[0]))
    have_its_turn(photos[0])
    run = restore_drill(settings, school.school_id, now_ms=NOW_MS)
    assert "1 damaged ones written anew" in run.words


def test_one_the_card_lacks_too_is_said_and_carried_once_it_is_back(
    make, settings, photos, at, have_its_turn
):
    make()
    rot(at(photos[0]))
    have_its_turn(photos[0])
    content = (settings.blobs / photos[0]).read_bytes()
    (settings.blobs / photos[0]).unlink()
    run = make(NOW_MS + DAY_MS)
    assert run.is_verified
    assert "1 were damaged, and this card has not got them either" in run.words
    assert "wait for the district" in make(NOW_MS + 2 * DAY_MS).words
    (settings.blobs / photos[0]).write_bytes(content)
    assert "wait" not in make(NOW_MS + 3 * DAY_MS).words
    assert at(photos[0]).exists()


def test_what_has_rotted_on_the_card_is_not_carried(make, settings, photos, at):
    rot(settings.blobs / photos[0])
    assert "wait for the district" in make().words
    assert not at(photos[0]).exists()
    assert at(photos[1]).exists()


@pytest.mark.parametrize("what", ["rotten", "gone", "swapped"])
def test_a_restore_says_whose_files_are_missing(make, settings, stick, photos, at, what):
    backup = stick / "darasa-backup" / make().file
    match what:
        case "rotten":
            rot(at(photos[0]))
        case "gone":
            at(photos[0]).unlink()
        case "swapped":
            shutil.copy(at(photos[1]), at(photos[0]))
    shutil.rmtree(settings.blobs)
    words = restore_school(settings, backup, code=nobody_asks, now_ms=NOW_MS)
    assert "2 photos and files of hand-ins came back." in words
    assert "1 photos and files are not on the stick, or damaged there:" in words
    assert any("leaf.jpg: Amina Otieno" in line for line in words)
    assert not (settings.blobs / photos[0]).exists()


def test_files_that_only_former_keys_open_are_left_for_their_backups(
    make, settings, stick, photos, at, tmp_path
):
    """A board the district has filled has keys of its own; the stick is the same one."""
    old = stick / "darasa-backup" / make().file
    before, former = at(photos[0]), read_keys(settings.keys)
    key = settings.keys / "sealing.key"
    key.write_bytes(bytes(reversed(key.read_bytes())))
    new = stick / "darasa-backup" / make(NOW_MS + DAY_MS).file
    assert before.exists()
    assert at(photos[0]).exists()
    assert at(photos[0]) != before
    assert read_keys(settings.keys).sealing_key != former.sealing_key
    shutil.rmtree(settings.blobs)
    restore_school(settings, new, code=nobody_asks, now_ms=NOW_MS)
    assert (settings.blobs / photos[0]).exists()
    key.write_bytes(former.sealing_key)
    shutil.rmtree(settings.blobs)
    restore_school(settings, old, code=nobody_asks, now_ms=NOW_MS + 1)
    assert (settings.blobs / photos[0]).exists()
