"""A migrated box, a hub in memory, and the real agent between them."""

import httpx
import pytest

from appliance.database.agent import AgentDatabase
from appliance.database.connection import open_connection
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.settings import Settings
from sync.agent.agent import Agent, Seams
from sync.agent.keys import make_node_key
from tests.sync.web import NOW_MS, Web


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("migrated")
    migrate(folder / "school.db", EDGE_MIGRATIONS, backups=folder, now_ms=NOW_MS)
    return (folder / "school.db").read_bytes()


@pytest.fixture
def web(tmp_path):
    return Web(tmp_path / "hub")


@pytest.fixture
def settings(tmp_path, migrated):
    settings = Settings(data_dir=tmp_path)
    settings.database.write_bytes(migrated)
    make_node_key(settings.keys)
    return settings


@pytest.fixture
def box(settings):
    connection = open_connection(settings.database, role="writer")
    yield connection
    connection.close()


@pytest.fixture
def agent(settings, web, box):
    seams = Seams(lambda: NOW_MS, httpx.MockTransport(web), "test board", "0.1.0")
    agent = Agent(settings, seams, schema_version=2)
    yield agent
    agent.close()


@pytest.fixture
def db(settings, box):
    db = AgentDatabase(settings.database)
    yield db
    db.close()
