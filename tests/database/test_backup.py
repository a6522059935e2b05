from contextlib import closing
from threading import Thread

import apsw
import pytest

from appliance.database.backup import back_up, restore
from appliance.database.connection import open_connection
from appliance.database.faults import BackupFailed

FILL = """
INSERT INTO person
SELECT randomblob(16), hex(randomblob(500)), 1, NULL
  FROM pragma_function_list
"""


def people_in(path):
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute("SELECT count(*) FROM person").get


def test_a_backup_is_one_checked_file(path, writer, tmp_path):
    writer.write_blocking(lambda tx: tx.run(FILL))
    people = writer.write_blocking(lambda tx: tx.value("SELECT count(*) FROM person"))
    target = tmp_path / "usb" / "monday.db"
    result = back_up(path, target)
    assert result.quick_check == "ok"
    assert result.size_bytes == target.stat().st_size == result.pages * 4096
    assert [file.name for file in target.parent.iterdir()] == ["monday.db"]
    assert people_in(target) == people


def test_writers_go_on_and_the_copy_is_of_one_moment(path, writer, tmp_path):
    written = 30
    for _ in range(written):  # more than one step of pages
        writer.write_blocking(lambda tx: tx.run(FILL))
    target = tmp_path / "copy.db"
    copying = Thread(target=back_up, args=(path, target))
    copying.start()
    while copying.is_alive() or written < 50:
        writer.write_blocking(lambda tx: tx.run(FILL))
        written += 1
    copying.join()
    people = writer.write_blocking(lambda tx: tx.value("SELECT count(*) FROM person"))
    assert people_in(target) % (people // written) == 0  # whole batches, never part of one
    assert people_in(target) < people


def test_a_broken_source_leaves_the_last_good_backup_alone(path, tmp_path):
    target = tmp_path / "monday.db"
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute(FILL)
    back_up(path, target)
    good = target.read_bytes()
    damaged = bytearray(path.read_bytes())
    damaged[8 * 4096 : 12 * 4096] = b"\xa5" * 4 * 4096
    path.write_bytes(damaged)
    with pytest.raises(BackupFailed, match="backup of"):
        back_up(path, target)
    assert target.read_bytes() == good
    assert not target.with_name("monday.db.partial").exists()


def test_a_missing_source_is_said_plainly(tmp_path):
    with pytest.raises(BackupFailed, match="unable to open"):
        back_up(tmp_path / "nothing.db", tmp_path / "copy.db")


def test_restore_brings_the_backup_back(path, tmp_path):
    back_up(path, tmp_path / "empty.db")
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute(FILL)
    assert people_in(path) > 0
    restore(tmp_path / "empty.db", path)
    assert people_in(path) == 0
    open_connection(path, role="reader").close()  # still laid out as we need it
