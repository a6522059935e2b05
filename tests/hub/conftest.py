"""A real PostgreSQL (18 from the wheel, 15 where Debian's is there), a migrated database
copied for each test, and the hub on it, reached through ASGI."""

import itertools
import shutil
import tempfile
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest
from msgspec import Struct

from appliance.database.migrate import EDGE_MIGRATIONS
from appliance.database.migrate import migrate as migrate_box
from demo.postgres import postgres
from sync.agent.line import QUIET_S
from sync.agent.status import status
from sync.hub.app import create_app
from sync.hub.migrate import migrate
from sync.hub.settings import HubSettings
from tests.cast import a_school
from tests.hub.cast import NOW_MS, District, Watch
from tests.hub.real_box import RealBox

DEBIAN = Path("/usr/lib/postgresql/15/bin")
SERVERS = {"18": None} | ({"15": DEBIAN} if (DEBIAN / "postgres").exists() else {})
TEMPLATE = "hub_template"


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session", params=SERVERS, ids=lambda version: f"postgresql-{version}")
def server(request):
    """One server for the whole run.

    Not below pytest's own folder: whoever runs the server must be able to enter it, and
    every pytest that starts closes that folder to others again.
    """
    with tempfile.TemporaryDirectory(prefix="darasa-hub-tests-") as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        with postgres(data, bin_dir=SERVERS[request.param], fsync=False) as up:
            yield up


# A test's database is put back as it was, which costs milliseconds; making one costs a
# file for every table and index. Triggers sleep meanwhile: what they note is put back too.
PRISTINE = """
CREATE SCHEMA pristine;
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT c.relname FROM pg_class AS c
                 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
                   AND c.relnamespace = 'public'::regnamespace
    LOOP
        EXECUTE format('CREATE TABLE pristine.%I AS SELECT * FROM public.%I', name, name);
    END LOOP;
END $$;
"""
PUT_BACK = """
SET session_replication_role = replica;
DO $$
DECLARE
    name  text;
    found boolean;
BEGIN
    PERFORM pg_terminate_backend(a.pid) FROM pg_stat_activity AS a
      WHERE a.datname = current_database() AND a.pid <> pg_backend_pid();
    FOR name IN SELECT t.tablename FROM pg_tables AS t WHERE t.schemaname = 'pristine'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM public.%I)', name) INTO found;
        IF found THEN
            EXECUTE format('DELETE FROM public.%I', name);
        END IF;
        EXECUTE format('INSERT INTO public.%I SELECT * FROM pristine.%I', name, name);
    END LOOP;
    PERFORM setval('sync_feed_no', 1, false);
END $$;
"""


@pytest.fixture(scope="session")
async def template(server):
    """A migrated database that nobody has claimed."""
    await run(server.dsn(), f"CREATE DATABASE {TEMPLATE}")
    await migrate(server.dsn(TEMPLATE), lambda: NOW_MS)
    return TEMPLATE


@pytest.fixture(scope="session")
def whole_app(server):
    """The real app, put together once: looking through a hundred routes costs 0.1 s.

    Nothing is open in it; a test says which settings and whose clock, and starts it.
    """
    return create_app(HubSettings(dsn=server.dsn()), clock=Watch())


class Claimed(Struct):
    """What a test finds instead of claiming."""

    database: str
    data: Path
    district_id: UUID
    cookies: dict[str, str]


@pytest.fixture(scope="session")
async def claimed(server, template, tmp_path_factory):
    """A hub that has its district, whose administrator is signed in."""
    name = f"{TEMPLATE}_claimed"
    await run(server.dsn(), f"CREATE DATABASE {name} TEMPLATE {template}")
    data = tmp_path_factory.mktemp("claimed") / "hub"
    settings = HubSettings(dsn=server.dsn(name), data=data)
    app = create_app(settings, clock=Watch())
    async with app.lifespan(), opened(app) as client:
        district = District(client, settings)
        await district.claim()
        await district.sign_in()
        cookies = dict(client.cookies)
    await run(server.dsn(name), PRISTINE)
    return Claimed(name, data, district.id, cookies)


@pytest.fixture(scope="session")
async def unclaimed(server, template):
    """A hub as it is after its first migration."""
    name = f"{TEMPLATE}_unclaimed"
    await run(server.dsn(), f"CREATE DATABASE {name} TEMPLATE {template}")
    await run(server.dsn(name), PRISTINE)
    return name


@pytest.fixture
async def dsn(request, server, claimed, unclaimed):
    """A database of this test's own; with a district where the test wants one."""
    name = claimed.database if "district" in request.fixturenames else unclaimed
    await run(server.dsn(name), PUT_BACK)
    return server.dsn(name)


_numbers = itertools.count(1)


@pytest.fixture
async def empty_dsn(server):
    """A database nobody has migrated."""
    name = f"empty_{next(_numbers)}"
    await run(server.dsn(), f"CREATE DATABASE {name}")
    yield server.dsn(name)
    await run(server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def settings(request, dsn, claimed, tmp_path):
    if "district" in request.fixturenames:
        shutil.copytree(claimed.data, tmp_path / "hub")
    return HubSettings(dsn=dsn, data=tmp_path / "hub", ingest_at_once=2)


@pytest.fixture
async def app(whole_app, settings, watch):
    whole_app.state.update({"settings": settings, "clock": watch})
    async with whole_app.lifespan():
        yield whole_app


@pytest.fixture
async def client(app):
    async with opened(app) as client:
        yield client


def opened(app):
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://hub.test")


@pytest.fixture
def district(client, settings, claimed):
    """A claimed hub whose administrator is signed in."""
    district = District(client, settings)
    district.id = claimed.district_id
    client.cookies.update(claimed.cookies)
    return district


@pytest.fixture(scope="session")
def edge_template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edge")
    migrate_box(folder / "school.db", EDGE_MIGRATIONS, backups=folder, now_ms=NOW_MS)
    return (folder / "school.db").read_bytes()


@pytest.fixture
def board():
    """What kind of board `new_box` makes."""
    return RealBox


@pytest.fixture
def new_box(board, tmp_path, edge_template, app, watch):
    boxes = []

    def make(name):
        boxes.append(board(tmp_path / name, edge_template, app, watch))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()


@pytest.fixture
async def box(new_box, district):
    """A claimed school with two classes, enrolled, everything sent."""
    box = new_box("first")
    with box.db.changing() as tx:
        box.cast = a_school(tx)
    box.wish(await district.token())
    assert await box.agent.one_try() == QUIET_S, status(box.db)
    return box


@pytest.fixture
async def as_role(dsn):
    """Connect as one of the hub's roles."""
    opened = []

    async def connect(role):
        opened.append(await asyncpg.connect(dsn, user=role))
        return opened[-1]

    yield connect
    for connection in opened:
        await connection.close()


@pytest.fixture
async def see(as_role):
    """Look at the database as its superuser: row security is not the subject."""
    return await as_role("postgres")


async def run(dsn, sql):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
