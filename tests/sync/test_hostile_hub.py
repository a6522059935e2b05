"""Whatever sits at the hub's address, or has its key and no manners: the box says so and lives."""

import asyncio
import gzip
from contextlib import suppress
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from appliance.errors import DarasaError
from sync.agent.faults import HubUntrusted
from sync.agent.line import QUIET_S
from sync.agent.pace import WAIT_S_MAX
from sync.agent.status import status
from sync.protocol import (
    FeedPage,
    PullPage,
    SignedFeed,
    SignedHello,
    decode,
    encode,
    feed_message,
    hello_message,
)
from tests.sync.test_downstream import KEY, NOOR, SCHOOL, Reader
from tests.sync.test_hostile_segments import ANYTHING, NESTED
from tests.sync.web import NOW_MS, add_group, claim, problem, wish

pytestmark = pytest.mark.anyio
FUZZ = settings(
    max_examples=80,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
CONTENT = "SELECT count(*), total(version) FROM class_group"
OUTSIDE = {
    "nothing": lambda whole: httpx.Response(200, content=b""),
    "noise": lambda whole: httpx.Response(200, content=b"\xc1" * 100),
    "half": lambda whole: httpx.Response(200, content=whole.content[: len(whole.content) // 2]),
    "twice": lambda whole: httpx.Response(200, content=whole.content * 2),
    "nested": lambda whole: httpx.Response(200, content=NESTED),
    "nested-later": lambda whole: httpx.Response(
        200, content=b"\x81" + encode("of_a_later_release") + NESTED
    ),
    "a-page": lambda whole: httpx.Response(200, content=b"<html>Sign in to the hotel's net"),
    "a-redirect": lambda whole: httpx.Response(302, headers={"location": "http://elsewhere"}),
    "a-refusal-in-nonsense": lambda whole: httpx.Response(403, content=b"[" * 100_000),
    "a-refusal-that-is-no-text": lambda whole: httpx.Response(403, content=b'"\xff\xfe"'),
    "a-late-retry": lambda whole: httpx.Response(503, headers={"retry-after": "9" * 400}),
    "a-strange-retry": lambda whole: httpx.Response(429, headers={"retry-after": "soon"}),
    "a-bomb": lambda whole: httpx.Response(
        200, headers={"content-encoding": "gzip"}, content=gzip.compress(bytes(17 << 20))
    ),
    "too-long": lambda whole: httpx.Response(200, content=bytes((16 << 20) + 1)),
    "no-content": lambda whole: httpx.Response(204),
    "flipped": lambda whole: httpx.Response(200, content=flipped(whole.content)),
}
PATHS = ("enrol", "challenge", "token", "hello", "segments")


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("answer", OUTSIDE.values(), ids=OUTSIDE)
async def test_no_answer_from_outside_stops_the_agent_or_reaches_the_school(
    agent, web, box, db, answer
):
    """At each address in turn; afterwards the right hub is found and everything arrives."""
    claim(box)
    add_group(box, 10)
    wish(box)
    for part in PATHS:
        web.trouble = lambda request, part=part: (
            answer(web.answer(request, request.content))
            if part in request.url.path
            else changed_hello(web, request, "scopes", [])
        )
        before = db.tuples(CONTENT)
        await agent.one_try()
        assert db.tuples(CONTENT) == before
    web.trouble = lambda request: changed_hello(web, request, "scopes", [])
    for _ in range(3):
        agent._pass.until_s = 0.0
        waited = await agent.one_try()
    assert waited == QUIET_S, status(db)
    assert status(db).waiting == 0
    held = web.hub.schools[UUID(int=2)].rows
    assert {name for name, _ in held} == {"org_unit", "class_group"}


# A hub that has its key.

HELLO_FIELDS = ("streams", "incarnation", "pull", "exceptions", "hub_time_ms", "limits", "scopes")
NASTY = [
    [[0, 5, bytes(32), 9]],  # applied what was not received
    [[7, 1, bytes(32), 1]],  # a lane nobody asked about
    [[0, (1 << 63) - 1, bytes(32), 0]],
    [[0, 1, bytes(32), 1]] * 3,
    [[99, b"x", "quarantined"]] * 5,
    [[16, b"", "more"]],
    1 << 62,
    -(1 << 62),
    [[bytes(16), "behind"]],
    [[bytes(16), "replace"]],
]


@FUZZ
@given(st.sampled_from(HELLO_FIELDS), ANYTHING | st.sampled_from(NASTY))
async def test_a_signed_hello_of_nonsense_is_refused_or_harmless(agent, web, box, db, name, value):
    if db.value("SELECT count(*) FROM sync_identity") == 0:
        claim(box)
        wish(box)
        web.trouble = lambda request: changed_hello(web, request, "scopes", [])
        await agent.one_try()
    web.trouble = lambda request: changed_hello(web, request, name, value)
    content = db.tuples(CONTENT)
    await agent.one_try()
    assert db.tuples(CONTENT) == content
    web.trouble = lambda request: changed_hello(web, request, "scopes", [])
    await agent.one_try()
    await agent.one_try()
    assert status(db).contact.error is None


def changed_hello(web, request, name, value):
    """The right answer but for one field, and signed."""
    if "feed" in request.url.path:
        return problem(404, "not-found", "There is nothing here")
    if "hello" not in request.url.path:
        return None
    signed = decode(web.answer(request, request.content).content, SignedHello)
    said = decode(signed.body, dict)
    body = encode(said | {"scopes": [], name: value})
    signature = web.hub.key.sign(hello_message(body)).signature
    return httpx.Response(200, content=encode(SignedHello(body=body, signature=signature)))


@pytest.fixture
def reader(db):
    return Reader(db)


CELL = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.text(max_size=8),
    st.binary(max_size=20),
    st.sampled_from([NOOR.bytes, SCHOOL.bytes, UUID(int=4).bytes, "active", 1, 0]),
)
TABLE_NAMES = st.sampled_from(
    ["person", "announcement", "setting", "erasure", "course", "grade", "mood", "sync_identity"]
)
COLUMN_NAMES = [
    "id",
    "org_id",
    "display_name",
    "state",
    "title",
    "version",
    "owner_epoch",
    "owner_node_id",
    "updated_at_ms",
    "locale",
    "at_ms",
    "; DROP TABLE person",
]


@st.composite
def blocks(draw):
    names = draw(st.lists(st.sampled_from(COLUMN_NAMES), min_size=1, max_size=8, unique=True))
    count = draw(st.integers(1, 3))
    columns = [["v", draw(st.lists(CELL, min_size=count, max_size=count))] for _ in names]
    return [draw(TABLE_NAMES), names, columns, count]


@FUZZ
@given(
    st.lists(blocks() | ANYTHING, max_size=3),
    st.lists(st.tuples(TABLE_NAMES, st.binary(min_size=16, max_size=16)), max_size=3),
)
def test_a_signed_page_lands_whole_or_not_at_all(reader, rows, gone):
    """Whatever the rows are: HubUntrusted and nothing, or a page that landed with its cursor."""
    page = decode(reader.page().body, dict)
    body = encode(page | {"rows": rows, "gone": [list(each) for each in gone]})
    before, at = snapshot(reader.db), reader.cursor()
    signed = SignedFeed(body=body, signature=KEY.sign(feed_message(body)).signature)
    try:
        reader.take(signed)
    except HubUntrusted:
        assert snapshot(reader.db) == before
        assert reader.cursor() == at
    else:
        assert reader.cursor() != at
    assert reader.db.value("SELECT applying FROM sync_identity") == 0
    assert reader.count("person") == 1 or any(each[0] == "person" for each in rows if each)


@FUZZ
@given(st.dictionaries(st.sampled_from(FeedPage.__struct_fields__), ANYTHING, min_size=1))
def test_a_signed_page_of_nonsense_is_refused(reader, changes):
    body = encode(decode(reader.page().body, dict) | changes)
    signed = SignedFeed(body=body, signature=KEY.sign(feed_message(body)).signature)
    before, at = snapshot(reader.db), reader.cursor()
    with suppress(DarasaError):
        reader.take(signed)
        return
    assert snapshot(reader.db) == before
    assert reader.cursor() == at


def snapshot(db):
    return [
        db.value(f"SELECT count(*) FROM {table}")
        for table in (
            "person",
            "announcement",
            "setting",
            "erasure",
            "course",
            "grade",
            "sync_parked",
            "sync_dirty",
            "sync_conflict",
        )
    ]


async def test_an_old_receipt_again_and_again_ends_the_conversation(agent, web, box, db):
    """A hub whose parts do not know of each other; a link that costs money would pay for it."""
    claim(box)
    add_group(box, 10)
    wish(box)
    receipts = []

    def only_the_first(request):
        if request.method == "PUT":
            receipts.append(receipts[0] if receipts else web.answer(request, request.content))
            return receipts[-1]
        return None

    web.trouble = only_the_first
    assert await agent.one_try() == QUIET_S
    add_group(box, 11)
    assert await asyncio.wait_for(agent.one_try(), 10) == WAIT_S_MAX
    assert len(receipts) < 10
    assert status(db).waiting
    web.trouble = lambda _request: None
    assert await agent.one_try() == QUIET_S
    assert status(db).waiting == 0


async def test_pages_that_lead_nowhere_end_the_conversation(agent, web, box, db):
    claim(box)
    add_group(box, 10)
    wish(box)
    await agent.one_try()
    box.execute("UPDATE sync_identity SET recovery_due = 1")
    web.trouble = lambda request: stuck(web, request) if "/pull" in request.url.path else None
    assert await asyncio.wait_for(agent.one_try(), 20) == WAIT_S_MAX
    web.trouble = lambda _request: None
    assert await agent.one_try() == QUIET_S


def stuck(web, request):
    page = decode(web.answer(request, request.content).content, PullPage)
    cursor = int(request.url.params["cursor"])
    return httpx.Response(200, content=encode(structs.replace(page, next_cursor=cursor, more=True)))


def test_a_page_that_leads_nowhere_is_refused(reader):
    with pytest.raises(HubUntrusted, match="same place"):
        reader.take(reader.page(cursor=reader.cursor(), more=True))


@pytest.mark.parametrize("years", [-50, 50])
async def test_a_clock_fifty_years_off_loses_nothing(settings, web, box, db, agent, years):
    claim(box)
    add_group(box, 10)
    wish(box)
    off_ms = NOW_MS + years * 31_557_600_000
    web.trouble = lambda request: changed_hello(web, request, "hub_time_ms", off_ms)
    assert await agent.one_try() == QUIET_S, status(db)
    assert status(db).waiting == 0
