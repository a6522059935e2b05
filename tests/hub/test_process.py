"""`darasa-hub` as an operator meets it: commands, refusals, a start and an end."""

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from demo.processes import free_port
from sync.hub.migrate import MIGRATIONS, migrations_in

pytestmark = [pytest.mark.anyio, pytest.mark.postgres, pytest.mark.system]

PATIENCE_S = 20.0
HUB = [sys.executable, "-m", "sync.hub"]


@pytest.fixture
def environment(tmp_path):
    return {
        **os.environ,
        "DARASA_HUB_DATA": str(tmp_path / "hub"),
        "DARASA_HUB_PORT": str(free_port()),
    }


def command(environment, *words):
    return subprocess.run(
        [*HUB, *words], env=environment, capture_output=True, text=True, check=False
    )


def serve(environment):
    return subprocess.Popen(
        [*HUB, "serve"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until_up(process, port):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health").json()
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError(process.communicate()[1])


async def test_it_migrates_serves_shows_its_code_and_stops(empty_dsn, environment):
    environment["DARASA_HUB_DSN"] = empty_dsn
    applied = [f"applied {each.number:04} {each.name}\n" for each in migrations_in(MIGRATIONS)]
    assert command(environment, "migrate").stdout == "".join(applied)
    assert command(environment, "migrate").stdout == "nothing to do\n"
    assert "no claim code" in command(environment, "claim-code").stdout
    process = serve(environment)
    try:
        assert until_up(process, environment["DARASA_HUB_PORT"])["status"] == "ok"
        code = command(environment, "claim-code").stdout.strip()
        assert len(code) == 11
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0
        assert code in said
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("dsn", "words", "told"),
    [
        (None, "serve", "hub settings"),
        ("postgresql://nobody@127.0.0.1:1/none", "serve", "refused"),
        ("postgresql://nobody@127.0.0.1:1/none", "migrate", "refused"),
    ],
)
async def test_what_is_wrong_is_one_sentence(environment, dsn, words, told):
    if dsn is not None:
        environment["DARASA_HUB_DSN"] = dsn
    done = command(environment, words)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_database_that_is_not_migrated_says_what_to_do(empty_dsn, environment):
    environment["DARASA_HUB_DSN"] = empty_dsn
    done = command(environment, "serve")
    assert done.returncode == 1
    assert "darasa-hub migrate" in done.stderr
    assert "Traceback" not in done.stderr


async def test_secrets_are_files_nobody_else_may_read(empty_dsn, environment, tmp_path):
    environment["DARASA_HUB_DSN"] = empty_dsn
    command(environment, "migrate")
    process = serve(environment)
    try:
        until_up(process, environment["DARASA_HUB_PORT"])
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "hub").iterdir()}
        assert modes == {"hub.key": 0o600, "claim-code": 0o600}
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
