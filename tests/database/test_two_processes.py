"""The box and the agent write to one file from two processes, and neither starves."""

import asyncio
import subprocess
import sys
from contextlib import closing

import apsw
import pytest

from appliance.database.connection import open_connection

pytestmark = [pytest.mark.anyio, pytest.mark.system]

AGENT = """
import sys
from pathlib import Path
from appliance.database.connection import open_connection
connection = open_connection(Path(sys.argv[1]), role="agent")
print("open", flush=True)
for _ in range(30):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO seen (n) VALUES (7)")
    connection.execute("COMMIT")
connection.close()
"""


def add(tx):
    return tx.run("INSERT INTO seen (n) VALUES (1)")


@pytest.fixture
def agent(path):
    command = [sys.executable, "-c", AGENT, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout.readline() == "open\n"
        yield agent


async def test_the_agent_gets_its_turn_beside_a_busy_classroom(writer, agent):
    written = []

    async def pupil():
        while agent.poll() is None:
            written.append(await writer.write(add))

    await asyncio.wait_for(asyncio.gather(*(pupil() for _ in range(20))), timeout=30)
    assert agent.returncode == 0
    assert writer.counts.batches_failed == 0
    seen = await writer.write(lambda tx: tx.value("SELECT count(*) FROM seen"))
    assert seen == 30 + sum(written)


def test_the_agent_gives_up_at_its_limit(writer, path, monkeypatch):
    monkeypatch.setattr("appliance.database.connection.KNOCKS_MAX", 3)
    with closing(open_connection(path, role="agent")) as agent:
        with closing(open_connection(path, role="agent")) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(apsw.BusyError):
                agent.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        agent.execute("BEGIN IMMEDIATE")
        agent.execute("ROLLBACK")
