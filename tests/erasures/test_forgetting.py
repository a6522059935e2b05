"""A person is forgotten on the box: rows, log, sign-in, and the bytes in the file."""

import shutil
import time
from contextlib import closing
from pathlib import Path
from uuid import UUID

import apsw
import pytest

from appliance.__main__ import _tidy_up
from appliance.database.agent import AgentDatabase
from appliance.database.connection import open_connection
from appliance.database.integrity import foreign_key_check
from appliance.erasures.commands import FIND, ROWS_AT_ONCE, forget_some
from appliance.erasures.listing import add_to_list, forget, forget_listed, read_list
from appliance.settings import Settings
from sync.protocol import encode
from sync.registry import TABLE_NUMBERED, TABLES
from tests.cast import NOW_MS, new_id

FILES = Path("no-files-here")
WORDS = "In my village the well is dry, wrote Amina Otieno."
ROWS_OF = "SELECT count(*) FROM {table} WHERE {column} = ?1"
PERSONAL = """
SELECT m.name AS table_name, c.name AS column_name
  FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
 WHERE m.type = 'table' AND c.name = 'person_id'
"""


@pytest.fixture
def db(database):
    with closing(AgentDatabase(database)) as db:
        yield db


@pytest.fixture
def work(db, school):
    """Everything a pupil leaves behind, and a mark another pupil got."""
    with db.changing() as tx:
        for pupil in (school.amina, school.jose):
            hand_in(tx, school, pupil)
        tx.run("INSERT INTO session VALUES (zeroblob(32), ?1, 0, 9999999999999)", (school.amina,))
        tx.run(
            "INSERT INTO credential (person_id, kind, secret_hash) VALUES (?1, 'pin', x'01')",
            (school.amina,),
        )
        tx.run(
            "INSERT INTO submission_draft VALUES (?1, ?2, ?3, 1, ?4, 0)",
            (new_id(), school.village, school.amina, WORDS),
        )
        image = {"id": new_id().bytes, "person_id": school.amina.bytes, "body": WORDS}
        keep = (
            "INSERT INTO sync_conflict (tbl, pk, row_hash, image, src_epoch, kept_at_ms)"
            " VALUES (16, ?1, zeroblob(32), ?2, zeroblob(16), 0)"
        )
        tx.run(keep, (new_id(), encode(image)))
        other = image | {"person_id": school.jose.bytes, "by_person_id": school.amina.bytes}
        tx.run(keep, (new_id(), encode(other)))
        tx.run(
            "INSERT INTO sync_parked VALUES (zeroblob(16), 'mood', ?1, ?2, 0)",
            (new_id(), encode(image)),
        )
        tx.run("INSERT INTO sync_custody VALUES (2, ?1, 1, 0, zeroblob(16), 1)", (school.amina,))


def hand_in(tx, school, pupil):
    submission, revision = new_id(), new_id()
    tx.run(
        "INSERT INTO submission (id, assessment_id, person_id, attempt_no, state,"
        " submitted_at_ms, late_ms, clock_quality, version, updated_at_ms)"
        " VALUES (?1, ?2, ?3, 1, 'graded', 0, 0, 1, 1, 0)",
        (submission, school.village, pupil),
    )
    tx.run(
        "INSERT INTO submission_revision VALUES (?1, ?2, ?3, 1, ?4, zeroblob(32), 0)",
        (revision, submission, pupil, f"{WORDS} {pupil}"),
    )
    tx.run(
        "INSERT INTO grade VALUES (?1, ?2, ?3, 1, 5000, ?4, 'released', ?5, 0)",
        (new_id(), submission, pupil, "Well written.", school.mr_otieno),
    )
    tx.run(
        "INSERT INTO attachment VALUES (?1, ?2, ?3, 'well.jpg', 'image/jpeg', 9, zeroblob(32), 0)",
        (new_id(), revision, pupil),
    )


def count(db, table, column, person):
    return db.value(ROWS_OF.format(table=table, column=column), (person,))


def traces(db, person):
    """Every table that still says something about somebody."""
    columns = {(t, c) for t, c in db.tuples(PERSONAL)} | {("person", "id")}
    return {table for table, column in columns if count(db, table, column, person)}


def test_every_table_about_people_is_reached():
    """In the order of the foreign keys: the registry has parents before children."""
    named = [table.number for table in reversed(TABLES) if table.subject == "person_id"]
    assert list(FIND) == named
    assert [table.name for table in TABLES if table.subject == "id"] == ["person"]
    for number, sql in FIND.items():
        assert f"FROM {TABLE_NUMBERED[number].name} " in sql


def test_nothing_of_a_pupil_is_left_and_everything_of_the_others(db, school, work):
    before = {t: db.value(f"SELECT count(*) FROM {t}") for t in ("grade", "submission", "person")}
    assert {"submission_draft", "credential", "session", "attachment"} <= traces(db, school.amina)
    assert forget(db, school.amina, files=FILES, now_ms=NOW_MS) > 5
    assert traces(db, school.amina) == set()
    assert {"grade", "attachment", "submission_revision"} <= traces(db, school.jose)
    after = {name: db.value(f"SELECT count(*) FROM {name}") for name in before}
    assert after == {name: number - 1 for name, number in before.items()}
    assert not foreign_key_check(db)


def test_the_log_forgets_too_but_keeps_what_is_about_others(db, school, work):
    forget(db, school.amina, files=FILES, now_ms=NOW_MS)
    assert db.value("SELECT count(*) FROM sync_conflict") == 1
    assert db.value("SELECT count(*) FROM sync_parked") == 0
    assert db.value("SELECT count(*) FROM sync_custody") == 0
    for number, pk in db.tuples("SELECT tbl, pk FROM sync_dirty"):
        name = TABLE_NUMBERED[number].name
        assert db.value(f"SELECT count(*) FROM {name} WHERE id = ?1", (pk,)) == 1, name


def test_a_teacher_s_marks_stay_with_the_pupils_and_name_nobody(db, school, work):
    forget(db, school.mr_otieno, files=FILES, now_ms=NOW_MS)
    assert db.value("SELECT count(*) FROM grade WHERE by_person_id = ?1", (school.mr_otieno,)) == 2
    sql = "SELECT display_name, state FROM person WHERE id = ?1"
    assert db.tuples(sql, (school.mr_otieno,)) == [("-", "erased")]
    assert traces(db, school.mr_otieno) == {"person"}
    assert not foreign_key_check(db)
    assert forget(db, school.mr_otieno, files=FILES, now_ms=NOW_MS) == 0


def test_the_bytes_are_gone_from_the_file_and_the_log(database, db, school, work):
    with closing(open_connection(database, role="writer")) as box:
        for words in ("Amina Otieno Mwangi", "Amina Otieno", "Amina Otieno-Long-Name" * 9):
            box.execute(
                "UPDATE person SET display_name = ?, version = version + 1 WHERE id = ?",
                (words, school.amina),
            ).fetchall()
    own = WORDS + f" {school.amina}"
    assert any(own.encode() in content for content in files(database))
    forget(db, school.amina, files=FILES, now_ms=NOW_MS)
    assert db.scrub()
    kept = b"".join(files(database))
    assert own.encode() not in kept
    assert b"Amina Otieno Mwangi" not in kept
    assert b"Amina Otieno-Long" not in kept
    assert school.amina.bytes not in kept.replace(
        encode({"by_person_id": school.amina.bytes})[1:], b""
    )  # in the other pupil's image she is the one who gave a mark


def files(database):
    return [path.read_bytes() for path in database.parent.glob("school.db*")]


def test_a_reader_in_the_log_puts_the_scrubbing_off(database, db, school, work):
    with closing(AgentDatabase(database)) as reader, reader.snapshot():
        reader.value("SELECT count(*) FROM person")
        forget(db, school.amina, files=FILES, now_ms=NOW_MS)
        assert not db.scrub()
    assert db.scrub()


def test_a_long_life_is_forgotten_a_few_rows_at_a_time(db, school):
    with db.changing() as tx:
        for _ in range(120):
            hand_in(tx, school, school.amina)
    took_ms, steps = [], 0
    with db.overwriting():
        while True:
            with db.changing() as tx:
                began = time.thread_time()
                removed = forget_some(tx, school.amina, files=FILES, now_ms=NOW_MS)
                took_ms.append((time.thread_time() - began) * 1_000)
            assert removed <= ROWS_AT_ONCE
            if not removed:
                break
            steps += 1
    assert steps >= 4 * 120 // ROWS_AT_ONCE
    assert sorted(took_ms)[len(took_ms) // 2] < 10


def test_cut_off_anywhere_it_is_finished_later(database, school, work, db):
    step = 0
    while True:
        with db.changing() as tx:
            if not forget_some(tx, school.amina, files=FILES, now_ms=NOW_MS):
                break
        step += 1
        copy = database.with_name(f"cut-{step}.db")
        with (
            closing(apsw.Connection(str(copy))) as target,
            closing(apsw.Connection(str(database))) as source,
            target.backup("main", source, "main") as backup,
        ):
            backup.step()
        with closing(AgentDatabase(copy)) as again:
            assert count(again, "person", "id", school.amina) == 1 or not traces(
                again, school.amina
            )
            forget(again, school.amina, files=FILES, now_ms=NOW_MS)
            assert traces(again, school.amina) == set()
    assert step > 5


# The list beside the database.


def test_the_list_only_grows_and_survives_a_torn_line(tmp_path):
    listed, people = tmp_path / "erased-people", [new_id() for _ in range(3)]
    assert read_list(listed) == set()
    add_to_list(listed, people[0])
    with listed.open("ab") as file:
        file.write(people[1].hex.encode()[:20])  # the power went
    add_to_list(listed, people[2])
    add_to_list(listed, people[2])
    assert read_list(listed) == {people[0], people[2]}
    assert listed.read_bytes().count(people[2].hex.encode()) == 1


@pytest.mark.parametrize("noise", [b"\xff\xfe" * 40, b"g" * 32, b"\0" * 32, b"A" * 32])
def test_noise_in_the_list_names_nobody(tmp_path, noise):
    listed = tmp_path / "erased-people"
    listed.write_bytes(noise + b"\n" + UUID(int=7).hex.encode() + b"\n")
    assert read_list(listed) == {UUID(int=7)}


def test_whom_a_backup_brings_back_is_forgotten_again(database, school, work, db, tmp_path):
    db.close()
    backup = tmp_path / "backup.db"
    shutil.copy(database, backup)
    listed = tmp_path / "erased-people"
    add_to_list(listed, school.amina)
    assert forget_listed(database, listed, files=FILES, now_ms=NOW_MS) == 1
    assert forget_listed(database, listed, files=FILES, now_ms=NOW_MS) == 0
    shutil.copy(backup, database)
    assert forget_listed(database, listed, files=FILES, now_ms=NOW_MS) == 1
    with closing(AgentDatabase(database)) as again:
        assert traces(again, school.amina) == set()
        assert traces(again, school.jose)


def test_the_box_forgets_before_it_serves(database, school, work, db):
    db.close()
    settings = Settings(data_dir=database.parent)
    add_to_list(settings.erased_people, school.amina)
    _tidy_up(settings)
    with closing(AgentDatabase(database)) as again:
        assert traces(again, school.amina) == set()
