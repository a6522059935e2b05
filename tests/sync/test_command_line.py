"""`darasa-agent` as a process: it waits for the box, is alone, and ends when told."""

import fcntl
import json
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from appliance.database.connection import open_connection
from sync.agent.__main__ import AGENT_LOCK, run
from sync.agent.keys import read_node_key
from tests.sync.web import claim, wish


@pytest.fixture
def here(settings, monkeypatch):
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    return settings


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_status_of_a_box_nobody_has_claimed(here, capsys):
    assert run(["status", "--json"]) == 0
    assert told(capsys)["is_claimed"] is False


def test_status_counts_what_waits(here, box, capsys):
    claim(box)
    assert run(["status", "--json"]) == 0
    said = told(capsys)
    assert (said["is_claimed"], said["is_enrolled"], said["waiting"]) == (True, False, 1)


def test_joining_without_a_link_says_so_and_keeps_the_wish(here, box, capsys):
    claim(box)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert run(["enrol", f"http://127.0.0.1:{port}/", "a-token"]) == 0
    assert "cannot be reached" in capsys.readouterr().out
    wish = box.execute("SELECT hub_url, token FROM hub_enrolment").fetchall()
    assert wish == [(f"http://127.0.0.1:{port}", "a-token")]


def test_an_empty_board_without_a_link_keeps_its_keys_and_the_wish(here, box, capsys):
    shutil.rmtree(here.keys)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert run(["enrol", f"http://127.0.0.1:{port}", "a-token"]) == 1
    said = capsys.readouterr().out
    assert "Recovery code of this board, shown this once" in said
    assert "cannot be reached" in said
    key = read_node_key(here.keys)
    assert run(["enrol", f"http://127.0.0.1:{port}", "another-token"]) == 1
    assert "Recovery code" not in capsys.readouterr().out
    assert read_node_key(here.keys) == key
    assert box.execute("SELECT token FROM hub_enrolment").get == "another-token"


def test_a_new_identity_needs_a_district(here, box, capsys):
    claim(box)
    assert run(["new-identity", "a-token"]) == 1
    assert "in no district yet" in capsys.readouterr().err


def test_beside_a_running_agent_the_wish_is_left_for_it(here, box, capsys):
    claim(box)
    with (here.data_dir / AGENT_LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(["enrol", "http://hub.example", "a-token"]) == 0
        assert run(["run"]) == 1
    said = capsys.readouterr()
    assert "has been told" in said.out
    assert "This school's agent runs already" in said.err


def test_an_address_that_is_none_is_a_plain_sentence(here, box, capsys):
    claim(box)
    assert run(["enrol", "hub.example", "a-token"]) == 0
    assert "The last try did not work" in capsys.readouterr().out


def test_a_database_of_another_release_is_not_touched(here, capsys):
    connection = open_connection(here.database, role="writer")
    connection.pragma("user_version", 99)
    connection.close()
    assert run(["status"]) == 1
    assert "newer release" in capsys.readouterr().err


@pytest.mark.system
def test_the_agent_waits_for_the_box_and_ends_when_told(here, tmp_path):
    database = here.database.read_bytes()
    for file in here.data_dir.glob("school.db*"):  # whoever closed it last has left its empty log
        file.unlink()
    with running_agent() as process:
        wait_for((here.data_dir / AGENT_LOCK).exists, process)
        here.database.write_bytes(database)
        wait_for(here.database.with_name("school.db-shm").exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0, process.stderr.read()


@pytest.mark.system
def test_an_agent_in_the_middle_of_a_conversation_ends_when_told(here, box):
    """A hub that never answers, or a whole term's work on a slow line, keeps no box awake."""
    claim(box)
    with socket.create_server(("127.0.0.1", 0)) as hub:
        wish(box, url=f"http://127.0.0.1:{hub.getsockname()[1]}")
        with running_agent() as process:
            hub.settimeout(20)
            asking, _ = hub.accept()
            with asking:
                process.send_signal(signal.SIGTERM)
                assert process.wait(timeout=10) == 0, process.stderr.read()


@contextmanager
def running_agent():
    process = subprocess.Popen(
        [sys.executable, "-m", "sync.agent", "run"], stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def wait_for(happened, process):
    """Poll a file that another process makes; there is nothing to be told by."""
    while not happened():
        assert process.poll() is None, process.stderr.read()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
