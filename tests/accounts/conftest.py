"""A box that nobody has claimed yet."""

import pytest
from litestar.testing import TestClient

from appliance.app import create_app
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.settings import Settings
from tests.cast import NOW_MS


@pytest.fixture
def settings(tmp_path):
    settings = Settings(data_dir=tmp_path / "box")
    settings.data_dir.mkdir()
    migrate(settings.database, EDGE_MIGRATIONS, backups=settings.backups, now_ms=NOW_MS)
    return settings


@pytest.fixture
def start(settings):
    """Start the box; use it as a context."""
    return lambda: TestClient(create_app(settings, clock=lambda: NOW_MS))


@pytest.fixture
def new_box(start):
    with start() as client:
        yield client


@pytest.fixture
def code(settings):
    return lambda: (settings.data_dir / "claim-code").read_text().strip()
