"""A lost box, its successor, and the lost one's stick that turns up a term later: all real."""

import pytest

from sync.agent.store import identity
from sync.hub.sticks.importing import boards_on, import_stream
from sync.stick import Stick
from tests.cast import a_school
from tests.hub.real_box import NAME_OF
from tests.hub.test_real_erasure import talk
from tests.hub.test_sticks import Carrier

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

BESIDE = "SELECT count(*) FROM sync_conflict WHERE school_id = $1"
NUMBERS = "SELECT DISTINCT owner_epoch > 0 FROM person WHERE school_id = $1"


@pytest.fixture
def new_board(tmp_path, edge_template, app, watch):
    boards = []

    def make(name):
        boards.append(Carrier(tmp_path / name, edge_template, app, watch))
        return boards[-1]

    yield make
    for board in boards:
        board.close()


@pytest.fixture
async def lost(new_board, district):
    """A school at work, everything sent; then the board is gone with its last week."""
    board = new_board("lost")
    with board.db.changing() as tx:
        board.cast = a_school(tx)
    board.wish(await district.token())
    await talk(board)
    for name in ("Amina in the first week", "Amina in the last week"):
        board.rename(name)
    return board


async def close(district, board):
    me = identity(board.db)
    path = f"/api/v1/schools/{me.school_id}/boxes/{me.node_id}/revocation"
    answer = await district.client.post(path, json={"reason": "Stolen from the bus."})
    assert answer.status_code == 200, answer.text


async def succeed(district, new_board, school_id):
    board = new_board("successor")
    board.wish(await district.token(mode="replace", school_id=str(school_id)))
    for _ in range(3):
        await talk(board)
    return board


async def find_stick(district, app, tmp_path, lost):
    """The lost board's stick comes in, and somebody lets its rows in."""
    folder = tmp_path / "stick"
    folder.mkdir()
    lost.export(folder)
    stick = Stick(folder)
    for came in boards_on(stick):
        await import_stream(app.state.hub, stick, came)
    path = f"/api/v1/schools/{identity(lost.db).school_id}/aside/replay"
    choice = {"tbl": "person", "reason": "node-revoked"}
    assert (await district.client.post(path, json=choice)).json()["merged"] == 1


@pytest.mark.parametrize("order", ["closed, then replaced", "replaced, then closed"])
async def test_a_successor_s_words_stay_whatever_turns_up_of_the_lost_box(
    district, app, as_role, tmp_path, new_board, lost, order
):
    """Also what it had not sent yet when the lost one's rows were let in."""
    root, school_id, amina = await as_role("postgres"), identity(lost.db).school_id, lost.cast.amina
    if order == "closed, then replaced":
        await close(district, lost)
        assert await root.fetch(NUMBERS, school_id) == [(True,)]
        board = await succeed(district, new_board, school_id)
    else:
        board = await succeed(district, new_board, school_id)
        await close(district, lost)
        assert await root.fetch(NUMBERS, school_id) == [(False,)]
    assert board.db.value(NAME_OF, (amina,)) == "Amina Otieno"
    board.cast = lost.cast
    board.rename("Amina O. Wanjiru")
    await find_stick(district, app, tmp_path, lost)
    for _ in range(2):
        await talk(board)
    assert board.db.value(NAME_OF, (amina,)) == "Amina O. Wanjiru"
    assert await root.fetchval(BESIDE, school_id) >= 1
    assert await board.hub_digests() == board.digests()
