"""Rows the hub writes itself: numbered, versioned, and refused where a school owns them."""

from uuid import UUID

import asyncpg
import pytest

from appliance.errors import NotFound
from appliance.ids import uuid7
from sync.hub.database import scoped
from sync.hub.faults import OwnedElsewhere
from sync.hub.identity import change_incarnation, identity
from sync.hub.outlet.authoring import give_back, put_row, take_ownership
from sync.merge import row_hash
from sync.registry import TABLE
from tests.hub.cast import NOW_MS, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

ROW = "SELECT * FROM {} WHERE school_id = $1 AND id = $2"
FEED = "SELECT pk FROM sync_feed WHERE school_id = $1 ORDER BY xid, no"


@pytest.fixture
def web(app):
    return app.state.hub.pools.web


@pytest.fixture
def words(district):
    """An announcement of the district, with names as schools have them."""
    return {
        "id": uuid7(NOW_MS),
        "org_id": district.id,
        "title": "Exams move to Thursday",
        "body": "Nguyễn Thị Ánh and نور الهدى write in room 4.",
        "from_at_ms": NOW_MS,
    }


async def read(web, scope_id, table, row_id):
    async with scoped(web, school_id=scope_id) as link:
        found = await link.fetchrow(ROW.format(table), scope_id, row_id)
        return None if found is None else dict(found)


async def put(web, district, scope_id, table, named):
    async with scoped(web, school_id=scope_id, district_id=district.id) as link:
        return await put_row(link, scope_id, table, named, now_ms=NOW_MS)


async def own(web, move, school_id, row_id, table="person"):
    async with scoped(web, school_id=school_id) as link:
        return await move(link, school_id, table, row_id, now_ms=NOW_MS)


async def test_a_new_row_is_the_hub_s_and_complete(web, district, words):
    assert await put(web, district, district.id, "announcement", words) == 1
    found = await read(web, district.id, "announcement", words["id"])
    async with scoped(web) as link:
        hub_id = (await identity(link)).hub_id
    assert (found["owner_node_id"], found["src_epoch"]) == (hub_id, hub_id)
    assert (found["version"], found["owner_epoch"], found["until_at_ms"]) == (1, 0, None)
    cells = [found[column.name] for column in TABLE["announcement"].columns]
    cells = [cell.bytes if isinstance(cell, UUID) else cell for cell in cells]
    assert found["row_hash"] == row_hash(TABLE["announcement"], cells)


async def test_a_change_names_only_what_changes(web, district, words):
    await put(web, district, district.id, "announcement", words)
    told = {"id": words["id"], "title": "Exams move to Friday"}
    assert await put(web, district, district.id, "announcement", told) == 2
    found = await read(web, district.id, "announcement", words["id"])
    assert (found["title"], found["body"]) == (told["title"], words["body"])
    gone = {"id": words["id"], "deleted_at_ms": NOW_MS}
    assert await put(web, district, district.id, "announcement", gone) == 3


async def test_every_write_has_its_own_number_and_moves_to_the_end_of_the_feed(
    web, district, words
):
    other = words | {"id": uuid7(NOW_MS)}
    for named in (words, other, {"id": words["id"], "title": "Later"}):
        await put(web, district, district.id, "announcement", named)
    first = await read(web, district.id, "announcement", words["id"])
    second = await read(web, district.id, "announcement", other["id"])
    assert first["change_no"] == second["change_no"] + 1
    async with scoped(web, school_id=district.id) as link:
        fed = [line["pk"] for line in await link.fetch(FEED, district.id)]
    assert fed == [other["id"], words["id"]]


async def test_a_school_s_own_row_is_not_written_over(web, district):
    school = await district.school()
    pupil = values("person", school.school_id, display_name="Amina Otieno")
    await school.send(rows("person", pupil))
    with pytest.raises(OwnedElsewhere):
        await put(
            web, district, school.school_id, "person", {"id": pupil[0], "display_name": "Nobody"}
        )
    found = await read(web, school.school_id, "person", UUID(bytes=pupil[0]))
    assert found["display_name"] == "Amina Otieno"


async def test_a_row_goes_to_the_hub_and_back_under_rising_numbers(web, district):
    school = await district.school()
    pupil = values("person", school.school_id, display_name="José Álvarez-Núñez")
    await school.send(rows("person", pupil))
    row_id = UUID(bytes=pupil[0])
    assert await own(web, take_ownership, school.school_id, row_id) == 2
    taken = await read(web, school.school_id, "person", row_id)
    assert (taken["owner_epoch"], taken["owner_node_id"]) == ((1 << 32) + 1, school.hub.hub_id)
    assert await own(web, take_ownership, school.school_id, row_id) == 2  # it is already
    assert await own(web, give_back, school.school_id, row_id) == 3
    back = await read(web, school.school_id, "person", row_id)
    assert (back["owner_epoch"], back["owner_node_id"]) == ((1 << 32) + 2, None)
    assert await own(web, give_back, school.school_id, row_id) == 3
    assert (await school.hello()).pull


async def test_a_row_that_is_not_there_is_not_found(web, district):
    school = await district.school()
    for move in (take_ownership, give_back):
        with pytest.raises(NotFound):
            await own(web, move, school.school_id, UUID(int=7))


async def test_a_column_nobody_knows_is_a_mistake_of_ours(web, district, words):
    with pytest.raises(AssertionError, match="colour"):
        await put(web, district, district.id, "announcement", words | {"colour": "red"})


async def test_nothing_is_written_outside_the_transaction_s_own_scope(web, district, words):
    school = await district.school()
    async with scoped(web, school_id=district.id, district_id=district.id) as link:
        with pytest.raises(AssertionError, match="scope"):
            await put_row(link, school.school_id, "announcement", words, now_ms=NOW_MS)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with scoped(web, district_id=district.id) as link:
            await link.execute("INSERT INTO sync_feed VALUES ($1, 18, $1, '3', 1)", district.id)


IDENTITY = "SELECT incarnation, generation, owner_counter FROM hub_identity"
PUT_BACK = "UPDATE hub_identity SET incarnation = $1, generation = $2, owner_counter = $3"
YEAR_1970_MS = 5_000


@pytest.mark.parametrize("clock_ms", [NOW_MS, YEAR_1970_MS], ids=["clock", "no-clock"])
async def test_two_roll_backs_to_one_moment_give_out_no_ownership_twice(
    app, web, district, as_role, watch, clock_ms
):
    """The second life ends where the first did; what it gave out is still on some box.

    A clock that goes forward keeps the third apart from it; where it is in 1970 again, the
    receipt does that a box brings from the second.
    """
    school = await district.school()
    pupil = values("person", school.school_id)
    await school.send(rows("person", pupil))
    row_id, root = UUID(bytes=pupil[0]), await as_role("postgres")
    moment = tuple(await root.fetchrow(IDENTITY))
    given = []
    for life in range(3):
        watch.now_ms = clock_ms + life * 60_000
        if life:
            await root.execute(PUT_BACK, *moment)
            async with scoped(app.state.hub.pools.ingest) as link:
                await change_incarnation(link, moment[0], now_ms=watch())
            await school.hello()
        for move in (take_ownership, give_back):
            await own(web, move, school.school_id, row_id)
            given.append((await read(web, school.school_id, "person", row_id))["owner_epoch"])
        school.receipt = (await school.hello()).receipt
    assert sorted(set(given)) == given
    assert given[-1] < 1 << 63


async def test_a_clock_far_in_the_future_leaves_numbers_to_give(app, as_role, district):
    root = await as_role("postgres")
    for now_ms in (1 << 45, 1 << 47, NOW_MS):
        async with scoped(app.state.hub.pools.ingest) as link:
            before = await identity(link)
            await change_incarnation(link, before.incarnation, now_ms=now_ms)
            after = await identity(link)
        assert before.generation < after.generation < 1 << 31
    assert await root.fetchval("SELECT generation FROM hub_identity") == after.generation


async def test_a_box_that_knows_of_a_later_life_is_told_of_a_new_one_once(app, district, as_role):
    """Of all the boxes that held the lost life's receipts, the first changes the incarnation."""
    first, second = await district.school("Hilltop"), await district.school("Riverside")
    root = await as_role("postgres")
    moment = tuple(await root.fetchrow(IDENTITY))
    async with scoped(app.state.hub.pools.ingest) as link:
        await change_incarnation(link, moment[0], now_ms=NOW_MS)
    for school in (first, second):
        school.receipt = (await school.hello()).receipt
    await root.execute(PUT_BACK, *moment)
    told = [(await school.hello()).incarnation for school in (first, second, first)]
    assert len(set(told)) == 1
    assert told[0] != moment[0]
