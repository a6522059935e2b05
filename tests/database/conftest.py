"""A small school on a real file: two tables, a trigger, a deferred key."""

import pytest

from appliance.database.migrate import migrate
from appliance.database.readers import Readers
from appliance.database.writer import Writer

SCHEMA = """
CREATE TABLE person (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    display_name TEXT NOT NULL,
    is_active INTEGER NOT NULL,
    class_id BLOB
) STRICT;
CREATE TABLE note (
    person_id BLOB NOT NULL REFERENCES person (id) DEFERRABLE INITIALLY DEFERRED,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE seen (n INTEGER NOT NULL) STRICT;
CREATE TRIGGER person_seen AFTER INSERT ON person
 BEGIN
    INSERT INTO seen (n) VALUES (1);
    UPDATE seen SET n = n + 1 WHERE n < 0;
END;
"""


@pytest.fixture
def migrations(tmp_path):
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_school.sql").write_text(SCHEMA)
    return folder


@pytest.fixture
def path(tmp_path, migrations):
    path = tmp_path / "box" / "school.db"
    migrate(path, migrations, backups=tmp_path / "backups", now_ms=1)
    return path


@pytest.fixture
def writer(path):
    writer = Writer(path)
    writer.start()
    yield writer
    writer.stop()


@pytest.fixture
def readers(path):
    readers = Readers(path)
    yield readers
    readers.close()


@pytest.fixture
def anyio_backend():
    return "asyncio"
