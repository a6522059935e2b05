from contextlib import closing
from uuid import UUID

import apsw
import pytest

from appliance.database.connection import APPLICATION_ID, open_connection
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction

AMINA = UUID("0198c0de-0000-7000-8000-000000000001")


@pytest.mark.parametrize("role", ["writer", "reader", "report", "agent"])
def test_every_role_is_durable_and_checks_its_keys(path, role):
    with closing(open_connection(path, role=role)) as connection:
        found = {
            name: connection.pragma(name)
            for name in ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
        }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "wal_autocheckpoint": 0,
        }


def test_a_new_file_is_laid_out_before_its_first_table(tmp_path):
    with closing(open_connection(tmp_path / "new.db", role="writer")) as connection:
        connection.execute("CREATE TABLE person (id BLOB)")
        assert connection.pragma("auto_vacuum") == 2
        assert connection.pragma("page_size") == 4096
        assert connection.pragma("application_id") == APPLICATION_ID


@pytest.mark.parametrize("role", ["reader", "report", "agent"])
def test_only_a_writer_creates_the_file(tmp_path, role):
    with pytest.raises(apsw.CantOpenError):
        open_connection(tmp_path / "nothing.db", role=role)
    assert not (tmp_path / "nothing.db").exists()


@pytest.mark.parametrize("role", ["reader", "report"])
def test_a_reading_connection_cannot_write(path, role):
    with (
        closing(open_connection(path, role=role)) as connection,
        pytest.raises(apsw.ReadOnlyError),
    ):
        connection.execute("INSERT INTO seen (n) VALUES (1)")


def test_a_file_of_another_program_is_not_opened(tmp_path):
    with closing(apsw.Connection(str(tmp_path / "other.db"))) as other:
        other.execute("CREATE TABLE holiday (photo BLOB)")
    with pytest.raises(AssertionError, match=r"auto_vacuum|application_id"):
        open_connection(tmp_path / "other.db", role="writer")


def test_ids_are_sixteen_bytes_and_other_objects_are_our_bug(path):
    with closing(open_connection(path, role="writer")) as connection:
        tx = Transaction(connection)
        tx.run("INSERT INTO person VALUES (?1, ?2, ?3, NULL)", (AMINA, "Amina Otieno", True))
        assert Reader(connection).value("SELECT id FROM person") == AMINA.bytes
        with pytest.raises(AssertionError, match="cannot store a dict"):
            tx.run("INSERT INTO seen (n) VALUES (?1)", ({},))
