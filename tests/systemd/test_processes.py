"""The real programs say what their units wait for, and can work behind the units' limits."""

import asyncio
import os
import re
import socket
import subprocess

import pytest

from demo.phone import Phone
from demo.processes import PYTHON, Process, free_port
from tests.cast import new_id

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("needs_systemd")]

BEAT_S = 0.2
ASK_THE_CLOCK = (
    "import ctypes; ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) + 1 or exit(1)"
)
MAKE_CODE = "import mmap; mmap.mmap(-1, 4096, prot=7)"
OPEN_A_PACKET_SOCKET = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"


def behind(unit, *words, port="none"):
    """Return the command that starts Python with these words behind the limits of `unit`."""
    return [PYTHON, "-m", "tests.systemd.sandbox", unit, str(port), PYTHON, *words]


def went_well(unit, deed):
    """Do one thing behind the limits of `unit`; tell whether it was allowed."""
    done = subprocess.run(behind(unit, "-c", deed), capture_output=True, check=False)
    return done.returncode == 0


def beating(heard, **more):
    """The environment of a unit with a watchdog of BEAT_S twice over."""
    deadline_us = str(int(2 * BEAT_S * 1_000_000))
    return {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": deadline_us, **more}


async def ask(port, method, path, body=None):
    async with Phone(port) as phone:
        return await phone.send(method, path, body)


def test_the_box_takes_its_socket_and_tells_systemd_how_it_is(heard, tmp_path):
    port = free_port()
    env = beating(heard, DARASA_DATA_DIR=str(tmp_path / "box"), DARASA_HOST_NAME="darasa-test")
    log = tmp_path / "log"
    command = behind("darasa-box.service", "-m", "appliance", "serve", port=port)
    with Process("box", command, env=env, log=log) as box:
        heard.until("READY=1")
        assert heard.until("WATCHDOG=1") == []
        assert heard.until("WATCHDOG=1") == []
        assert f":{port}" in log.read_text()
        answer = asyncio.run(claim(port, log.read_text()))
        assert answer.status == 201, box.tail()
        box.stop()
        heard.until("STOPPING=1")


async def claim(port, console):
    """Claim the box: keys, argon2id, and a commit, all behind the filter."""
    code = re.search(r"^  (\w{4}-\w{4})$", console, re.MULTILINE)[1]
    body = {
        "code": code,
        "school_name": "Shule ya Msingi Kisumu",
        "locale": "sw",
        "admin_name": "Amina Otieno",
        "sign_in_name": "amina",
        "password": new_id().hex,
    }
    return await ask(port, "POST", "/api/v1/claim", body)


def test_the_agent_is_ready_before_there_is_a_district(heard, tmp_path):
    env = beating(heard, DARASA_DATA_DIR=str(tmp_path / "box"))
    command = behind("darasa-agent.service", "-m", "sync.agent", "run")
    with Process("agent", command, env=env, log=tmp_path / "log") as agent:
        heard.until("READY=1")
        heard.until("WATCHDOG=1")
        heard.until("WATCHDOG=1")
        agent.stop()
        heard.until("STOPPING=1")


@pytest.mark.postgres
def test_the_hub_is_ready_when_it_serves_its_district(heard, tmp_path, postgres_server, hub_dsn):
    postgres_server.socket_dir.chmod(0o711)  # behind the limits even root enters only its own
    port = free_port()
    (tmp_path / "hub.env").write_text(f"DARASA_HUB_DSN={hub_dsn}\nDARASA_HUB_PORT={port}\n")
    env = beating(heard, DARASA_HUB_DATA=str(tmp_path / "hub"))
    env["CREDENTIALS_DIRECTORY"] = str(tmp_path)  # as systemd says where LoadCredential= lies
    command = behind("darasa-hub.service", "-m", "sync.hub", "serve")
    with Process("hub", command, env=env, log=tmp_path / "log") as hub:
        heard.until("READY=1")
        heard.until("WATCHDOG=1")
        heard.until("WATCHDOG=1")
        assert asyncio.run(ask(port, "GET", "/health")).status == 200, hub.tail()
        hub.stop()
        heard.until("STOPPING=1")


@pytest.mark.parametrize(
    ("unit", "words", "said"),
    [
        ("darasa-backup.service", ["nightly-copy"], "verified"),
        ("darasa-integrity.service", ["check", "--copy"], "there is no backup to check yet"),
    ],
)
def test_what_a_timer_asks_for_can_be_done(unit, words, said, database):
    command = behind(unit, "-m", "appliance", *words)
    env = os.environ | {"DARASA_DATA_DIR": str(database.parent)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout) == (0, True), done.stdout + done.stderr


def test_the_box_may_call_the_socket_that_switches_the_machine_off(tmp_path):
    place = str(tmp_path / "off")
    with socket.socket(socket.AF_UNIX) as ear:
        ear.bind(place)
        ear.listen()
        call = f"import socket; socket.socket(socket.AF_UNIX).connect({place!r})"
        assert went_well("darasa-box.service", call)


@pytest.mark.parametrize("unit", ["darasa-box.service", "darasa-agent.service"])
def test_whoever_stores_instants_may_ask_whether_the_clock_is_right(unit):
    assert went_well(unit, ASK_THE_CLOCK)


@pytest.mark.parametrize("deed", [MAKE_CODE, OPEN_A_PACKET_SOCKET])
@pytest.mark.parametrize("unit", ["darasa-box.service", "darasa-agent.service"])
def test_the_limits_are_really_there(unit, deed):
    assert not went_well(unit, deed)
