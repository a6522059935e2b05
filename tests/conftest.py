"""A migrated database with a school in it, made once a session and copied for each test."""

import shutil

import pytest

from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from tests.cast import NOW_MS, a_school


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
