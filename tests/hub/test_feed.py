"""The feed as the hub gives it out: complete, in order, and to nobody else."""

import asyncio
from uuid import UUID

import pytest
from nacl.signing import VerifyKey

from appliance.ids import uuid7
from sync.core.columns import unpack
from sync.hub.database import scoped
from sync.hub.outlet.authoring import give_back, put_row, take_ownership
from sync.protocol import (
    PAGE_RAW_BYTES_MAX,
    FeedPage,
    ScopeCursor,
    SignedFeed,
    decode,
    feed_message,
)
from tests.hub.cast import NOW_MS, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
def web(app):
    return app.state.hub.pools.web


@pytest.fixture
def write(web, district):
    """Write as the district's staff does; returns the row's id."""

    async def write(scope_id, table, **named):
        named = {"id": uuid7(NOW_MS)} | named
        async with scoped(web, school_id=scope_id, district_id=district.id) as link:
            await put_row(link, scope_id, table, named, now_ms=NOW_MS)
        return named["id"]

    return write


@pytest.fixture
def announce(write):
    async def announce(scope_id, title, **named):
        usual = {"org_id": scope_id, "title": title, "body": "", "from_at_ms": NOW_MS}
        return await write(scope_id, "announcement", **(usual | named))

    return announce


def beginning(box, scope_id=None):
    return ScopeCursor(scope_id=scope_id or box.school_id, incarnation=box.incarnation)


async def ask(box, cursor, limit=500):
    path = (
        f"/sync/v1/feed?scope_id={cursor.scope_id}&incarnation={cursor.incarnation}"
        f"&system={cursor.system}&timeline={cursor.timeline}&xid={cursor.xid}&no={cursor.no}"
        f"&limit={limit}"
    )
    return await box.client.get(path, headers=box.headers)


async def read(box, cursor, limit=500) -> FeedPage:
    answer = await ask(box, cursor, limit)
    assert answer.status_code == 200, answer.text
    signed = decode(answer.content, SignedFeed)
    VerifyKey(box.hub.hub_key).verify(feed_message(signed.body), signed.signature)
    return decode(signed.body, FeedPage)


def named(page, table="announcement"):
    """Rows of one table by column."""
    return [
        dict(zip(found.columns, row, strict=True))
        for block in page.rows
        if block.t == table
        for found in [unpack(block)]
        for row in found.rows
    ]


def titles(page):
    return [row["title"] for row in named(page)]


async def test_a_school_reads_its_own_scope_and_its_district_s(district, announce):
    school = await district.school()
    await announce(school.school_id, "Roof repair at Hilltop")
    await announce(district.id, "Exams for everybody")
    assert titles(await read(school, beginning(school))) == ["Roof repair at Hilltop"]
    assert titles(await read(school, beginning(school, district.id))) == ["Exams for everybody"]
    states = {state.scope_id: state.state for state in (await school.hello()).scopes}
    assert states == {district.id: "replace", school.school_id: "replace"}


async def test_another_school_s_scope_is_refused_and_a_stranger_gets_nothing(district, announce):
    mine, other = await district.school("Hilltop"), await district.school("Riverside")
    await announce(other.school_id, "For Riverside alone")
    answer = await ask(mine, beginning(mine, other.school_id))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-foreign")
    stranger = await district.school("Third")
    stranger.headers = {}
    assert (await ask(stranger, beginning(stranger))).status_code == 401
    assert titles(await read(mine, beginning(mine))) == []


async def test_hello_says_level_behind_or_replace(district, announce):
    school = await district.school()
    await announce(school.school_id, "First")
    page = await read(school, beginning(school))
    both = [page.cursor, beginning(school, district.id)]

    async def states(cursors):
        return [state.state for state in (await school.hello(scopes=cursors)).scopes]

    assert await states(both) == ["level", "level"]
    await announce(school.school_id, "Second")
    assert await states(both) == ["level", "behind"]
    assert titles(await read(school, page.cursor)) == ["Second"]
    assert await states([]) == ["replace", "replace"]


async def test_an_id_drawn_first_that_is_committed_last_is_never_skipped(web, district, announce):
    """SYNC.md 4.5: whoever reads `no > cursor` alone has passed it for ever."""
    school = await district.school()
    await announce(district.id, "Before")
    slow_id = uuid7(NOW_MS)
    row = {"org_id": district.id, "title": "Slow", "body": "", "from_at_ms": 0}
    async with scoped(web, school_id=school.school_id) as other:
        await other.fetchval("SELECT pg_current_xact_id()")  # an older transaction, still open
        async with scoped(web, school_id=district.id) as slow:
            await put_row(slow, district.id, "announcement", row | {"id": slow_id}, now_ms=0)
            quick = asyncio.create_task(announce(school.school_id, "Quick"))
            await quick
            early = await read(school, beginning(school))
            early_district = await read(school, beginning(school, district.id))
        # The district's write is committed; an older transaction still runs.
        middle = await read(school, early_district.cursor)
    assert titles(early) == []
    assert titles(early_district) == ["Before"]
    assert titles(middle) == []
    assert titles(await read(school, early.cursor)) == ["Quick"]
    assert titles(await read(school, middle.cursor)) == ["Slow"]


async def test_a_row_changed_again_stands_once_and_last(district, announce):
    school = await district.school()
    first = await announce(school.school_id, "First")
    await announce(school.school_id, "Second")
    page = await read(school, beginning(school), limit=1)
    assert (titles(page), page.more) == (["First"], True)
    await announce(school.school_id, "First, again", id=first)
    rest = await read(school, page.cursor)
    assert (titles(rest), rest.more) == (["Second", "First, again"], False)
    end = await read(school, rest.cursor)
    assert (end.rows, end.gone, end.more) == ([], [], False)
    assert end.cursor == rest.cursor


async def test_pages_are_bounded_in_rows_and_bytes_and_one_row_always_fits(district, write):
    school = await district.school()
    lesson = await course_of(write, school.school_id)
    body = "é" * (PAGE_RAW_BYTES_MAX // 4)
    for rank in range(3):
        await write(school.school_id, "section", lesson_id=lesson, title="s", rank=rank, body=body)
    cursor, seen = beginning(school), []
    while True:
        page = await read(school, cursor, limit=100)
        found = [row["rank"] for row in named(page, "section")]
        assert len(found) <= 2
        seen += found
        cursor = page.cursor
        if not page.more:
            break
    assert seen == [0, 1, 2]
    assert len(named(await read(school, beginning(school), limit=10_000), "course")) == 1


async def course_of(write, scope_id):
    """A course down to one lesson; returns the lesson."""
    course = await write(
        scope_id, "course", org_id=scope_id, code="bio", title="Biology", language="en"
    )
    version = await write(
        scope_id,
        "course_version",
        course_id=course,
        number=1,
        state="published",
        content_hash=bytes(32),
    )
    module = await write(scope_id, "module", course_version_id=version, title="m", rank=1)
    return await write(scope_id, "lesson", module_id=module, title="l", rank=1)


async def test_a_page_brings_what_its_rows_name_also_of_the_district(district, write):
    school = await district.school()
    lesson = await course_of(write, district.id)
    await write(school.school_id, "section", lesson_id=lesson, title="ours", rank=1, body="")
    page = await read(school, beginning(school))
    assert [block.t for block in page.rows] == [
        "course",
        "course_version",
        "module",
        "lesson",
        "section",
    ]


async def test_a_child_comes_with_a_parent_that_was_touched_later(district, write):
    school = await district.school()
    lesson = await course_of(write, school.school_id)
    await write(school.school_id, "section", lesson_id=lesson, title="s", rank=1, body="")
    await write(school.school_id, "lesson", id=lesson, title="renamed")
    pages, cursor = [], beginning(school)
    while not pages or pages[-1].more:
        pages.append(await read(school, cursor, limit=1))
        cursor = pages[-1].cursor
    (with_section,) = [page for page in pages if named(page, "section")]
    assert [row["title"] for row in named(with_section, "lesson")] == ["renamed"]


async def test_a_school_s_own_rows_are_in_no_feed_and_the_hub_s_in_no_pull(web, district, announce):
    school = await district.school()
    pupil = values("person", school.school_id, display_name="نور الهدى")
    await school.send(rows("person", pupil))
    await announce(school.school_id, "From the hub")
    assert named(await read(school, beginning(school)), "person") == []
    school.begin_epoch()
    assert [block.t for block in (await school.pull()).rows] == ["person"]
    async with scoped(web, school_id=school.school_id) as link:
        row_id = UUID(bytes=pupil[0])
        await take_ownership(link, school.school_id, "person", row_id, now_ms=NOW_MS)
    assert (await school.pull()).rows == []
    fed = named(await read(school, beginning(school)), "person")
    assert [row["owner_node_id"] for row in fed] == [school.hub.hub_id.bytes]


async def test_a_row_given_back_goes_out_once_more_as_the_school_s_and_by_the_pull(web, district):
    school = await district.school()
    pupil = values("person", school.school_id)
    await school.send(rows("person", pupil))
    for move in (take_ownership, give_back):
        async with scoped(web, school_id=school.school_id) as link:
            row_id = UUID(bytes=pupil[0])
            await move(link, school.school_id, "person", row_id, now_ms=NOW_MS)
    (fed,) = named(await read(school, beginning(school)), "person")
    (pulled,) = named(await school.pull(), "person")
    assert fed == pulled
    assert (fed["owner_node_id"], fed["owner_epoch"]) == (None, (1 << 32) + 2)


async def test_a_row_that_was_purged_comes_as_gone(district, announce, as_role):
    school = await district.school()
    row_id = await announce(school.school_id, "About a pupil who is to be forgotten")
    owner = await as_role("postgres")
    await owner.execute("DELETE FROM announcement WHERE id = $1", row_id)
    page = await read(school, beginning(school))
    assert (page.rows, [gone.pk for gone in page.gone]) == ([], [row_id.bytes])


@pytest.mark.parametrize(
    "changed",
    [
        {"incarnation": UUID(int=9)},
        {"system": "1", "xid": 3},
        {"timeline": 9, "xid": 3},
        {"xid": 1 << 60},
    ],
)
async def test_a_cursor_of_another_state_of_the_hub_is_refused(district, announce, changed):
    """An empty page would read as the end, and the box would remove what it has."""
    school = await district.school()
    await announce(school.school_id, "First")
    known = (await read(school, beginning(school))).cursor
    parts = {name: getattr(known, name) for name in ScopeCursor.__struct_fields__}
    answer = await ask(school, ScopeCursor(**(parts | changed)))
    assert (answer.status_code, answer.json()["code"]) == (409, "cursor-unknown")


async def test_a_late_ex_owner_is_refused_kept_and_told_again(web, district, as_role):
    school = await district.school()
    pupil = values("person", school.school_id, display_name="Nguyễn Thị Ánh")
    await school.send(rows("person", pupil))
    async with scoped(web, school_id=school.school_id) as link:
        row_id = UUID(bytes=pupil[0])
        await take_ownership(link, school.school_id, "person", row_id, now_ms=NOW_MS)
    cursor = (await read(school, beginning(school))).cursor
    late = values("person", school.school_id, id=pupil[0], display_name="typed late", version=9)
    await school.send(rows("person", late))
    (again,) = named(await read(school, cursor), "person")
    assert again["display_name"] == "Nguyễn Thị Ánh"
    owner = await as_role("postgres")
    kept = await owner.fetch("SELECT pk FROM sync_conflict")
    assert [each["pk"] for each in kept] == [row_id]


@pytest.mark.parametrize(
    ("table", "claims", "reason"),
    [
        ("person", {"owner_node_id": UUID(int=6).bytes}, "foreign-owner"),
        ("person", {"owner_epoch": (1 << 32) + 1}, "owner-epoch-unknown"),
        ("person", {"owner_epoch": -1}, "owner-epoch-unknown"),
        ("person", {"owner_epoch": None}, "owner-epoch-unknown"),
        ("erasure", {}, "foreign-owner"),
        ("command", {}, "foreign-owner"),
    ],
)
async def test_a_box_cannot_claim_what_only_the_hub_gives(district, as_role, table, claims, reason):
    school = await district.school()
    await school.send(rows(table, values(table, school.school_id, **claims)))
    owner = await as_role("postgres")
    kept = await owner.fetch("SELECT reason FROM sync_quarantine")
    assert [each["reason"] for each in kept] == [reason]
    assert (
        await owner.fetchval(f"SELECT count(*) FROM {table} WHERE school_id = $1", school.school_id)
        == 0
    )
