"""Whatever page is gone costs the rows on it and no others, and what is missing is named."""

import shutil
from contextlib import closing
from random import Random

import pytest

from appliance.database.agent import AgentDatabase
from appliance.database.backup import back_up
from appliance.database.connection import open_connection
from appliance.database.faults import SalvageFailed
from appliance.database.integrity import full_check
from appliance.database.migrate import EDGE_MIGRATIONS
from appliance.database.pages import Pages, Unreadable, record, varint
from appliance.database.salvage import salvage
from tests.cast import new_id
from tests.drills.small_school import make_small_school

PAGE = 4_096
PEOPLE = "SELECT id, display_name FROM person ORDER BY id"
ADD_PERSON = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'ar', 'active', 1, 0)
"""
CLASSES = (
    "INSERT INTO class_group (id, org_id, name, version, updated_at_ms) VALUES (?, ?, ?, 1, 0)"
)
LONG = "INSERT INTO sync_segment (lane, epoch, n, payload) VALUES (0, x'01', 1, ?1)"
LONG_BACK = "SELECT payload FROM sync_segment"
TRIGGERS = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"
PAGES_OF = "SELECT pageno FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno"
NAMES = ("Amina Otieno", "José Álvarez-Núñez", "نور الهدى", "Nguyễn Thị Ánh")


@pytest.fixture(scope="module")
def school_file(tmp_path_factory):
    """A few hundred people, so that a table has many pages, and one row as long as eight."""
    path = tmp_path_factory.mktemp("salvage") / "school.db"
    school = make_small_school(path, pupils=3)
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for number in range(400):
            name = NAMES[number % 4]
            connection.execute(ADD_PERSON, (new_id().bytes, school.school_id.bytes, name))
        connection.execute(LONG, (Random(9).randbytes(30_000),))
        connection.execute("COMMIT")
    return path


@pytest.fixture
def path(school_file, tmp_path):
    return shutil.copy(school_file, tmp_path / "school.db")


def mend(path, backup=None):
    fresh = path.with_name("fresh.db")
    return fresh, salvage(path, fresh, backup=backup, migrations=EDGE_MIGRATIONS, now_ms=5)


def answers(path, sql, *args):
    with closing(AgentDatabase(path)) as db:
        return db.tuples(sql, args)


def leaves(path, table):
    return [page for (page,) in answers(path, PAGES_OF, table)]


def wreck(path, number, content=bytes(PAGE)):
    with path.open("r+b") as file:
        file.seek((number - 1) * PAGE)
        file.write(content)


@pytest.mark.parametrize("gone", [None, "header", "schema", "map", "root"])
def test_no_row_is_lost_while_every_row_is_readable(path, gone):
    """Not even without the pages that say where the rows are."""
    (root,) = answers(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'person'")[0]
    noise = Random(1).randbytes(PAGE)
    match gone:
        case "header":
            wreck(path, 1, bytes(100))
        case "schema":
            wreck(path, 1, noise)
        case "map":
            wreck(path, 2, noise)
        case "root":
            wreck(path, root, bytes(PAGE))
    fresh, saved = mend(path)
    assert answers(fresh, LONG_BACK) == [(Random(9).randbytes(30_000),)]
    missing = sum(len(loss.missing) for loss in saved.losses)
    # The inner page of a table without row numbers holds rows, too: those are named.
    assert len(answers(fresh, PEOPLE)) + missing == 404 - 1
    assert missing == 0 if gone != "root" else missing < 20
    assert full_check(fresh).problems == []


def test_what_a_page_held_is_named_by_its_keys(path):
    before = {pk for pk, _ in answers(path, PEOPLE)}
    wreck(path, leaves(path, "person")[1], Random(2).randbytes(PAGE))
    fresh, saved = mend(path)
    after = {pk for pk, _ in answers(fresh, PEOPLE)}
    (loss,) = [loss for loss in saved.losses if loss.table == "person"]
    assert set(loss.missing) == {pk.hex() for pk in before - after}
    assert loss.missing
    assert not loss.may_miss_more
    assert not saved.is_whole


def test_what_is_missing_is_taken_from_the_backup(path, tmp_path):
    back_up(path, tmp_path / "copy.db")
    before = answers(path, PEOPLE)
    wreck(path, leaves(path, "person")[1], Random(3).randbytes(PAGE))
    fresh, saved = mend(path, backup=tmp_path / "copy.db")
    assert answers(fresh, PEOPLE) == before
    (loss,) = [loss for loss in saved.losses if loss.table == "person"]
    assert loss.from_backup > 0
    assert loss.may_be_older
    assert saved.is_whole


def test_what_was_deleted_on_purpose_does_not_come_back_from_a_backup(path, tmp_path):
    back_up(path, tmp_path / "copy.db")
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("UPDATE sync_identity SET applying = 1")
        connection.execute("DELETE FROM person WHERE display_name = 'نور الهدى'")
    wreck(path, leaves(path, "section")[0])
    fresh, _ = mend(path, backup=tmp_path / "copy.db")
    assert not [name for _, name in answers(fresh, PEOPLE) if name == "نور الهدى"]


def test_rows_that_are_only_in_the_log_are_saved(path):
    with closing(open_connection(path, role="writer")) as connection:
        school = connection.execute("SELECT school_id FROM sync_identity").get
        connection.execute(CLASSES, (new_id().bytes, school, "Lớp 7"))
        wreck(path, 1, bytes(100))
        fresh, saved = mend(path)
    assert ("Lớp 7",) in answers(fresh, "SELECT name FROM class_group")
    assert saved.losses == []


def test_the_new_file_captures_changes_and_belongs_to_no_lineage(path):
    triggers = answers(path, TRIGGERS)
    fresh, _ = mend(path)
    assert answers(fresh, TRIGGERS) == triggers
    assert answers(fresh, "SELECT count(*) FROM sync_stream") == [(0,)]


@pytest.mark.parametrize("content", [b"", bytes(40_000), Random(4).randbytes(40_000)])
def test_nothing_is_made_of_nothing(path, content):
    path.write_bytes(content)
    with pytest.raises(SalvageFailed):
        mend(path)
    assert path.read_bytes() == content


def test_the_end_of_a_cut_file_is_known_to_be_missing(path):
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    _, saved = mend(path)
    assert not saved.is_whole


@pytest.mark.parametrize(
    "payload",
    [
        b"\x02",
        b"\x03\x01\x01",
        b"\x02\x0a",
        b"\x02\x0b",
        b"\x02\x11\xff\xff",
        b"\x02\x07" + bytes(8),
    ],
)
def test_a_record_that_makes_no_sense_is_unreadable(payload):
    with pytest.raises(Unreadable):
        record(payload)


@pytest.mark.parametrize(
    ("content", "value", "size"),
    [(b"\x00", 0, 1), (b"\x81\x00", 128, 2), (b"\xff" * 9, (1 << 64) - 1, 9)],
)
def test_a_number_is_as_long_as_it_needs(content, value, size):
    assert varint(content, 0) == (value, size)


def test_a_number_that_is_cut_off_is_unreadable():
    with pytest.raises(Unreadable):
        varint(b"\xff", 0)


def test_a_file_that_is_not_there_has_no_pages(tmp_path):
    assert Pages(tmp_path / "nothing.db").count == 0
