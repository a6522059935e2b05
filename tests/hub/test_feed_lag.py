"""Whoever watches the hub sees that a word of the district does not come through, and how long."""

import re

import pytest

from appliance.ids import uuid7
from sync.hub.database import scoped
from sync.hub.outlet.authoring import put_row
from sync.protocol import ScopeCursor
from tests.hub.cast import NOW_MS, Box
from tests.hub.test_feed import read

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

HOUR_AGO = "UPDATE sync_feed SET at_ms = at_ms - 3600000 WHERE school_id = $1"
NEW_BOX = {"schema_version": 4}


@pytest.fixture
def announce(app, district):
    async def announce(scope_id):
        named = {"org_id": scope_id, "title": "Exams", "body": "", "from_at_ms": NOW_MS}
        web = app.state.hub.pools.web
        async with scoped(web, school_id=scope_id, district_id=district.id) as link:
            await put_row(
                link, scope_id, "announcement", named | {"id": uuid7(NOW_MS)}, now_ms=NOW_MS
            )

    return announce


@pytest.fixture
async def make_old(as_role):
    """Date the lines of a scope one hour back; the trigger sleeps meanwhile."""
    root = await as_role("postgres")

    async def make_old(scope_id):
        await root.execute("SET session_replication_role = replica")
        await root.execute(HOUR_AGO, scope_id)

    return make_old


async def lag(client):
    text = (await client.get("/metrics")).text
    found = dict(re.findall(r"^darasa_hub_feed_behind_(\w+) (\d+)$", text, re.MULTILINE))
    assert found.keys() == {"boxes", "lines", "seconds"}
    return tuple(int(found[name]) for name in ("boxes", "lines", "seconds"))


async def cursors(box, district):
    """Read everything, and return where that ends."""
    scopes = (box.school_id, district.id)
    beginnings = [
        ScopeCursor(scope_id=scope_id, incarnation=box.incarnation) for scope_id in scopes
    ]
    return [(await read(box, beginning)).cursor for beginning in beginnings]


async def test_a_district_that_wrote_nothing_is_behind_with_nothing(client, district):
    assert await lag(client) == (0, 0, 0)
    box = await district.school()
    await box.hello(**NEW_BOX)
    assert await lag(client) == (0, 0, 0)


async def test_the_box_furthest_behind_is_the_one_that_counts(client, district, announce, make_old):
    first, second = await district.school("Hilltop"), await district.school("Riverside")
    for box in (first, second):
        await box.hello(**NEW_BOX)
    await announce(district.id)
    await announce(district.id)
    await make_old(district.id)
    await announce(second.school_id)
    boxes, lines, seconds = await lag(client)
    assert (boxes, lines) == (2, 2)
    assert 3_600 <= seconds < 3_700
    await first.hello(**NEW_BOX, scopes=await cursors(first, district))
    assert (await lag(client))[0] == 1
    at_school, at_district = await cursors(second, district)
    behind = ScopeCursor(scope_id=second.school_id, incarnation=second.incarnation)
    await second.hello(**NEW_BOX, scopes=[behind, at_district])
    boxes, lines, seconds = await lag(client)
    assert (boxes, lines) == (1, 1)
    assert seconds < 100
    await second.hello(**NEW_BOX, scopes=[at_school, at_district])
    assert await lag(client) == (0, 0, 0)


async def test_a_cursor_that_counts_nothing_here_has_read_nothing(client, district, announce):
    """Of another life of the hub: its numbers may be higher than any of ours."""
    box = await district.school()
    await announce(box.school_id)
    at_school, at_district = await cursors(box, district)
    of_before = ScopeCursor(
        scope_id=box.school_id, incarnation=box.school_id, xid=1 << 60, no=1 << 40
    )
    await box.hello(**NEW_BOX, scopes=[of_before, at_district])
    assert (await lag(client))[:2] == (1, 1)
    await box.hello(**NEW_BOX, scopes=[at_school, at_district])
    assert (await lag(client))[:2] == (0, 0)


async def test_boxes_that_read_no_feed_hold_nothing_up(client, district, announce):
    """One of 0.1.0, one that was replaced, one that never called."""
    box = await district.school()
    await announce(box.school_id)
    await box.hello(schema_version=2)
    assert await lag(client) == (0, 0, 0)
    await box.hello(**NEW_BOX)
    assert (await lag(client))[0] == 1
    new = Box(client)
    token = await district.token(mode="replace", school_id=str(box.school_id))
    await new.enrol(token, mode="replace", school_id=None)
    assert await lag(client) == (0, 0, 0)


async def test_nobody_without_the_district_sees_how_far_its_boxes_are(district, announce, as_role):
    box = await district.school()
    await announce(box.school_id)
    await box.hello(**NEW_BOX)
    web, ingest = await as_role("darasa_web"), await as_role("darasa_ingest")
    for connection in (web, ingest):
        assert await connection.fetchval("SELECT count(*) FROM feed_cursor") == 0
