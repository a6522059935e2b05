"""The real box and the real hub forget somebody, through every accident that brings people back."""

import httpx
import pytest

from sync.agent.erasing import answer_id
from sync.agent.line import QUIET_S
from sync.agent.status import status
from sync.agent.store import identity
from tests.cast import new_id
from tests.hub.real_box import RENAME
from tests.hub.test_real_agent import ADD_REVISION, HAND_IN

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

WORDS = "The well of my village is dry."
HERE = "SELECT count(*) FROM person WHERE id = ?1"
HAND_INS = "SELECT count(*) FROM submission_revision WHERE person_id = ?1"
THERE = "SELECT count(*) FROM person WHERE id = $1"


async def talk(*boxes):
    for each in boxes:
        await each.agent.one_try()
        assert status(each.db).contact.error is None, status(each.db)


async def hand_in(box, person):
    submission = new_id()
    box.write(HAND_IN, submission, box.cast.village, person)
    box.write(ADD_REVISION, new_id(), submission, person, 1, WORDS)


async def erase(district, box, person, name):
    path = f"/api/v1/schools/{identity(box.db).school_id}/erasures"
    wish = {"person_id": str(person), "name": name, "reason": "A parent asked."}
    answer = await district.client.post(path, json=wish)
    assert answer.status_code == 201, answer.text


async def certificate(district, box, person):
    path = f"/api/v1/schools/{identity(box.db).school_id}/erasures/{person}"
    return (await district.client.get(path)).json()


@pytest.fixture
async def forgotten(box, district):
    """Amina has handed in and been forgotten; the box, as it was before, as an image."""
    await hand_in(box, box.cast.amina)
    await hand_in(box, box.cast.jose)
    await talk(box)
    before = box.image()
    await erase(district, box, box.cast.amina, "Amina Otieno")
    await talk(box)
    return before


def is_here(box):
    return bool(box.db.value(HERE, (box.cast.amina,)) + box.db.value(HAND_INS, (box.cast.amina,)))


async def is_there(as_role, box):
    connection = await as_role("postgres")
    return bool(await connection.fetchval(THERE, box.cast.amina))


async def test_one_conversation_forgets_answers_and_is_certified(box, district, forgotten, as_role):
    assert not is_here(box)
    assert not await is_there(as_role, box)
    told = await certificate(district, box, box.cast.amina)
    assert told["is_done"], told
    assert told["boxes"][0]["rows_erased"] >= 5
    assert box.db.value(HAND_INS, (box.cast.jose,)) == 1
    assert await box.hub_digests() == box.digests()


async def test_nothing_is_left_in_the_box_s_files(box, forgotten):
    content = b"".join(path.read_bytes() for path in box.settings.data_dir.glob("school.db*"))
    assert b"Amina Otieno" not in content
    assert "José Álvarez-Núñez".encode() in content
    sealed = box.db.value(
        "SELECT count(*) FROM sync_segment AS s JOIN sync_chain AS c USING (lane,"
        " epoch, n) WHERE c.rows > 1"
    )
    assert sealed == 0  # compressed, so no search would find a name in them


async def test_a_restored_backup_is_forgotten_again(box, district, forgotten, as_role):
    box.put_image(forgotten)
    assert is_here(box)
    await talk(box)
    assert not is_here(box)
    await talk(box)
    assert not await is_there(as_role, box)
    assert await box.hub_digests() == box.digests()
    assert (await certificate(district, box, box.cast.amina))["is_done"]


async def test_a_cloned_card_brings_nobody_back(box, new_box, forgotten, as_role):
    other = new_box("clone")
    other.cast = box.cast
    (other.settings.keys / "node.key").write_bytes(box.key.encode())
    other.put_image(forgotten)
    other.write(RENAME, box.cast.amina, "Amina on the other board")
    await talk(other, box, other)
    assert not is_here(other)
    assert not is_here(box)
    assert not await is_there(as_role, box)


async def test_a_new_board_never_hears_of_the_person(box, new_box, district, forgotten):
    token = await district.token(mode="replace", school_id=str(identity(box.db).school_id))
    board = new_box("replacement")
    board.cast = box.cast
    board.wish(token)
    assert await board.agent.one_try() == QUIET_S, status(board.db)
    assert not is_here(board)
    await talk(board)
    told = await certificate(district, board, box.cast.amina)
    assert told["is_done"]
    assert {each["state"] for each in told["boxes"]} == {"active", "replaced"}


async def test_a_hub_of_yesterday_gives_nobody_back_to_the_box(box, district, forgotten, as_role):
    """Even one that has lost its list: the box keeps its own."""
    connection = await as_role("postgres")
    await connection.execute("DELETE FROM erasure")
    await connection.execute(
        "INSERT INTO person SELECT school_id, $1, org_id, 'Amina Otieno', given_name, family_name,"
        " grade_level, student_no, source_id, locale, state, version, owner_epoch, owner_node_id,"
        " updated_at_ms, deleted_at_ms, row_hash, $2, change_no + 1000, received_at_ms"
        " FROM person WHERE id = $3",
        box.cast.amina,
        new_id(),
        box.cast.jose,
    )
    await connection.execute("UPDATE school_sync SET change_no = change_no + 1000")
    await connection.execute("UPDATE hub_identity SET incarnation = $1", new_id())
    await talk(box, box)
    assert not is_here(box)
    assert box.db.value("SELECT count(*) FROM erasure") == 1


async def test_a_teacher_s_marks_stay_with_a_row_without_a_name_on_both_sides(box, district):
    mark = (
        "INSERT INTO grade (id, submission_id, person_id, seq, points_mp, comment, state,"
        " by_person_id, graded_at_ms) VALUES (?1, ?2, ?3, 1, 10, 'Good.', 'released', ?4, 0)"
    )
    submission = new_id()
    box.write(HAND_IN, submission, box.cast.village, box.cast.jose)
    box.write(mark, new_id(), submission, box.cast.jose, box.cast.ms_wanjiru)
    await talk(box)
    await erase(district, box, box.cast.ms_wanjiru, "Wanjirũ Njeri")
    await talk(box)
    rows = box.db.tuples(
        "SELECT display_name, state FROM person WHERE id = ?1", (box.cast.ms_wanjiru,)
    )
    assert rows == [("-", "erased")]
    assert box.db.value("SELECT count(*) FROM grade") == 1
    assert await box.hub_digests() == box.digests()
    assert (await certificate(district, box, box.cast.ms_wanjiru))["is_done"]


async def test_a_box_that_says_it_twice_says_it_once(box, forgotten):
    me = identity(box.db)
    ids = box.db.tuples("SELECT id FROM erasure_answer")
    assert ids == [(answer_id(me, box.cast.amina).bytes,)]
    await talk(box)
    assert box.db.tuples("SELECT id FROM erasure_answer") == ids


async def no_way(_request):
    raise httpx.ConnectError("there is no link")


async def test_a_list_that_came_on_a_stick_is_followed_without_a_link(box):
    """The answer goes with the next stick; the rows are gone at once."""
    me = identity(box.db)
    with box.db.changing() as tx:
        tx.run("UPDATE sync_identity SET applying = 1, hub_url = 'http://nowhere.invalid'")
        tx.run(
            "INSERT INTO erasure (id, org_id, at_ms, version, owner_node_id, updated_at_ms)"
            " VALUES (?1, ?2, 0, 1, ?3, 0)",
            (box.cast.amina, me.school_id, me.hub_id),
        )
        tx.run("UPDATE sync_identity SET applying = 0")
    box.transport.handle_async_request = no_way
    await box.agent.one_try()
    assert not is_here(box)
    assert box.db.tuples("SELECT erasure_id FROM erasure_answer") == [(box.cast.amina.bytes,)]
    assert box.db.value("SELECT count(*) FROM sync_dirty WHERE tbl = 25") == 1
