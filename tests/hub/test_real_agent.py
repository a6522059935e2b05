"""The real agent and the real hub: a whole school there, back again, and through accidents."""

from uuid import UUID

import pytest

from sync.agent.line import QUIET_S
from sync.agent.status import status
from sync.agent.store import identity
from tests.cast import new_id
from tests.hub.real_box import NAME_OF, RENAME

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

ADD_FACT = (
    "INSERT INTO progress_fact (id, enrolment_id, section_id, person_id, percent, at_ms,"
    " clock_quality) VALUES (?1, ?2, ?3, ?4, ?5, 0, 1)"
)
PROGRESS = "SELECT enrolment_id, section_id, percent FROM section_progress"


async def test_a_school_arrives_whole(box):
    assert status(box.db).waiting == 0
    assert status(box.db).contact.put_aside == 0
    assert await box.hub_digests() == box.digests()
    assert box.digests()["person"][0] > 0


async def test_a_second_conversation_changes_nothing(box):
    before = box.digests()
    await box.agent.one_try()
    assert await box.hub_digests() == before == box.digests()


async def test_a_restored_box_gets_its_later_work_back(box):
    backup = box.image()
    box.write(RENAME, box.cast.amina, "Amina Otieno Mwangi")
    await box.agent.one_try()
    box.put_image(backup)
    await box.agent.one_try()
    assert box.db.value(NAME_OF, (box.cast.amina,)) == "Amina Otieno Mwangi"
    assert await box.hub_digests() == box.digests()


async def test_two_different_words_after_a_restore_are_both_kept(box):
    backup = box.image()
    box.write(RENAME, box.cast.amina, "told to the district")
    await box.agent.one_try()
    box.put_image(backup)
    box.write(RENAME, box.cast.amina, "typed after the restore")
    await box.agent.one_try()
    assert await box.hub_digests() == box.digests()
    assert status(box.db).contact.in_conflict >= 1


async def test_a_cloned_card_and_its_model_end_with_the_same_school(box, new_box):
    other = new_box("clone")
    (other.settings.keys / "node.key").write_bytes(box.key.encode())
    other.put_image(box.image())
    box.write(RENAME, box.cast.amina, "on the first board")
    other.write(RENAME, box.cast.jose, "on the second board")
    for each in (box, other, box, other):
        assert await each.agent.one_try() == QUIET_S, status(each.db)
    assert box.digests() == other.digests() == await box.hub_digests()


async def test_a_new_board_takes_the_school_over(box, new_box, district):
    me = identity(box.db)
    token = await district.token(mode="replace", school_id=str(me.school_id))
    board = new_box("replacement")
    board.wish(token)
    assert await board.agent.one_try() == QUIET_S, status(board.db)
    assert board.digests() == box.digests() == await board.hub_digests()
    assert identity(board.db).school_id == me.school_id
    assert identity(board.db).node_id != me.node_id
    board.write(RENAME, box.cast.amina, "Amina on the new board")
    await board.agent.one_try()
    assert await board.hub_digests() == board.digests()


async def test_a_wrong_token_is_a_plain_sentence(new_box):
    board = new_box("board")
    board.wish("no-such-token")
    await board.agent.one_try()
    assert "token" in status(board.db).contact.error


async def test_the_hub_restored_from_a_backup_gets_everything_again(box, as_role, dsn):
    """What the box sent after the backup is gone there; the box's receipt says so."""
    box.write(RENAME, box.cast.amina, "after the backup")
    await box.agent.one_try()
    epoch = identity(box.db).epoch
    connection = await as_role("postgres")
    await forget_last_segment(connection, identity(box.db).school_id)
    await box.agent.one_try()
    assert identity(box.db).epoch != epoch
    assert await box.hub_digests() == box.digests()


async def test_both_sides_compute_the_same_progress_from_the_same_facts(box, as_role):
    """In whatever order facts were made, sealed and merged, also again after a restore."""
    backup = box.image()
    for percents in ((40, 100, 60), (10,), (75, 75)):
        enrolment, section = new_id(), new_id()
        for percent in percents:
            fact = (new_id(), enrolment, section, box.cast.amina, percent)
            box.write(ADD_FACT, *fact)
        await box.agent.one_try()
    expected = sorted(box.db.tuples(PROGRESS))
    assert sorted(percent for *_, percent in expected)[-3:] == [10, 75, 100]
    box.put_image(backup)
    await box.agent.one_try()
    assert sorted(box.db.tuples(PROGRESS)) == expected
    connection = await as_role("postgres")
    there = await connection.fetch(PROGRESS)
    assert sorted((e.bytes, s.bytes, percent) for e, s, percent in there) == expected


async def forget_last_segment(connection, school_id: UUID):
    """Take the hub back by one segment, as a restore of yesterday's backup would."""
    last = await connection.fetchrow(
        "DELETE FROM sync_inbox AS i WHERE i.school_id = $1 AND i.log_no ="
        " (SELECT max(j.log_no) FROM sync_inbox AS j WHERE j.school_id = $1)"
        " RETURNING i.node_id, i.epoch, i.lane, i.n",
        school_id,
    )
    before = await connection.fetchrow(
        "SELECT hash, log_no, log_hash FROM sync_inbox WHERE school_id = $1"
        " ORDER BY log_no DESC LIMIT 1",
        school_id,
    )
    await connection.execute(
        "UPDATE sync_stream SET received_n = $3, applied_n = $3, received_hash = $4"
        " WHERE school_id = $1 AND epoch = $2",
        school_id,
        last["epoch"],
        last["n"] - 1,
        before["hash"],
    )
    await connection.execute(
        "UPDATE school_sync SET log_no = $2, log_hash = $3 WHERE school_id = $1",
        school_id,
        before["log_no"],
        before["log_hash"],
    )
    await connection.execute("DELETE FROM person WHERE school_id = $1 AND version > 1", school_id)


HAND_IN = """
INSERT INTO submission (id, assessment_id, person_id, attempt_no, state, submitted_at_ms, late_ms,
                        clock_quality, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, 'submitted', 0, 0, 1, 1, 0)
"""
ADD_REVISION = """
INSERT INTO submission_revision (id, submission_id, person_id, rev, body, content_hash, saved_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, zeroblob(32), 0)
"""
CUSTODY = "SELECT custody_level FROM receipt WHERE revision_id = ?1"


async def test_a_hand_in_the_hub_puts_aside_is_never_called_at_the_district(box):
    sound, strange, submission = new_id(), new_id(), new_id()
    box.write(HAND_IN, submission, box.cast.village, box.cast.amina)
    box.write(ADD_REVISION, sound, submission, box.cast.amina, 1, "My village.")
    # Our own border refuses a NUL; whatever else the hub will not take looks the same.
    box.write(ADD_REVISION, strange, submission, box.cast.amina, 2, "My\0village.")
    await box.agent.one_try()
    assert box.db.value(CUSTODY, (sound,)) == "district"
    assert box.db.value(CUSTODY, (strange,)) == "box"
    assert status(box.db).contact.put_aside == 1
