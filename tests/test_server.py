"""`darasa-box` as a keeper meets it: a process, a console, one sentence when it will not start."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import apsw
import pytest

from appliance.__main__ import run
from appliance.database.lock import exclusive_lock

PATIENCE_S = 30


@pytest.fixture
def environ(tmp_path):
    return os.environ | {
        "DARASA_DATA_DIR": str(tmp_path / "box"),
        "DARASA_HOST": "127.0.0.1",
        "DARASA_PORT": "0",
    }


def command(*words):
    return [sys.executable, "-m", "appliance", *words]


def said(process, pattern):
    """Read the console until it says `pattern`."""
    lines = []
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and (line := process.stdout.readline()):
        lines.append(line)
        if match := re.search(pattern, "".join(lines)):
            return match
    raise AssertionError("".join(lines))


@pytest.fixture
def serving(environ):
    started = []

    def serving(argv=None, **more):
        process = subprocess.Popen(
            argv or command("serve"),
            env=environ | more.pop("env", {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **more,
        )
        started.append(process)
        return process

    yield serving
    for process in started:
        process.kill()
        process.communicate()


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)


def send(port, path, body):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.system
def test_an_empty_machine_shows_its_address_and_a_code_that_claims_it(serving, tmp_path):
    process = serving()
    port, code = said(
        process, r"http://127\.0\.0\.1:(\d+)/claim\nand type this code:\n  (\S+)\n"
    ).groups()
    assert re.fullmatch(r"[2-9A-Z]{4}-[2-9A-Z]{4}", code)
    assert ask(port, "/health")["status"] in {"ok", "degraded"}
    claim = {
        "code": code,
        "school_name": "S",
        "admin_name": "G",
        "sign_in_name": "g",
        "password": "x" * 8,
    }
    assert send(port, "/api/v1/claim", claim)["recovery_code"]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    (tmp_path / "box" / "keys" / "pin.pepper").unlink()
    again = serving()
    console, _ = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 1
    assert "The school's keys are missing" in console
    assert "Traceback" not in console


@pytest.mark.system
def test_a_socket_from_systemd_is_served(serving):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        environ = {"LISTEN_FDS": "1", "DARASA_PORT": "1"}
        start = (
            f"exec 3<&{listener.fileno()}; LISTEN_PID=$$ exec {sys.executable} -m appliance serve"
        )
        process = serving(["bash", "-c", start], env=environ, pass_fds=(listener.fileno(),))
        said(process, "is ready")
        assert ask(port, "/api/v1/claim")["state"] == "new"


@pytest.fixture
def no_trouble(environ, tmp_path):
    """Give the box its database first."""
    subprocess.run(command("migrate"), env=environ, check=True, capture_output=True)
    return tmp_path / "box"


def refusal(process):
    console, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "Traceback" not in console
    return console


@pytest.mark.system
def test_a_port_that_is_taken_is_told(serving, no_trouble):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refusal(serving(env={"DARASA_PORT": str(port)}))
    assert f"The box cannot open its port: port {port} of" in told
    assert "set DARASA_PORT to another number" in told
    assert "Errno" not in told


@pytest.mark.system
def test_a_database_of_a_newer_release_is_left_alone(serving, no_trouble):
    connection = apsw.Connection(str(no_trouble / "school.db"))
    connection.pragma("user_version", 999)
    connection.close()
    assert "belongs to a newer release" in refusal(serving())


@pytest.mark.system
def test_files_that_another_process_repairs_are_left_alone(serving, no_trouble):
    with exclusive_lock(no_trouble):
        assert "files are in use" in refusal(serving())


@pytest.fixture
def box_dir(monkeypatch, tmp_path):
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path / "box"))
    return tmp_path / "box"


def test_every_command_explains_itself(capsys):
    with pytest.raises(SystemExit):
        run(["--help"])
    for name in re.findall(r"^    ([a-z-]+) ", capsys.readouterr().out, re.MULTILINE):
        with pytest.raises(SystemExit) as left:
            run([name, "--help"])
        assert left.value.code == 0
        assert name in capsys.readouterr().out


@pytest.mark.parametrize("words", [["check"], ["backup"], ["status"], ["export", "out"]])
def test_a_command_on_an_empty_machine_says_what_to_do_first(box_dir, capsys, words):
    assert run(words) == 1
    told = capsys.readouterr().err
    assert "darasa-box serve" in told
    assert not (box_dir / "school.db").exists()


def test_migrate_check_backup_and_status_of_a_fresh_database(box_dir, capsys):
    assert run(["migrate"]) == 0
    assert "applied 0001 school" in capsys.readouterr().out
    assert run(["migrate"]) == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert run(["check", "--full"]) == 0
    assert run(["backup", "--plain", str(box_dir / "copy.db")]) == 0
    assert (box_dir / "copy.db").exists()
    assert run(["status"]) == 0
    assert "claimed: no" in capsys.readouterr().out


def test_a_setting_that_is_none_is_refused(tmp_path, capsys):
    config = tmp_path / "box.toml"
    config.write_text("prot = 80\n")
    assert run(["--config", str(config), "status"]) == 1
    assert "prot" in capsys.readouterr().err
