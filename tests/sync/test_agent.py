"""The agent over HTTP, against a hub in memory: what it says, and what it does when told no."""

import asyncio
from uuid import UUID

import httpx
import pytest

from sync.agent import enrolment, retention
from sync.agent.faults import KeyMissing
from sync.agent.keys import NODE_KEY, make_node_key, read_node_key
from sync.agent.line import QUIET_S
from sync.agent.pace import (
    SEND_S_GOOD,
    SIZE_BYTES_FIRST,
    SIZE_BYTES_MIN,
    WAIT_S_FIRST,
    WAIT_S_MAX,
    Pace,
)
from sync.agent.sealing import Stamp
from sync.agent.status import status
from sync.merge import image_of
from sync.protocol import SEGMENT_RAW_BYTES_MAX, SignedHello
from sync.registry import TABLE
from tests.simulation.district import Held
from tests.sync.web import NOW_MS, add_group, claim, problem, told, wish

pytestmark = pytest.mark.anyio


async def test_a_box_without_a_district_says_nothing(agent, web, box):
    claim(box)
    assert await agent.one_try() == QUIET_S
    assert web.asked == []


async def test_adopting_a_school_sends_everything_it_has(agent, web, box, db):
    claim(box)
    add_group(box, 10)
    wish(box)
    assert await agent.one_try() == QUIET_S
    held = web.hub.schools[UUID(int=2)].rows
    assert {name for name, _ in held} == {"org_unit", "class_group"}
    told = status(db)
    assert (told.is_enrolled, told.waiting, told.contact.contact_at_ms) == (True, 0, NOW_MS)
    assert told.contact.error is None
    assert db.value("SELECT count(*) FROM hub_enrolment") == 0


async def test_a_conversation_with_nothing_to_say_is_one_hello(agent, web, box):
    claim(box)
    wish(box)
    await agent.one_try()
    web.asked.clear()
    await agent.one_try()
    assert web.asked == [("POST", "/sync/v1/hello")]


async def test_a_wrong_token_is_told_to_the_keeper_in_the_hubs_words(agent, web, box, db):
    claim(box)
    wish(box, "wrong")
    await agent.one_try()
    told = "The district's hub refused. This enrolment token is not known."
    assert status(db).contact.error.startswith(told)
    wish(box)
    await agent.one_try()
    assert status(db).contact.error is None


async def test_replacing_fetches_the_school_before_anything_is_sent(agent, web, box, db):
    """Another box was here before; this one has a key and nothing else."""
    first = {("org_unit", web.school_id.bytes): "Shule ya Mlima"}
    web.hub.enrol(web.school_id, UUID(int=1), bytes(32))
    fill(web.hub, web.school_id, first)
    wish(box)
    await agent.one_try()
    assert box.execute("SELECT name FROM org_unit").fetchall() == [("Shule ya Mlima",)]
    assert db.value("SELECT school_id FROM sync_identity") == web.school_id.bytes
    assert status(db).recovery_due is False
    puts = [number for number, (method, _) in enumerate(web.asked) if method == "PUT"]
    pulls = [number for number, (_, path) in enumerate(web.asked) if path.endswith("/pull")]
    assert max(pulls) < min(puts)


def fill(hub, school_id, named):
    school = hub.schools[school_id]
    epoch = UUID(int=99)
    for (table, pk), name in named.items():
        values = (pk, None, "school", name, "sw", 3, 0, None, 0, None)
        school.change_no += 1
        image = image_of(TABLE[table], values, epoch.bytes)
        school.rows[table, pk] = Held(values, image, school.change_no)
    school.heads[epoch] = school.change_no


@pytest.mark.parametrize(
    ("answer", "least_s"),
    [
        (httpx.Response(503, headers={"retry-after": "40"}), 40),
        (httpx.Response(429), 30),
        (httpx.Response(502, text="<html>bad gateway</html>"), 0),
        (problem(500, "internal", "Something broke"), 0),
        (problem(401, "node-unknown", "This token has run out"), WAIT_S_MAX),
        (httpx.Response(200, text="a captive portal says hello"), WAIT_S_MAX),
    ],
)
async def test_whatever_answers_the_agent_goes_on_later(agent, web, box, db, answer, least_s):
    claim(box)
    wish(box)
    await agent.one_try()
    add_group(box, 10)
    web.trouble = lambda _request: answer
    wait_s = await agent.one_try()
    assert least_s <= wait_s <= max(least_s * 1.5, least_s + WAIT_S_FIRST)
    assert status(db).waiting == 1
    web.trouble = lambda _request: None
    await agent.one_try()
    assert status(db).waiting == 0


async def test_no_link_is_normal(agent, web, box, db):
    claim(box)
    wish(box)
    await agent.one_try()

    def cut(_request):
        raise httpx.ConnectError("no route")

    web.trouble = cut
    assert await agent.one_try() <= WAIT_S_FIRST
    told = status(db).contact.error
    assert "cannot be reached. Nothing is lost" in told
    assert "ConnectError" not in told
    web.trouble = lambda _request: None
    await agent.one_try()
    assert status(db).contact.error is None


async def test_a_token_that_ran_out_is_renewed_in_silence(agent, web, box, db):
    claim(box)
    wish(box)
    refusals = iter([problem(401, "node-unknown", "This token has run out")])
    web.trouble = lambda request: next(refusals, None) if "hello" in request.url.path else None
    assert await agent.one_try() == QUIET_S
    assert status(db).contact.error is None
    assert web.asked.count(("POST", "/sync/v1/token")) == 2


async def test_a_stranger_at_the_hubs_address_is_not_believed(agent, web, box, db):
    claim(box)
    wish(box)
    await agent.one_try()
    add_group(box, 10)
    stranger = SignedHello(body=b"whatever", signature=bytes(64))
    web.trouble = lambda request: told(stranger) if "hello" in request.url.path else None
    assert await agent.one_try() == WAIT_S_MAX
    assert "not from this box's hub" in status(db).contact.error
    assert status(db).waiting == 1


async def test_a_hub_with_another_history_gets_everything_again(agent, web, box, db):
    claim(box)
    wish(box)
    await agent.one_try()
    epoch = db.value("SELECT epoch FROM sync_identity")
    del web.hub.schools[UUID(int=2)]
    web.hub.enrol(UUID(int=2), UUID(int=1), web.hub.node_keys[UUID(int=1)][1][0])
    await agent.one_try()
    assert db.value("SELECT epoch FROM sync_identity") != epoch
    assert set(web.hub.schools[UUID(int=2)].rows) == {("org_unit", UUID(int=2).bytes)}


async def test_the_loop_wakes_when_the_box_has_written(agent, web, box):
    claim(box)
    wish(box)
    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(agent.run())
        await web.rows_came(1)
        add_group(box, 10)
        await web.rows_came(2)
        running.cancel()


async def test_payloads_go_when_they_are_applied_and_old(agent, box, db):
    claim(box)
    wish(box)
    for number in range(3):
        add_group(box, 10 + number)
        await agent.one_try()
    kept = "SELECT count(*) FROM sync_segment"
    retention.trim(db, now_ms=NOW_MS)
    assert db.value(kept) == 3
    retention.trim(db, now_ms=NOW_MS + retention.KEEP_MS + 1)
    assert db.value(kept) == 0
    assert db.value("SELECT count(*) FROM sync_chain") == 3
    assert db.value("SELECT trimmed_n FROM sync_stream WHERE lane = 0") == 3


def test_waiting_doubles_up_to_a_quarter_of_an_hour():
    pace = Pace(lambda: 1.0)
    assert [pace.failed() for _ in range(4)] == [5, 10, 20, 40]
    assert [pace.failed() for _ in range(9)][-1] == WAIT_S_MAX
    pace.heard()
    assert pace.failed() == WAIT_S_FIRST


def test_nobody_comes_back_in_the_very_second_the_hub_has_named():
    waits = [Pace(lambda share=share: share).asked_to_wait(40) for share in (0.0, 0.5, 1.0)]
    assert waits == [40, 50, 60]


@pytest.mark.parametrize(
    ("bytes_s", "packing", "raw_bytes"),
    [
        (8_000, 4, 8_000 * 4 * SEND_S_GOOD),  # 64 kbit/s
        (2_000, 4, 2_000 * 4 * SEND_S_GOOD),  # 16 kbit/s
        (500, 4, SIZE_BYTES_MIN),
        (1_000_000, 4, SEGMENT_RAW_BYTES_MAX),
        (32_000, 1, 32_000 * SEND_S_GOOD),  # photographs do not pack
    ],
)
def test_a_segment_takes_about_six_seconds_of_the_link(bytes_s, packing, raw_bytes):
    pace = Pace(lambda: 1.0)
    for _ in range(12):
        sent = pace.size_bytes / packing
        pace.sent(int(sent), pace.size_bytes, sent / bytes_s)
    assert pace.size_bytes == pytest.approx(raw_bytes, rel=0.05)


def test_what_is_lost_halves_a_segment_and_what_is_tiny_tells_nothing():
    pace = Pace(lambda: 1.0)
    pace.lost()
    assert pace.size_bytes == SIZE_BYTES_FIRST // 2
    pace.sent(300, 900, 0.9)
    assert pace.size_bytes == SIZE_BYTES_FIRST // 2
    for _ in range(9):
        pace.lost()
    assert pace.size_bytes == SIZE_BYTES_MIN


def test_a_key_is_made_once_and_readable_by_the_box_alone(tmp_path):
    with pytest.raises(KeyMissing):
        read_node_key(tmp_path)
    made = make_node_key(tmp_path)
    assert make_node_key(tmp_path) == made == read_node_key(tmp_path)
    assert (tmp_path / NODE_KEY).stat().st_mode & 0o777 == 0o600
    (tmp_path / NODE_KEY).write_bytes(b"short")
    with pytest.raises(KeyMissing):
        read_node_key(tmp_path)


def test_a_board_asks_under_the_same_id_every_time(db, settings):
    key = read_node_key(settings.keys)
    stamp = Stamp(now_ms=NOW_MS, clock_quality=1, schema_version=2, app_version="0.1.0")
    asked = enrolment.Wish("http://hub.example", "right", NOW_MS)
    first, second = (enrolment.request_for(db, asked, key, stamp, "") for _ in range(2))
    assert first == second
    assert (first.mode, first.school_id) == ("replace", None)
