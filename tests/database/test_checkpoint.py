from contextlib import closing
from random import Random
from threading import Event

import apsw
import pytest

from appliance.database.checkpoint import Checkpointer, WalLimits, restart_wal
from appliance.database.connection import open_connection
from appliance.database.writer import Writer
from tests.drills.power_loss_vfs import PowerLossDisk

FILL = "INSERT INTO seen (n) VALUES (1)"
ADD = "INSERT INTO person VALUES (randomblob(16), 'Amina Otieno', 1, NULL)"


def test_the_side_thread_copies_what_the_writer_committed(path):
    writer = Writer(path, wal_limits=WalLimits(passive=1))
    writer.start()
    writer.write_blocking(lambda tx: tx.run(ADD))
    for _ in range(500):
        if b"Amina Otieno" in path.read_bytes():
            break
        Event().wait(0.01)
    else:
        pytest.fail("the side thread copied nothing")
    writer.stop()


def test_another_checkpoint_under_way_is_no_error(path, caplog):
    side = Checkpointer(path, limits=WalLimits(), mmap_size_bytes=0, vfs=None)
    entered = []

    def while_truncating(_tries):
        side._copy()  # meets the lock of the checkpoint that called us
        entered.append(True)
        return False

    with (
        closing(open_connection(path, role="writer")) as writer,
        closing(open_connection(path, role="reader")) as reader,
    ):
        writer.execute(FILL)
        reader.execute("BEGIN")
        reader.execute("SELECT n FROM seen").fetchall()
        writer.execute(FILL)
        writer.set_busy_handler(while_truncating)
        with pytest.raises(apsw.BusyError):
            writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    side._connection.close()
    assert entered
    assert caplog.text == ""


def test_a_failing_medium_puts_checkpoints_off(path, caplog):
    disk = PowerLossDisk("checkpoint-fails", Random(1))
    with closing(open_connection(path, role="writer")) as plain:
        side = Checkpointer(path, limits=WalLimits(), mmap_size_bytes=0, vfs=disk.name)
        plain.execute(FILL)
        disk.cut()
        side._copy()
        assert not restart_wal(side._connection)
        assert "checkpoint put off" in caplog.text
        assert "wal restart put off" in caplog.text
        side._connection.close()
    disk.close()
