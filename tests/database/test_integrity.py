from contextlib import closing

import apsw
import pytest

from appliance.database.connection import open_connection
from appliance.database.integrity import DanglingKey, foreign_key_check, full_check, quick_check
from appliance.database.reader import Reader

FILL = """
INSERT INTO person
SELECT randomblob(16), hex(randomblob(500)), 1, NULL
  FROM pragma_function_list
"""


@pytest.mark.parametrize("check", [quick_check, full_check])
def test_a_sound_file_is_ok(path, readers, check):
    for source in (path, readers.here):
        report = check(source)
        assert report.is_ok
        assert report.problems == report.dangling == []


def test_rows_that_point_nowhere_are_counted_by_table(path):
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("INSERT INTO note VALUES (zeroblob(16), 'a'), (zeroblob(16), 'b')")
    report = quick_check(path)
    assert report.dangling == [DanglingKey("note", "person", 2)]
    assert not report.is_ok


def test_damage_is_reported_and_nothing_is_changed(path):
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute(FILL)
    damaged = bytearray(path.read_bytes())
    damaged[8 * 4096 : 12 * 4096] = b"\xa5" * 4 * 4096
    path.write_bytes(damaged)
    report = full_check(path)
    assert not report.is_ok
    assert report.problems
    assert path.read_bytes() == bytes(damaged)


def test_the_key_check_reads_inside_a_transaction(path):
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("BEGIN; INSERT INTO note VALUES (zeroblob(16), 'not yet committed')")
        assert foreign_key_check(Reader(connection)) == [DanglingKey("note", "person", 1)]
        connection.execute("ROLLBACK")
