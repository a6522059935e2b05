from contextlib import closing
from uuid import UUID

import pytest
from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction

AMINA = UUID("0198c0de-0000-7000-8000-000000000001")
NOUR = UUID("0198c0de-0000-7000-8000-000000000002")
CLASS_7B = UUID("0198c0de-0000-7000-8000-00000000007b")

ADD = "INSERT INTO person (id, display_name, is_active, class_id) VALUES (?1, ?2, ?3, ?4)"
PEOPLE = "SELECT id, display_name, is_active, class_id FROM person ORDER BY id"


class Person(Struct):
    id: UUID
    display_name: str
    is_active: bool
    class_id: UUID | None


class Named(Struct):
    display_name: str


@pytest.fixture
def reader(path):
    with closing(open_connection(path, role="writer")) as connection:
        tx = Transaction(connection)
        people = [(AMINA, "Amina Otieno", True, CLASS_7B), (NOUR, "نور الهدى", False, None)]
        assert tx.run_many(ADD, people) == 2
        yield Reader(connection)


def test_rows_become_structs_with_their_own_types(reader):
    assert reader.rows(Person, PEOPLE) == [
        Person(AMINA, "Amina Otieno", is_active=True, class_id=CLASS_7B),
        Person(NOUR, "نور الهدى", is_active=False, class_id=None),
    ]
    assert reader.rows(Person, PEOPLE)[1].is_active is False


def test_a_shape_without_ids_is_filled_as_it_comes(reader):
    names = reader.rows(Named, "SELECT display_name FROM person ORDER BY id")
    assert names == [Named("Amina Otieno"), Named("نور الهدى")]


@pytest.mark.parametrize(("person", "found"), [(AMINA, "Amina Otieno"), (CLASS_7B, None)])
def test_one_row_or_none(reader, person, found):
    row = reader.row(Named, "SELECT display_name FROM person WHERE id = ?1", (person,))
    assert row == (found and Named(found))
    assert reader.value("SELECT display_name FROM person WHERE id = ?1", (person,)) == found


def test_no_rows_are_an_empty_list(reader):
    assert reader.rows(Person, PEOPLE.replace("ORDER", "WHERE is_active > 1 ORDER")) == []


def test_columns_must_be_the_fields_in_their_order(reader):
    with pytest.raises(AssertionError, match="Named has"):
        reader.rows(Named, "SELECT id FROM person")


def test_an_unread_rest_does_not_pin_the_snapshot(reader, path):
    assert reader.row(Person, PEOPLE) is not None
    assert reader.value(PEOPLE) == AMINA.bytes
    with closing(open_connection(path, role="writer")) as other:
        frames, copied = other.wal_checkpoint(mode=3)  # TRUNCATE needs everybody out of the WAL
    assert (frames, copied) == (0, 0)


def test_run_counts_changed_rows(reader):
    tx = Transaction(reader._connection)
    assert tx.run("UPDATE person SET is_active = 1") == 2
    assert tx.run("UPDATE person SET is_active = 1 WHERE id = ?1", (CLASS_7B,)) == 0
    rename = "UPDATE person SET display_name = ?2 WHERE id = ?1 RETURNING display_name"
    assert tx.row(Named, rename, (AMINA, "Amina A. Otieno")) == Named("Amina A. Otieno")
