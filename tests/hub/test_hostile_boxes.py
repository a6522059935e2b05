"""A box that is broken, or broken into: a refusal or a row put aside, and the stream goes on."""

import time
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from nacl.signing import SigningKey

from sync.core.columns import Rows
from sync.core.segment import read_segment, seal
from sync.protocol import HUB_SEGMENT_BYTES_MAX, SEGMENT_ROWS_MAX, StreamState, encode
from sync.registry import TABLE
from tests.hub.cast import NOW_MS, Box, facts, new_id, rows, values
from tests.sync.test_hostile_segments import BOMBS, NESTED, signed

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

YEAR_MS = 31_557_600_000
ASIDE = "SELECT reason, count(*) FROM sync_quarantine WHERE school_id = $1 GROUP BY reason"
FACTS = "SELECT count(*) FROM progress_fact WHERE school_id = $1"
TALLY = "SELECT sum(rows), sum(inserted), sum(quarantined) FROM sync_inbox WHERE school_id = $1"
POISON_S_MAX = 15.0  # of a whole segment, on a starved machine; 1-2 s as a rule
MESSAGES = ("enrol", "challenge", "token", "node-key", "hello")


@pytest.fixture
async def box(district):
    return await district.school()


@pytest.fixture
async def hub(as_role):
    return await as_role("postgres")


@pytest.mark.parametrize(
    ("table", "poison"),
    [
        ("person", {"org_id": UUID(int=4).bytes}),  # of another school
        ("progress_fact", {"percent": 101}),  # PostgreSQL says no
        ("progress_fact", {"at_ms": None}),
        ("submission_revision", {"body": "a\0b"}),
        ("grade", {"comment": b"no text"}),
    ],
)
async def test_poison_by_the_thousand_is_put_aside_and_the_rows_behind_it_merged(
    box, hub, table, poison
):
    bad = rows(table, *(values(table, **poison) for _ in range(SEGMENT_ROWS_MAX - 3)))
    began = time.monotonic()
    told = await box.send(bad, facts(3))
    assert time.monotonic() - began < POISON_S_MAX
    assert told.has_exceptions
    ((reason, count),) = await hub.fetch(ASIDE, box.school_id)
    assert (bool(reason), count) == (True, len(bad.rows))
    assert await hub.fetchval(FACTS, box.school_id) == 3
    assert tuple(await hub.fetchrow(TALLY, box.school_id)) == (5_000, 3, len(bad.rows))
    assert len((await box.hello()).exceptions) > 0
    await box.send(facts(1))
    assert await hub.fetchval(FACTS, box.school_id) == 4


async def test_thousands_of_rows_without_a_column_are_put_aside_at_once(box, hub):
    """No released box leaves one out that has no default; also not of a row that is here."""
    names = tuple(column.name for column in TABLE["class_group"].columns)
    known = values("class_group", box.school_id, name="Kidato 1")
    await box.send(rows("class_group", known))
    place = names.index("name")
    sent = [values("class_group", box.school_id) for _ in range(3_000)]
    sent.append((*known[:place], *known[place:-5], 2, *known[-4:]))
    short = [row[:place] + row[place + 1 :] for row in sent]
    began = time.monotonic()
    await box.send(Rows("class_group", names[:place] + names[place + 1 :], short))
    assert time.monotonic() - began < POISON_S_MAX
    assert await hub.fetch(ASIDE, box.school_id) == [("NotNullViolationError name", 3_001)]
    found = await hub.fetch("SELECT name, version FROM class_group")
    assert [tuple(row) for row in found] == [("Kidato 1", 1)]


async def test_rows_that_cannot_be_told_apart_wait_and_hold_nobody_up(box, hub):
    """One at a time they would be thousands of merges, with the school locked."""
    one = new_id()
    nameless = (values("progress_fact", id=None) for _ in range(1_000))
    repeated = (values("progress_fact", id=one, at_ms=at_ms) for at_ms in range(2_000))
    began = time.monotonic()
    await box.send(rows("progress_fact", *nameless, *repeated, *facts(3).rows))
    assert time.monotonic() - began < POISON_S_MAX
    assert sorted(await hub.fetch(ASIDE, box.school_id)) == [
        ("id-is-no-id", 1_000),
        ("repeated-too-often", 2_000),
    ]
    assert await hub.fetchval(FACTS, box.school_id) == 3
    assert [found.pk for found in (await box.hello()).exceptions] == [one]


@pytest.mark.parametrize("message", MESSAGES)
async def test_a_body_is_refused_before_it_is_read(district, box, message):
    """By its length where it is told, and by counting where it is not."""

    async def endless():
        for _ in range(1_000):
            yield bytes(64 << 10)

    headers = box.headers
    for content in (bytes((64 << 10) + 1), endless()):
        answer = await box.client.post(f"/sync/v1/{message}", content=content, headers=headers)
        assert answer.status_code == 413, answer.text


async def test_a_segment_too_large_is_refused_before_it_is_read(box, hub):
    async def endless():
        for _ in range(1_000):
            yield bytes(1 << 20)

    path = f"/sync/v1/streams/{box.node_id}/{box.epoch}/0/segments/1"
    for content in (bytes(HUB_SEGMENT_BYTES_MAX + 1), endless()):
        answer = await box.client.put(path, content=content, headers=box.headers)
        assert answer.status_code == 413, answer.text
    assert await hub.fetchval("SELECT count(*) FROM sync_inbox") == 0
    await box.send(facts(1))


async def test_messages_of_nonsense_are_refused_plainly(box):
    for message in MESSAGES:
        for content in (
            NESTED,
            b"\x81" + encode("later") + NESTED,
            b"\xdd\xff\xff\xff\xff",
            b"\xc1",
        ):
            answer = await box.client.post(
                f"/sync/v1/{message}", content=content[: 60 << 10], headers=box.headers
            )
            assert answer.status_code == 400, answer.text
            assert answer.json()["code"] == "invalid"


async def test_bombs_that_are_signed_are_refused_and_the_stream_goes_on(box, hub):
    for name in ("nested-value", "lists-in-a-value", "lists-for-values", "same-in-every-block"):
        sealed = box.seal(facts(1), key=box.key)
        payload = bomb(box, BOMBS[name])
        path = f"/sync/v1/streams/{box.node_id}/{box.epoch}/0/segments/1"
        answer = await box.client.put(path, content=payload, headers=box.headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "segment-corrupt"), name
    assert (await box.put(sealed)).status_code == 200
    assert await hub.fetchval(FACTS, box.school_id) == 1


def bomb(box, raw):
    """A bomb in this box's name, signed with its key."""
    inside = read_segment(signed(raw))
    own = read_segment(box.seal(facts(1)).payload).header
    header = structs.replace(
        own,
        rows=1,
        body_size=inside.header.body_size,
        body_raw_size=inside.header.body_raw_size,
        body_sha256=inside.header.body_sha256,
    )
    return seal(header, inside.body, box.key).payload


@pytest.mark.parametrize("years", [-50, 50, 200_000_000])
async def test_a_clock_that_is_wrong_by_decades_changes_nothing(box, hub, years):
    now_ms = NOW_MS + years * YEAR_MS
    answer = await box.hello_answer(clock_ms=now_ms)
    assert answer.status_code in {200, 400}, answer.text
    sealed = box.seal(facts(1, at_ms=max(0, min(now_ms, (1 << 63) - 1))), sealed_at_ms=now_ms)
    assert (await box.put(sealed)).status_code == 200
    assert await hub.fetchval(FACTS, box.school_id) == 1
    assert (await box.hello()).streams[0].received_n == 1


async def test_a_replay_here_or_at_another_hub_does_nothing(district, box, hub):
    await box.send(facts(2))
    sealed = box.seal(facts(1), n=1, prev_hash=box.genesis())
    assert (await box.put(sealed, n=1)).status_code == 409  # the same number, another content
    stolen = Box(district.client)
    stolen.hub, stolen.key = box.hub, box.key
    await stolen.enrol(await district.token())
    await stolen.sign_in()
    for changes in (
        {"school_id": box.school_id, "node_id": box.node_id},
        {"hub_id": UUID(int=5)},
        {"node_id": box.node_id},
        {"school_id": box.school_id},
    ):
        answer = await stolen.put(stolen.seal(facts(1), **changes))
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong-school"), changes
    assert (await stolen.put(stolen.seal(facts(1), key=SigningKey.generate()))).status_code == 403
    assert await hub.fetchval(FACTS, box.school_id) == 2
    assert await hub.fetchval(FACTS, stolen.school_id) == 0


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.integers(0, 300),
    st.integers(0, (1 << 63) - 1),
    st.integers(0, (1 << 63) - 1),
    st.integers(0, (1 << 63) - 1),
    st.integers(-(1 << 66), 1 << 66),
)
async def test_any_numbers_in_hello_get_an_answer_or_a_refusal(
    box, lane, cur_n, trimmed_n, cursor, clock_ms
):
    stream = {"lane": min(lane, 255), "cur_n": cur_n, "cur_hash": bytes(32), "trimmed_n": trimmed_n}
    told = {"streams": [StreamState(**stream)], "self_cursor": cursor}
    if -(1 << 63) <= clock_ms < 1 << 64:
        told["clock_ms"] = clock_ms
    answer = await box.hello_answer(**told)
    assert answer.status_code in {200, 400}, answer.text
    assert (await box.hello_answer()).status_code == 200
