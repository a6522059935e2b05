"""A lost box is closed: nobody lets it in, and what it has signed waits for somebody to look."""

import asyncio
from uuid import UUID

import pytest

from sync.core.columns import Rows, unpack
from sync.hub.database import SCOPE
from sync.hub.intake.accepting import NOTE_ARRIVAL
from sync.hub.intake.receipts import lock_school
from sync.merge import row_hash
from sync.protocol import SegmentAnswer, decode
from sync.registry import TABLE
from tests.hub.cast import NOW_MS, Box, facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

REASON = "Stolen from the bus."
ASIDE = "SELECT reason, count(*) FROM sync_quarantine WHERE school_id = $1 GROUP BY reason"
FACTS = "SELECT count(*) FROM progress_fact WHERE school_id = $1"
RAWS = "SELECT count(*) FROM sync_raw WHERE school_id = $1"


@pytest.fixture
async def hub(as_role):
    return await as_role("postgres")


@pytest.fixture
async def box(district):
    return await district.school()


def path_of(box, rest=""):
    return f"/api/v1/schools/{box.school_id}/boxes{rest}"


async def revoke(district, box, **changes):
    path = path_of(box, f"/{box.node_id}/revocation")
    return await district.client.post(path, json={"reason": REASON} | changes)


def refusal(answer):
    return answer.status_code, answer.json()["code"]


async def test_a_closed_box_gets_no_token_and_no_hello(district, box):
    answer = await revoke(district, box)
    assert answer.status_code == 200, answer.text
    assert refusal(await box.hello_answer()) == (403, "node-revoked")
    assert refusal(await box.prove(await box.challenge())) == (403, "node-revoked")
    for path in ("/sync/v1/digests", f"/sync/v1/pull?epoch={box.epoch}&cursor=0"):
        assert refusal(await box.client.get(path, headers=box.headers)) == (403, "node-revoked")


async def test_what_a_closed_box_still_brings_is_kept_and_waits(district, box, hub):
    await box.send(facts(1))
    await revoke(district, box)
    sealed = box.seal(facts(3))
    answer = await box.put(sealed)
    assert answer.status_code == 200, answer.text
    assert decode(answer.content, SegmentAnswer).has_exceptions
    assert await hub.fetch(ASIDE, box.school_id) == [("node-revoked", 3)]
    assert (await hub.fetchval(FACTS, box.school_id), await hub.fetchval(RAWS, box.school_id)) == (
        1,
        2,
    )
    assert (await box.put(sealed, n=2)).status_code == 200  # again: nothing is kept twice
    assert await hub.fetch(ASIDE, box.school_id) == [("node-revoked", 3)]


async def test_the_district_releases_what_it_finds_sound(district, box, hub):
    await revoke(district, box)
    await box.put(box.seal(facts(3)))
    path = f"/api/v1/schools/{box.school_id}/aside/replay"
    choice = {"tbl": "progress_fact", "reason": "node-revoked"}
    answer = await district.client.post(path, json=choice)
    assert answer.status_code == 200, answer.text
    assert await hub.fetchval(FACTS, box.school_id) == 3
    open_rows = "SELECT count(*) FROM sync_quarantine WHERE resolved_at_ms IS NULL"
    assert await hub.fetchval(open_rows) == 0


async def test_a_forgotten_person_is_not_released_with_the_rest(district, box, hub):
    amina = UUID(int=0xA1)
    person = values("person", box.school_id, id=amina.bytes, display_name="Amina Otieno")
    await box.send(rows("person", person))
    wish = {"person_id": str(amina), "name": "Amina Otieno", "reason": "A parent asked."}
    await revoke(district, box)
    await box.put(box.seal(facts(2, person_id=amina.bytes), facts(1)))
    answer = await district.client.post(f"/api/v1/schools/{box.school_id}/erasures", json=wish)
    assert answer.status_code == 201, answer.text
    assert await hub.fetch(ASIDE, box.school_id) == [("node-revoked", 1)]
    path = f"/api/v1/schools/{box.school_id}/aside/replay"
    choice = {"tbl": "progress_fact", "reason": "node-revoked"}
    assert (await district.client.post(path, json=choice)).json()["merged"] == 1
    assert await hub.fetchval(FACTS, box.school_id) == 1


async def test_the_boards_of_a_school_are_listed_with_what_became_of_them(district, box):
    other = Box(district.client)
    await other.enrol(
        await district.token(mode="replace", school_id=str(box.school_id)),
        mode="replace",
        school_id=None,
    )
    await revoke(district, box)
    await revoke(district, box, reason="A second reason changes nothing.")
    boards = (await district.client.get(path_of(box))).json()
    assert [board["state"] for board in boards] == ["active", "revoked"]
    assert boards[1]["revoked_reason"] == REASON
    assert boards[1]["revoked_by"] == "Fatuma Noor"
    page = (await district.client.get(f"/schools/{box.school_id}/boxes")).text
    assert REASON in page
    assert page.count("Close this box") == 1


async def test_the_page_closes_a_box(district, box):
    path = f"/schools/{box.school_id}/boxes"
    answer = await district.client.post(f"{path}/{box.node_id}/revocation", data={"reason": REASON})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert refusal(await box.hello_answer()) == (403, "node-revoked")


async def test_a_box_is_closed_by_its_district_alone(district, box):
    other = await district.school("Riverside School")
    foreign = path_of(other, f"/{box.node_id}/revocation")
    for path, body, status in (
        (foreign, {"reason": REASON}, 404),
        (path_of(box, f"/{UUID(int=9)}/revocation"), {"reason": REASON}, 404),
        (path_of(Box(district.client), f"/{box.node_id}/revocation"), {"reason": REASON}, 404),
        (path_of(box, f"/{box.node_id}/revocation"), {"reason": ""}, 400),
    ):
        assert (await district.client.post(path, json=body)).status_code == status, path
    district.client.cookies.clear()
    assert (await revoke(district, box)).status_code == 401
    assert (await box.hello_answer()).status_code == 200


PERSON = "SELECT display_name, owner_epoch, version, row_hash FROM person WHERE id = $1"
BESIDE = "SELECT count(*) FROM sync_conflict WHERE school_id = $1"
AMINA = UUID(int=0xA1)
WAITING = "SELECT n FROM sync_quarantine WHERE resolved_at_ms IS NULL ORDER BY n"


def amina(box, name, version):
    named = {"id": AMINA.bytes, "display_name": name, "version": version}
    return rows("person", values("person", box.school_id, **named))


async def successor(district, box):
    other = Box(district.client)
    token = await district.token(mode="replace", school_id=str(box.school_id))
    await other.enrol(token, mode="replace", school_id=None)
    await other.sign_in()
    return other


async def pulled(box, table="person"):
    """The rows of a table that a pull from the beginning brings, by id."""
    page = await box.pull()
    found = [part for part in map(unpack, page.rows) if part.table == table]
    return {row[0]: list(row) for part in found for row in part.rows}


async def release(district, box, table="person"):
    path = f"/api/v1/schools/{box.school_id}/aside/replay"
    answer = await district.client.post(path, json={"tbl": table, "reason": "node-revoked"})
    assert answer.status_code == 200, answer.text
    return answer.json()["merged"]


async def test_what_a_closed_box_owned_passes_on_under_a_higher_number(district, box, hub):
    """The lost board wrote for a year; its successor has written once."""
    await box.send(amina(box, "Amina Otieno", 1), facts(2))
    await revoke(district, box)
    passed = await hub.fetchrow(PERSON, AMINA)
    assert (passed["owner_epoch"], passed["version"]) == ((1 << 32) + 1, 2)
    after = await successor(district, box)
    mine = (await pulled(after))[AMINA.bytes]
    assert row_hash(TABLE["person"], mine) == passed["row_hash"]
    await after.send(rows("person", tuple(mine)))  # what a pull brought goes up again
    await box.put(box.seal(amina(box, "Of a thief", 900), facts(1)))
    names = [column.name for column in TABLE["person"].columns]
    mine[names.index("display_name")], mine[names.index("version")] = "Amina O. Wanjiru", 3
    await after.send(rows("person", tuple(mine)))
    assert await release(district, box) == 1
    assert (await hub.fetchrow(PERSON, AMINA))["display_name"] == "Amina O. Wanjiru"
    assert await hub.fetchval(BESIDE, box.school_id) == 1


async def test_closing_a_box_twice_passes_its_rows_on_once(district, box, hub):
    await box.send(amina(box, "Amina Otieno", 1))
    for _ in range(2):
        await revoke(district, box)
    assert (await hub.fetchrow(PERSON, AMINA))["version"] == 2


async def test_a_board_closed_after_it_was_replaced_never_outranks_its_successor(
    district, box, hub
):
    """Nothing is raised over what the successor has not sent; the late rows stay beside."""
    await box.send(amina(box, "Amina Otieno", 1))
    after = await successor(district, box)
    await after.pull()
    await revoke(district, box)
    assert (await hub.fetchrow(PERSON, AMINA))["version"] == 1
    await box.put(box.seal(amina(box, "Of a thief", 900)))
    assert await release(district, box) == 1
    assert (await hub.fetchrow(PERSON, AMINA))["display_name"] == "Amina Otieno"
    await after.send(amina(box, "Amina O. Wanjiru", 2))
    assert (await hub.fetchrow(PERSON, AMINA))["display_name"] == "Amina O. Wanjiru"
    assert await hub.fetchval(BESIDE, box.school_id) == 2  # the thief's, and what it followed
    assert await hub.fetch(ASIDE + " HAVING count(resolved_at_ms) < count(*)", box.school_id) == []


async def test_what_a_closed_box_brings_and_nobody_else_has_is_taken(district, box, hub):
    """A successor changes nothing about rows it never knew, and the same image is no rival."""
    await box.send(amina(box, "Amina Otieno", 1))
    await successor(district, box)
    await revoke(district, box)
    jose = values("person", box.school_id, display_name="José Álvarez-Núñez")
    same = amina(box, "Amina Otieno", 1).rows[0]
    await box.put(box.seal(rows("person", jose, same)))
    assert await release(district, box) == 2
    assert (await hub.fetchrow(PERSON, UUID(bytes=jose[0])))["display_name"] == "José Álvarez-Núñez"
    assert await hub.fetchval(BESIDE, box.school_id) == 0


async def test_facts_of_a_closed_box_are_taken_and_a_later_release_s_row_is_kept_whole(
    district, box, hub
):
    """A fact outranks nothing. What has no place here yet is kept beside with the rest."""
    await box.send(amina(box, "Amina Otieno", 1))
    await successor(district, box)
    await revoke(district, box)
    late = amina(box, "Of a thief", 900)
    wide = Rows("person", (*late.columns, "nickname"), [(*row, "Wanjiru") for row in late.rows])
    await box.put(box.seal(wide, facts(2)))
    assert await release(district, box, "progress_fact") == 2
    assert await hub.fetchval(FACTS, box.school_id) == 2
    assert await release(district, box) == 1
    (kept,) = await hub.fetch("SELECT image FROM sync_conflict WHERE tbl = 2")
    assert b"Wanjiru" in kept["image"]
    assert (await hub.fetchrow(PERSON, AMINA))["display_name"] == "Amina Otieno"


async def test_a_row_released_alone_leaves_its_later_images_waiting(district, box, hub):
    """Looked at one by one: what is merged answers for what came before it, not after."""
    await revoke(district, box)
    for version, name in ((1, "Amina"), (2, "Amina O."), (3, "Amina Otieno")):
        await box.send(amina(box, name, version))
    path = path_of(box)[: -len("boxes")] + "aside/replay"
    first = await hub.fetchval("SELECT id FROM sync_quarantine WHERE n = 1")
    answer = await district.client.post(path, json={"row_id": str(first)})
    assert answer.json() == {"merged": 1, "still_aside": 0, "left": 0}
    assert await hub.fetch(WAITING) == [(2,), (3,)]
    last = await hub.fetchval("SELECT id FROM sync_quarantine WHERE n = 3")
    assert (await district.client.post(path, json={"row_id": str(last)})).status_code == 200
    assert await hub.fetch(WAITING) == []
    assert (await hub.fetchrow(PERSON, AMINA))["display_name"] == "Amina Otieno"


async def test_a_row_put_beside_leaves_its_later_images_waiting(district, box, hub):
    await box.send(amina(box, "Amina Otieno", 1))
    await successor(district, box)
    await revoke(district, box)
    for version in (2, 3):
        await box.send(amina(box, f"Of a thief {version}", version))
    path = path_of(box)[: -len("boxes")] + "aside/replay"
    first = await hub.fetchval("SELECT id FROM sync_quarantine WHERE n = 2")
    assert (await district.client.post(path, json={"row_id": str(first)})).status_code == 200
    assert await hub.fetch(WAITING) == [(3,)]
    assert await hub.fetchval(BESIDE, box.school_id) == 1


WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.mark.parametrize("asks", ["hello", "revocation"])
async def test_whoever_writes_of_a_box_waits_for_its_school_first(district, box, as_role, asks):
    """A segment holds its school and then notes that its box was heard: nobody the other way."""
    taking, watching = await as_role("darasa_ingest"), await as_role("postgres")
    await box.send(facts(1))
    async with taking.transaction():
        await taking.fetchval(SCOPE, str(box.school_id), "")
        await lock_school(taking, box.school_id)
        asking = asyncio.create_task(
            box.hello_answer() if asks == "hello" else revoke(district, box)
        )
        async with asyncio.timeout(10):
            while not await watching.fetchval(WAITS):  # noqa: ASYNC110 -- a lock has no event
                await asyncio.sleep(0.01)
        await taking.execute(NOTE_ARRIVAL, box.school_id, box.node_id, NOW_MS, 1)
    assert (await asking).status_code == 200
