"""Two boards of one school at the hub: noticed, parted, and the replaced one told."""

import pytest

from tests.hub.cast import Box, facts

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
async def twins(district):
    """One node that two boards speak as, each in an epoch of its own."""
    first = await district.school("Shule ya Ziwa")
    second = copy_of(first)
    for _ in range(2):
        for board in (first, second):
            await board.send(facts(1))
            await board.hello()
    return first, second


def copy_of(box):
    """The same card in another board, after it has begun its own epoch."""
    twin = Box(box.client, box.name)
    twin.key, twin.node_id, twin.school_id = box.key, box.node_id, box.school_id
    twin.hub, twin.headers, twin.incarnation = box.hub, box.headers, box.incarnation
    return twin


async def listed(district):
    (school,) = (await district.client.get("/api/v1/schools")).json()
    return school


async def new_identity(district, twin, **wish):
    """The administrator's token, and the board's own new node and key."""
    fresh = Box(twin.client, twin.name)
    fresh.school_id = twin.school_id
    await fresh.enrol(await district.token(**wish))
    await fresh.sign_in()
    return fresh


@pytest.mark.parametrize("who_parts", [0, 1], ids=["the older epoch", "the newer epoch"])
async def test_two_boards_are_noticed_until_one_has_an_identity_of_its_own(
    district, twins, who_parts
):
    first, second = (twins[1 - who_parts], twins[who_parts])
    assert (await listed(district))["has_two_live_epochs"]
    own = await new_identity(district, second, school_id=str(first.school_id))
    for board in (first, own):
        await board.send(facts(1))
        await board.hello()
    assert not (await listed(district))["has_two_live_epochs"]
    assert own.node_id != first.node_id


async def test_each_is_sent_what_the_other_wrote(district, twins):
    first, second = twins
    own = await new_identity(district, second, school_id=str(first.school_id))
    await own.send(facts(2))
    assert (await first.hello()).pull
    assert sum(block.rows for block in (await first.pull()).rows) == 4
    assert (await own.hello()).pull


async def test_without_the_districts_token_nobody_joins_a_school_that_is_there(district, twins):
    stranger = Box(district.client)
    stranger.school_id = twins[0].school_id
    for wish in ({}, {"school_id": str(Box(district.client).school_id)}):
        token = await district.token(**wish)
        answer = await stranger.post("/sync/v1/enrol", stranger.enrol_request(token))
        assert answer.json()["code"] in {"school-taken", "token-unknown"}


async def test_the_page_makes_the_token_for_the_second_board(district, twins):
    school = await district.client.get(f"/schools/{twins[0].school_id}")
    assert "Make a token for one of the two" in school.text
    form = {"mode": "second", "school_id": str(twins[0].school_id)}
    page = await district.client.post("/enrolment-tokens", data=form)
    assert page.status_code == 200, page.text
    assert "identity of its own" in page.text
    tokens = (await district.client.get("/api/v1/enrolment-tokens")).json()
    assert (tokens[0]["mode"], tokens[0]["school_name"]) == ("adopt", "Shule ya Ziwa")


async def test_a_replaced_box_is_told_so_and_its_work_is_taken(district):
    old = await district.school()
    assert (await old.hello()).node_state == "active"
    new = Box(district.client)
    token = await district.token(mode="replace", school_id=str(old.school_id))
    await new.enrol(token, mode="replace", school_id=None)
    await new.sign_in()
    assert (await old.hello()).node_state == "replaced"
    await old.send(facts(3))
    assert (await new.hello()).node_state == "active"
    assert sum(block.rows for block in (await new.pull()).rows) == 3
