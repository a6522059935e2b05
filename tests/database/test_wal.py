"""The log is read as SQLite reads it, and a commit that the card lost is told from a torn end."""

import shutil
from contextlib import closing

import apsw
import pytest

from appliance.database.connection import open_connection
from appliance.database.wal import FRAME_BYTES, HEADER_BYTES, read_wal


@pytest.fixture
def log(tmp_path):
    """Five commits of one page each, as a power cut leaves them."""
    path = tmp_path / "live.db"
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("CREATE TABLE note (n INTEGER) STRICT")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        for number in range(5):
            connection.execute("INSERT INTO note VALUES (?)", (number,))
        for name in ("live.db", "live.db-wal"):
            shutil.copy(tmp_path / name, tmp_path / name.replace("live", "cut"))
    return tmp_path / "cut.db-wal"


def spoil(log, frame, at=100, content=b"\xa5" * 8):
    with log.open("r+b") as file:
        file.seek(HEADER_BYTES + frame * FRAME_BYTES + at)
        file.write(content)


def rows_as_sqlite_reads(log):
    path = log.with_name(log.name.removesuffix("-wal"))
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute("SELECT count(*) FROM note").get


def test_a_whole_log_says_what_sqlite_says(log):
    frames = (log.stat().st_size - HEADER_BYTES) // FRAME_BYTES
    found = read_wal(log)
    assert frames == 5
    assert (found.is_cut, found.is_damaged) == (False, False)
    assert found.pages == 3
    assert len(found.latest) == 1


@pytest.mark.parametrize(
    ("frame", "at", "is_cut", "is_damaged"),
    [
        (4, 100, True, False),  # the last commit: torn, or lost, nobody can say
        (3, 100, True, True),  # one behind it was synced, so this one was, too
        (0, 100, True, True),
        (2, 8, True, True),  # noise where the frame says whose it is
        (4, 8, False, True),
    ],
)
def test_a_lost_commit_is_told_from_a_torn_end(log, frame, at, is_cut, is_damaged):
    spoil(log, frame, at)
    found = read_wal(log)
    assert (found.is_cut, found.is_damaged) == (is_cut, is_damaged)
    assert rows_as_sqlite_reads(log) == frame  # nothing behind it counts for SQLite either


@pytest.mark.parametrize(
    ("size", "is_cut"),
    [(HEADER_BYTES + 2 * FRAME_BYTES, False), (HEADER_BYTES + 2 * FRAME_BYTES + 50, True)],
)
def test_a_log_that_ends_inside_a_frame_is_cut(log, size, is_cut):
    with log.open("r+b") as file:
        file.truncate(size)
    assert read_wal(log).is_cut is is_cut


def test_a_log_whose_beginning_is_noise_is_damaged(log):
    with log.open("r+b") as file:
        file.write(b"\xa5" * HEADER_BYTES)
    assert read_wal(log).is_damaged
    assert read_wal(log).latest == {}


@pytest.mark.parametrize("content", [b"", bytes(HEADER_BYTES)])
def test_an_empty_log_is_no_damage(log, content):
    log.write_bytes(content)
    assert read_wal(log) == ({}, 0, False, False)


def test_no_log_is_an_empty_log(tmp_path):
    assert read_wal(tmp_path / "nothing-wal") == ({}, 0, False, False)


def test_frames_of_an_earlier_run_of_the_log_are_its_end(tmp_path):
    path = tmp_path / "live.db"
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("CREATE TABLE note (n INTEGER) STRICT")
        for number in range(9):
            connection.execute("INSERT INTO note VALUES (?)", (number,))
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        connection.execute("INSERT INTO note VALUES (9)")
        found = read_wal(tmp_path / "live.db-wal")
    assert (found.is_cut, found.is_damaged) == (False, False)
    assert len(found.latest) == 1
