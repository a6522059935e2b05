"""When a box may say that somebody is forgotten: never before the last trace is gone."""

from contextlib import closing

import pytest

from appliance.database.agent import AgentDatabase
from appliance.erasures.listing import read_list
from sync.agent.erasing import ANSWER, answer_id, erase_people
from sync.agent.store import identity, open_streams
from tests.cast import NOW_MS, new_id

ENROL = "UPDATE sync_identity SET hub_id = ?1, incarnation = ?2, applying = 0"
LIST = (
    "INSERT INTO erasure (id, org_id, at_ms, version, owner_node_id, updated_at_ms)"
    " VALUES (?1, ?2, 0, 1, ?3, 0)"
)
SEAL = "INSERT INTO sync_segment (lane, epoch, n, payload) VALUES (?1, ?2, ?3, zeroblob(1000))"
STAND = "UPDATE sync_stream SET cur_n = ?2, received_n = ?3, applied_n = ?3 WHERE lane = ?1"
ANSWERS = "SELECT erasure_id, rows_erased FROM erasure_answer"
KEPT = "SELECT lane, n FROM sync_segment ORDER BY lane, n"


@pytest.fixture
def db(database, school):
    """An enrolled box whose list names Amina."""
    with closing(AgentDatabase(database)) as db:
        with db.changing() as tx:
            tx.run(ENROL, (new_id(), new_id()))
            me = identity(tx)
            open_streams(tx, me)
            tx.run("UPDATE sync_identity SET applying = 1")
            tx.run(LIST, (school.amina, school.school_id, me.hub_id))
            tx.run("UPDATE sync_identity SET applying = 0")
        yield db


@pytest.fixture
def listed(tmp_path):
    return tmp_path / "erased-people"


def files_of(listed):
    return listed.parent / "blobs"


def run(db, listed):
    return sum(erase_people(db, identity(db), listed, files=files_of(listed), now_ms=NOW_MS))


def stand(db, lane, cur_n, applied_n):
    with db.changing() as tx:
        for n in range(1, cur_n + 1):
            tx.run(SEAL, (lane, identity(db).epoch, n))
        tx.run(STAND, (lane, cur_n, applied_n))


def test_a_person_is_forgotten_answered_for_and_not_looked_for_again(db, listed, school):
    removed = run(db, listed)
    assert db.tuples(ANSWERS) == [(school.amina.bytes, removed)]
    assert removed > 2
    assert read_list(listed) == {school.amina}
    assert run(db, listed) == 0
    assert len(db.tuples(ANSWERS)) == 1


def test_an_answer_that_another_copy_of_the_card_gave_is_not_taken_for_ones_own(db, listed, school):
    """It comes down before the list does, under the lineage that this board goes on with."""
    me = identity(db)
    with db.changing() as tx:
        tx.run("UPDATE sync_identity SET applying = 1")
        tx.run(ANSWER, (answer_id(me, school.amina), school.amina, me.node_id, 3, NOW_MS))
        tx.run("UPDATE sync_identity SET applying = 0")
    assert run(db, listed) > 0
    assert db.value("SELECT count(*) FROM person WHERE id = ?1", (school.amina,)) == 0
    assert run(db, listed) == 0


def test_what_is_sealed_and_not_yet_there_is_waited_for(db, listed, school):
    stand(db, 0, 5, 3)
    run(db, listed)
    assert db.tuples(KEPT) == [(0, 4), (0, 5)]
    assert db.value("SELECT trimmed_n FROM sync_stream WHERE lane = 0") == 3
    assert db.tuples(ANSWERS) == []
    assert db.value("SELECT count(*) FROM person WHERE id = ?1", (school.amina,)) == 0
    with db.changing() as tx:
        tx.run(STAND, (0, 5, 5))
    run(db, listed)
    assert len(db.tuples(ANSWERS)) == 1
    assert db.tuples(KEPT) == []


def test_telemetry_on_its_way_holds_nothing_up(db, listed):
    stand(db, 1, 2, 0)
    run(db, listed)
    assert len(db.tuples(ANSWERS)) == 1
    assert db.tuples(KEPT) == [(1, 1), (1, 2)]


def test_payloads_of_an_epoch_that_was_left_go_once_its_rows_are_marked(db, listed):
    with db.changing() as tx:
        tx.run(SEAL, (0, new_id(), 9))
        tx.run("UPDATE sync_identity SET remark_tbl = 1, remark_pk = x''")
    run(db, listed)
    assert db.tuples(KEPT) == [(0, 9)]
    assert db.tuples(ANSWERS) == []
    with db.changing() as tx:
        tx.run("UPDATE sync_identity SET remark_tbl = NULL, remark_pk = NULL")
    run(db, listed)
    assert db.tuples(KEPT) == []
    assert len(db.tuples(ANSWERS)) == 1


def test_while_somebody_reads_an_older_state_nothing_is_said(database, db, listed):
    with closing(AgentDatabase(database)) as reader, reader.snapshot():
        reader.value("SELECT count(*) FROM person")
        run(db, listed)
        assert db.tuples(ANSWERS) == []
    run(db, listed)
    assert len(db.tuples(ANSWERS)) == 1


def test_cut_off_at_any_step_it_goes_on_and_answers_once(db, listed, school):
    for steps in range(1, 4):
        running = erase_people(db, identity(db), listed, files=files_of(listed), now_ms=NOW_MS)
        for _ in range(steps):
            next(running, None)
        running.close()
        assert db.value("SELECT applying FROM sync_identity") == 0
    run(db, listed)
    assert [row[0] for row in db.tuples(ANSWERS)] == [school.amina.bytes]
