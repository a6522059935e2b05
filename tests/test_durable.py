"""What is put on a stick is there when the stick is pulled out."""

import os
from pathlib import Path, PurePosixPath

import pytest

from appliance.backups.files import FILES
from appliance.backups.media import FOLDER, MARK, appearing, prepare
from appliance.database.backup import back_up
from appliance.durable import make_private_folder, put_private
from sync.stick import Stick
from tests.cast import new_id

HELD = "held"


@pytest.fixture
def synced(monkeypatch):
    """Every file and folder that was put on disk, by the name it had at that moment."""
    names, really = [], os.fsync

    def noting(descriptor):
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        really(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    return names


def by_appearing(folder):
    with appearing(folder / HELD) as partial:
        partial.write_bytes(b"sealed")


WRITERS = {
    "mark": lambda folder: put_private(folder / HELD, b"{}"),
    "backup": by_appearing,
    "parcel": lambda folder: Stick(folder).write(PurePosixPath(HELD), b"segment"),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_file_is_put_on_disk_under_its_own_name_too(synced, tmp_path, write):
    """The image's kernel showed it on FAT: synced under its first name only, it came back empty."""
    write(tmp_path)
    before, *_, last = synced
    assert before.startswith(HELD)
    assert before != HELD
    assert HELD in synced
    assert last == tmp_path.name


def test_so_is_a_plain_copy_of_the_database(synced, tmp_path, database):
    back_up(database, tmp_path / HELD)
    assert synced[-2:] == [HELD, tmp_path.name]


def test_a_new_folder_is_put_on_disk_before_what_is_in_it(synced, tmp_path):
    """FAT writes the first names in it with the folder above: synced later, they stayed behind."""
    prepare(tmp_path, new_id(), "Shule ya Msingi")
    assert synced.index(tmp_path.name) < synced.index(MARK)
    make_private_folder(tmp_path / FOLDER / FILES)
    assert synced[-1] == FOLDER
    make_private_folder(tmp_path / FOLDER / FILES)  # it is there
    assert synced.count(FOLDER) == 2
