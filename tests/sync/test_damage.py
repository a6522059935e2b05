"""A card that loses bits: what waits there for the district can no longer be what was sealed."""

import hashlib
from uuid import UUID

import pytest
from msgspec import structs

from sync.agent import session
from sync.agent.__main__ import run
from sync.agent.keys import read_node_key
from sync.agent.line import QUIET_S
from sync.agent.pace import WAIT_S_MAX
from sync.agent.sealing import Share, Stamp, seal_rows
from sync.agent.session import FORKS_MAX
from sync.agent.status import status
from sync.agent.stick import OWED
from sync.agent.store import identity, streams
from sync.core.segment import read_segment, seal
from tests.sync.web import NOW_MS, add_group, claim, problem, wish

pytestmark = pytest.mark.anyio

STAMP = Stamp(now_ms=NOW_MS, clock_quality=1, schema_version=2, app_version="0.2.0")
GROUPS = 5
SCHOOL = UUID(int=2)


@pytest.fixture
async def joined(agent, box, settings, db):
    """A school at the hub, and some classes that are sealed and not sent."""
    claim(box)
    wish(box)
    await agent.one_try()
    for number in range(GROUPS):
        add_group(box, 10 + number)
        seal_waiting(db, settings)
    return agent


def seal_waiting(db, settings):
    me = identity(db)
    seal_rows(db, me, streams(db, me.epoch)[0], read_node_key(settings.keys), STAMP, Share())


def flip(at):
    def damage(payload):
        spot = at % len(payload)
        return payload[:spot] + bytes([payload[spot] ^ 4]) + payload[spot + 1 :]

    return damage


DAMAGES = {
    "magic": flip(0),
    "length of the header": flip(6),
    "header": flip(40),
    "body": flip(-70),
    "cut off": lambda payload: payload[:100],
    "nothing left": lambda _payload: b"",
}


def spoil(box, n, damage):
    where = "FROM sync_segment WHERE n = ?1"
    ((payload,),) = box.execute(f"SELECT payload {where}", (n,)).fetchall()
    box.execute("UPDATE sync_segment SET payload = ?2 WHERE n = ?1", (n, damage(payload)))


def is_whole(web):
    return len(web.hub.schools[SCHOOL].rows) == 1 + GROUPS


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_rows_go_again_when_their_segment_is_damaged(joined, web, box, db, damage):
    before = identity(db).epoch
    spoil(box, 4, damage)
    assert await joined.one_try() == QUIET_S
    told = status(db)
    assert (told.waiting, told.recovery_due, told.contact.error) == (0, False, None)
    assert identity(db).epoch != before
    assert told.left_reason == "payload-damaged"
    assert told.left_at_ms == NOW_MS
    assert is_whole(web)
    after = identity(db).epoch
    assert await joined.one_try() == QUIET_S  # and is at rest
    assert identity(db).epoch == after
    assert db.value("SELECT count(*) FROM sync_chain WHERE epoch = ?1", (before,)) == 1 + GROUPS


async def test_a_damaged_signature_is_made_again(joined, web, box, db):
    before = identity(db).epoch
    spoil(box, 4, flip(-1))
    await joined.one_try()
    assert identity(db).epoch == before
    assert is_whole(web)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM sync_segment WHERE n = 4",
        "UPDATE sync_chain SET hash = zeroblob(32) WHERE n = 4",
    ],
)
async def test_a_lost_segment_or_a_damaged_chain_is_mended_the_same_way(joined, web, box, db, sql):
    box.execute(sql)
    assert await joined.one_try() == QUIET_S
    assert status(db).left_reason == "payload-damaged"
    assert is_whole(web)


def sealed_wrong(payload, key):
    segment = read_segment(payload)
    body = segment.body[:-1] + bytes([segment.body[-1] ^ 4])
    digest = hashlib.sha256(body).digest()
    return seal(structs.replace(segment.header, body_sha256=digest), body, key)


async def test_what_was_sealed_wrong_is_found_out_by_what_the_hub_says(
    joined, web, box, db, settings
):
    """Damaged in memory before it was hashed: the chain agrees, and nobody can read it."""
    ((payload,),) = box.execute("SELECT payload FROM sync_segment WHERE n = 4").fetchall()
    bad = sealed_wrong(payload, read_node_key(settings.keys))
    box.execute("UPDATE sync_segment SET payload = ?1 WHERE n = 4", (bad.payload,))
    box.execute("UPDATE sync_chain SET hash = ?1 WHERE n = 4", (bad.hash,))
    put = web.put

    def read(body):
        is_bad = read_segment(body).hash == bad.hash
        return problem(400, "segment-corrupt", "Damaged") if is_bad else put(body)

    web.put = read
    assert await joined.one_try() == QUIET_S
    assert status(db).left_reason == "payload-damaged"
    assert is_whole(web)


async def test_a_card_that_damages_whatever_is_sealed_is_left_alone(
    joined, web, box, db, monkeypatch
):
    """Every epoch would cost it another writing of everything."""
    monkeypatch.setattr(session, "is_intact", lambda _payload, _hash: False)
    assert await joined.one_try() < WAIT_S_MAX
    assert db.value("SELECT count(DISTINCT epoch) FROM sync_chain") <= FORKS_MAX + 1
    monkeypatch.undo()
    await joined.one_try()
    assert is_whole(web)


async def test_an_export_leaves_a_damaged_lineage_and_asks_for_the_answer(
    joined, web, box, db, settings, tmp_path, monkeypatch, capsys
):
    before = identity(db).epoch
    spoil(box, 4, flip(-70))
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    stick = tmp_path / "stick"
    stick.mkdir()
    assert run(["export", str(stick)]) == 0
    assert OWED in capsys.readouterr().out
    assert identity(db).epoch != before
    assert [each.name for each in stick.rglob("*") if each.is_file()] == ["manifest.bin"]
    assert status(db).left_reason == "payload-damaged"
