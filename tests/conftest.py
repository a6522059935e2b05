"""A migrated database with a school in it, made once a session and copied for each test.

Also real PostgreSQL servers, both releases the hub promises to run on, started once a session.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

import asyncpg
import pytest

from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from demo.postgres import postgres, wheel_bin_dir
from sync.hub.migrate import migrate as migrate_hub
from tests.box import running_box, sign_in
from tests.box_schema import read_schema
from tests.cast import NOW_MS, a_school, new_id

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
WITHOUT_15 = pytest.mark.skipif(
    not (DEBIAN_15 / "postgres").exists(), reason="no PostgreSQL 15: apt-get install postgresql-15"
)
SERVERS = [
    pytest.param(wheel_bin_dir(), id="postgres18"),
    pytest.param(DEBIAN_15, id="postgres15", marks=WITHOUT_15),
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put browser tests last: Playwright keeps an event loop running on this thread from its
    first test to the end of the session, and then nobody else can start one."""
    items.sort(key=lambda item: "browser" in item.path.parts)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session", params=SERVERS)
def postgres_server(request):
    """Run one server a session and release, below /tmp because as root it belongs to nobody."""
    with tempfile.TemporaryDirectory(prefix="darasa-tests-") as place:
        Path(place).chmod(0o755)
        with postgres(Path(place) / "data", bin_dir=request.param, fsync=False) as server:
            yield server


@pytest.fixture(scope="session")
def hub_template(postgres_server):
    """Migrate one database a server; tests get copies of it."""
    run_sql(postgres_server.dsn(), "CREATE DATABASE hub_template")
    asyncio.run(migrate_hub(postgres_server.dsn("hub_template"), lambda: NOW_MS))
    return "hub_template"


@pytest.fixture
def hub_database(postgres_server, hub_template):
    """Return the name of this test's own migrated database on `postgres_server`."""
    name = f"hub_{new_id().hex}"
    run_sql(postgres_server.dsn(), f"CREATE DATABASE {name} TEMPLATE {hub_template}")
    yield name
    run_sql(postgres_server.dsn(), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def hub_dsn(postgres_server, hub_database):
    """Return how the hub's owner reaches this test's database; migrations run as it."""
    return postgres_server.dsn(hub_database)


def run_sql(dsn, sql):
    async def run():
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture(scope="session")
def school_on_file(tmp_path_factory):
    """Return the closed file and the ids of the people in it."""
    folder = tmp_path_factory.mktemp("school")
    path = folder / "school.db"
    migrate(path, EDGE_MIGRATIONS, backups=folder / "backups", now_ms=NOW_MS)
    writer = Writer(path)
    writer.start()
    school = writer.write_blocking(a_school)
    writer.stop()
    return path, school


@pytest.fixture
def school(school_on_file):
    return school_on_file[1]


@pytest.fixture
def database(school_on_file, tmp_path):
    """Return this test's own copy of the file."""
    copy = tmp_path / "school.db"
    shutil.copy(school_on_file[0], copy)
    return copy


@pytest.fixture
def writer(database):
    writer = Writer(database)
    writer.start()
    yield writer
    writer.stop()


@pytest.fixture
def write(writer):
    """Run a command through the real writer and wait for its commit."""
    return writer.write_blocking


@pytest.fixture
def readers(database, writer):
    readers = Readers(database)
    yield readers
    readers.close()


@pytest.fixture
def db(readers):
    return readers.here


@pytest.fixture
def box(database):
    """Return a client of the real app over a copy of the school."""
    with running_box(database) as client:
        yield client


@pytest.fixture
def as_(box, school):
    """Return the client signed in as one of the cast, or as nobody."""

    def as_(name):
        return sign_in(box, getattr(school, name) if name else None)

    return as_


@pytest.fixture(scope="session")
def box_schema(school_on_file):
    """Return what the box's migrations made."""
    return read_schema(school_on_file[0])
