"""A real PostgreSQL (18 from the wheel, 15 where Debian's is there), a migrated database
copied for each test, and the hub on it, reached through ASGI."""

import itertools
import tempfile
from pathlib import Path

import asyncpg
import httpx
import pytest

from demo.postgres import postgres
from sync.hub.app import create_app
from sync.hub.migrate import migrate
from sync.hub.settings import HubSettings
from tests.hub.cast import NOW_MS, District, Watch

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


@pytest.fixture(scope="session")
async def template(server):
    """A migrated database that nobody writes to."""
    await run(server.dsn(), f"CREATE DATABASE {TEMPLATE}")
    await migrate(server.dsn(TEMPLATE), lambda: NOW_MS)
    return TEMPLATE


_numbers = itertools.count(1)


@pytest.fixture
async def dsn(server, template):
    """A database of this test's own."""
    name = f"hub_{next(_numbers)}"
    await run(server.dsn(), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.dsn(name)
    await run(server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


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
def settings(dsn, tmp_path):
    return HubSettings(dsn=dsn, data=tmp_path / "hub", ingest_at_once=2)


@pytest.fixture
async def app(settings, watch):
    app = create_app(settings, clock=watch)
    async with app.lifespan():
        yield app


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub.test") as client:
        yield client


@pytest.fixture
async def district(client, settings):
    """A claimed hub whose administrator is signed in."""
    district = District(client, settings)
    await district.claim()
    await district.sign_in()
    return district


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


async def run(dsn, sql):
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
