from contextlib import closing
from random import Random

import pytest

from appliance.database.agent import AgentDatabase
from appliance.database.connection import open_connection
from appliance.database.faults import WriteFailed
from appliance.errors import Busy, NotFound, StorageFull
from tests.drills.power_loss_vfs import PowerLossDisk

FILL = "INSERT INTO seen (n) VALUES (?1)"
COUNT = "SELECT count(*) FROM seen"


@pytest.fixture
def agent(path):
    with closing(AgentDatabase(path)) as agent:
        yield agent


def fill_and_refuse(tx):
    tx.run(FILL, (2,))
    raise NotFound("row 2")


def test_a_change_is_kept_whole_or_not_at_all(agent, readers):
    with agent.changing() as tx:
        tx.run(FILL, (1,))
    with pytest.raises(NotFound), agent.changing() as tx:
        fill_and_refuse(tx)
    assert agent.tuples("SELECT n FROM seen") == [(1,)]
    assert readers.here.value(COUNT) == 1


def test_a_snapshot_sees_one_state_and_data_version_tells_of_others(agent, writer):
    before = agent.data_version
    with agent.snapshot():
        assert agent.value(COUNT) == 0
        writer.write_blocking(lambda tx: tx.run(FILL, (1,)))
        assert agent.value(COUNT) == 0
    assert agent.value(COUNT) == 1
    assert agent.data_version != before


def test_a_child_may_come_before_its_parent(agent):
    with agent.changing() as tx:
        tx.run("INSERT INTO note (person_id, body) VALUES (zeroblob(16), 'parent comes later')")
    assert agent.value("SELECT count(*) FROM note") == 1


def test_a_box_that_keeps_the_lock_is_busy(agent, path, monkeypatch):
    monkeypatch.setattr("appliance.database.connection.KNOCKS_MAX", 2)
    with closing(open_connection(path, role="writer")) as box:
        box.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy), agent.changing():
            pytest.fail("two writers at once")
        box.execute("ROLLBACK")
    with agent.changing() as tx:
        assert tx.run(FILL, (1,)) == 1


def test_a_full_card_is_said_and_leaves_nothing_behind(agent):
    with agent.changing() as tx:
        tx.run(f"PRAGMA max_page_count = {tx.value('PRAGMA page_count')}")
    with pytest.raises(StorageFull), agent.changing() as tx:
        tx.run("INSERT INTO person VALUES (zeroblob(16), hex(zeroblob(100000)), 1, NULL)")
    assert agent.value("SELECT count(*) FROM person") == 0


def test_a_failing_medium_is_said(path):
    disk = PowerLossDisk("agent-fails", Random(1))
    agent = AgentDatabase(path, mmap_size_bytes=0, vfs=disk.name)
    disk.cut()
    with pytest.raises(WriteFailed), agent.changing() as tx:
        tx.run(FILL, (1,))
    agent.close()
    disk.close()
