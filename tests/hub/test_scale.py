"""A district that grew: a pooler in between, a replica for reports, a cluster some day."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from sync.hub.app import create_app
from sync.hub.launcher import as_server_user, give_to_server_user, run_program, running
from sync.hub.sharding import statements
from tests.hub.cast import District, facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]
POOLER = Path(shutil.which("pgbouncer") or "/usr/sbin/pgbouncer")
REPLICA_S_MAX = 20
POOLER_INI = """
[databases]
* = host={socket_dir} port=5432
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 2
logfile = {folder}/log
pidfile = {folder}/pid
"""


@pytest.fixture
def folder(server):
    """Return a folder the server's user may enter too."""
    folder = server.socket_dir.with_name(f"{server.socket_dir.name}-scale")
    folder.mkdir()
    give_to_server_user(folder)
    yield folder
    shutil.rmtree(folder)


@asynccontextmanager
async def school_day(settings, watch):
    """Everything a hub does, once: a claim, a box, work, a report of it."""
    app = create_app(settings, clock=watch)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://hub.test") as client,
    ):
        district = District(client, settings)
        await district.claim()
        await district.sign_in()
        box = await district.school()
        await box.send(rows("org_unit", values("org_unit", box.school_id, name="Shule ya Uhuru")))
        for count in (3, 40, 3):
            await box.send(facts(count))
        await box.hello()
        yield client, box


def until(found, what):
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@contextmanager
def pooling(folder, socket_dir):
    """Run the pooler on a socket in `folder`: two connections, a transaction at a time."""
    (folder / "users").write_text('"darasa_ingest" ""\n"darasa_web" ""\n')
    (folder / "ini").write_text(POOLER_INI.format(folder=folder, socket_dir=socket_dir))
    pooler = subprocess.Popen([*as_server_user(), POOLER, "-q", folder / "ini"])
    try:
        until((folder / ".s.PGSQL.6432").exists, "the pooler did not start")
        yield
    finally:
        pooler.send_signal(signal.SIGTERM)
        pooler.wait(timeout=10)


@pytest.mark.skipif(
    not POOLER.exists(), reason="no pgbouncer on this machine (apt install pgbouncer)"
)
async def test_the_hub_works_behind_a_pooler_that_changes_connections(
    settings, dsn, server, folder, watch
):
    with pooling(folder, server.socket_dir):
        name = dsn.partition("@/")[2].partition("?")[0]
        reached = f"@/{name}?host={folder}&port=6432"
        behind = replace(
            settings,
            is_pooled=True,
            ingest_dsn=f"postgresql://darasa_ingest{reached}",
            web_dsn=f"postgresql://darasa_web{reached}",
        )
        async with school_day(behind, watch) as (client, box):
            assert (await box.hello()).streams[0].applied_n == 4
            report = await client.get(f"/api/v1/schools/{box.school_id}")
            assert report.json()["school"]["name"] == "Shule ya Uhuru"


async def test_reports_come_from_the_replica_and_receipts_do_not_wait_for_it(
    settings, dsn, server, folder, watch
):
    copy = folder / "replica"
    copy.mkdir(mode=0o700)
    give_to_server_user(copy)
    run_program(
        [server.bin_dir / "pg_basebackup", "-D", copy, "-d", server.dsn(), "-R", "-c", "fast"],
        failed="pg_basebackup",
    )
    own = {"dynamic_shared_memory_type": "mmap", "shared_buffers": "32MB", "fsync": "off"}
    with running(copy, server.bin_dir, own) as replica:
        name = dsn.partition("@/")[2].partition("?")[0]
        with_replica = replace(settings, read_dsn=replica.dsn(name, user="darasa_web"))
        async with school_day(with_replica, watch) as (client, box):
            address = f"/api/v1/schools/{box.school_id}"
            deadline = time.monotonic() + REPLICA_S_MAX  # it is some milliseconds behind
            while "Shule ya Uhuru" not in (await client.get(address)).text:
                assert time.monotonic() < deadline, "the replica never had the school's name"
            os.kill(replica.pid, signal.SIGQUIT)
            assert (await box.send(facts(5))).applied_n == 5


async def test_every_table_with_a_school_is_distributed_by_it_beside_the_others(dsn, as_role):
    made = await statements(await as_role("darasa_web"))
    assert "SELECT create_reference_table('school')" in made
    spread = [sql for sql in made if "create_distributed_table" in sql]
    assert sum("colocate_with" not in sql for sql in spread) == 1
    assert any("'progress_fact', 'school_id'" in sql for sql in spread)
    assert len(made) == len(set(made))
    assert not [sql for sql in spread if "hub_identity" in sql or "schema_migration" in sql]
