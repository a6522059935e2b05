"""A person is forgotten by the district, and nothing that comes later brings them back."""

from uuid import UUID

import asyncpg
import httpx
import pytest

from sync.core.columns import Rows, unpack
from sync.hub.app import create_app
from sync.hub.erasure.listing import read_list
from sync.protocol import FeedPage, SignedFeed, decode
from sync.registry import TABLE, TABLES
from tests.hub.cast import Box, new_id, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

AMINA, JOSE, TEACHER = (UUID(int=number) for number in (0xA1, 0xA2, 0xA3))
NAMES = {AMINA: "Amina Otieno", JOSE: "José Álvarez-Núñez", TEACHER: "نور الهدى"}
SUBJECTS = {table.name: table.subject for table in TABLES if table.subject}
BY_THE_HUB = {"command"}
SCOPE = "SELECT set_config('app.school_id', $1, true), set_config('app.district', $2, true)"


def about(box, person, **changes):
    """One row in every table that has rows about people, as the box sends them."""
    enrolment = new_id()
    usual = {
        "person": {"org_id": box.school_id.bytes, "display_name": NAMES[person]},
        "enrolment": {"id": enrolment},
        "progress_fact": {"enrolment_id": enrolment},
        "grade": {"by_person_id": TEACHER.bytes},
        "command_result": {"state": "applied"},
        "proposal": {"kind": "other"},
    }
    return [
        rows(
            name,
            values(name, **({subject: person.bytes} | usual.get(name, {}) | changes.get(name, {}))),
        )
        for name, subject in SUBJECTS.items()
        if name not in BY_THE_HUB
    ]


@pytest.fixture
async def box(district):
    """A school with two pupils and a teacher."""
    box = await district.school()
    await box.send(*about(box, AMINA))
    await box.send(*about(box, JOSE))
    role = {"role_assignment": {"role": "teacher"}}
    await box.send(*about(box, TEACHER, **role))
    return box


@pytest.fixture
async def hub(as_role):
    return await as_role("postgres")


def path_of(box, rest=""):
    return f"/api/v1/schools/{box.school_id}/erasures{rest}"


async def erase(district, box, person=AMINA, **changes):
    wish = {"person_id": str(person), "name": NAMES[person], "reason": "A parent asked."}
    return await district.client.post(path_of(box), json=wish | changes)


async def traces(hub, box, person):
    """How many rows of each table are about somebody."""
    counts = {}
    for name, subject in SUBJECTS.items():
        sql = f"SELECT count(*) FROM {name} WHERE school_id = $1 AND {subject} = $2"
        counts[name] = await hub.fetchval(sql, box.school_id, person)
    for name in ("sync_quarantine", "sync_conflict", "sync_extra"):
        sql = f"SELECT count(*) FROM {name} WHERE school_id = $1 AND position($2 IN image) > 0"
        counts[name] = await hub.fetchval(
            sql, box.school_id, b"\xa9person_id\xc4\x10" + person.bytes
        )
    return {name: count for name, count in counts.items() if count}


async def test_every_row_about_the_person_is_gone_and_nobody_else_s(district, box, hub):
    before = await traces(hub, box, JOSE)
    assert set(await traces(hub, box, AMINA)) == SUBJECTS.keys() - BY_THE_HUB
    assert (await erase(district, box)).status_code == 201
    assert await traces(hub, box, AMINA) == {}
    assert await traces(hub, box, JOSE) == before
    raws = "SELECT count(*) FROM sync_raw WHERE school_id = $1"
    assert await hub.fetchval(raws, box.school_id) == 0
    progress = "SELECT count(*) FROM section_progress WHERE school_id = $1"
    assert await hub.fetchval(progress, box.school_id) == 2  # of the other two


async def test_what_was_put_aside_about_the_person_is_gone_too(district, box, hub):
    await box.send(rows("person", values("person", UUID(int=4), id=AMINA.bytes)))
    await box.send(rows("grade", values("grade", person_id=AMINA.bytes, points_mp=-1)))
    await box.send(rows("grade", values("grade", person_id=JOSE.bytes, points_mp=-1)))
    strange = Rows("mood", ("id", "person_id"), [(bytes(16), AMINA.bytes), (bytes(15), JOSE.bytes)])
    await box.send(strange)
    await erase(district, box)
    left = await hub.fetch("SELECT tbl FROM sync_quarantine WHERE school_id = $1", box.school_id)
    assert sorted(row["tbl"] for row in left) == ["grade", "mood"]


async def test_what_comes_later_is_counted_and_not_kept(district, box, hub):
    """An old board, a late stick, a cloned card: all end in the same place."""
    await erase(district, box)
    sent = about(box, AMINA)
    told = await box.send(*sent)
    last = await hub.fetchrow(
        "SELECT rows, erased FROM sync_inbox WHERE school_id = $1 AND n = $2",
        box.school_id,
        told.received_n,
    )
    assert tuple(last) == (len(sent), len(sent))
    assert await hub.fetchval("SELECT count(*) FROM sync_raw") == 0
    assert await traces(hub, box, AMINA) == {}
    await box.send(*about(box, AMINA, grade={"points_mp": -1}), *about(box, JOSE)[:1])
    assert await traces(hub, box, AMINA) == {}
    assert await hub.fetchval("SELECT count(*) FROM sync_quarantine") == 0
    await box.send(Rows("mood", ("id", "person_id"), [(bytes(16), AMINA.bytes)]))
    assert await hub.fetchval("SELECT count(*) FROM sync_quarantine") == 0


async def test_the_list_reaches_the_box_and_its_answer_makes_the_certificate(district, box, watch):
    asked = (await erase(district, box)).json()
    assert (asked["is_done"], asked["done_at_ms"], len(asked["boxes"])) == (False, None, 1)
    page = await fed(box)
    assert [row[0] for row in page["erasure"]] == [AMINA.bytes]
    answer = values(
        "erasure_answer", erasure_id=AMINA.bytes, node_id=box.node_id.bytes, rows_erased=12, at_ms=7
    )
    await box.send(rows("erasure_answer", answer))
    done = (await district.client.get(path_of(box, f"/{AMINA}"))).json()
    assert (done["is_done"], done["done_at_ms"]) == (True, 7)
    assert done["boxes"][0]["rows_erased"] == 12
    assert done["asked_by"] == "Fatuma Noor"
    listed = (await district.client.get(path_of(box))).json()
    assert [(one["boxes"], one["answered"]) for one in listed] == [(1, 1)]
    text = (await district.client.get(f"/schools/{box.school_id}/erasures/{AMINA}")).text
    assert "Every box of the school at work has forgotten this person" in text
    assert NAMES[AMINA] not in text


async def fed(box):
    """Everything the feed brings a box of its school, by table."""
    path = (
        f"/sync/v1/feed?scope_id={box.school_id}&incarnation={box.incarnation}"
        "&system=&timeline=0&xid=0&no=0&limit=100"
    )
    answer = await box.client.get(path, headers=box.headers)
    assert answer.status_code == 200, answer.text
    page = decode(decode(answer.content, SignedFeed).body, FeedPage)
    found = {rows.table: rows.rows for rows in map(unpack, page.rows)}
    return found | {"gone": [(gone.t, gone.pk) for gone in page.gone]}


async def test_a_teacher_becomes_a_row_without_a_name(district, box, hub):
    """The marks are the pupils'; who gave them is an id that leads nowhere."""
    assert (await erase(district, box, TEACHER)).status_code == 201
    assert await traces(hub, box, TEACHER) == {"person": 1}
    person = await hub.fetchrow(
        "SELECT display_name, given_name, state FROM person WHERE school_id = $1 AND id = $2",
        box.school_id,
        TEACHER,
    )
    assert tuple(person) == ("-", None, "erased")
    marks = "SELECT count(*) FROM grade WHERE school_id = $1 AND by_person_id = $2"
    assert await hub.fetchval(marks, box.school_id, TEACHER) == 2
    columns = [column.name for column in TABLE["person"].columns]
    (row,) = (await fed(box))["person"]
    assert row[columns.index("display_name")] == "-"
    await box.send(*about(box, TEACHER))
    assert await traces(hub, box, TEACHER) == {"person": 1}


async def test_the_name_is_typed_once_more(district, box, hub):
    for changes, status in (
        ({"name": "Amina"}, 400),
        ({"name": NAMES[JOSE]}, 400),
        ({"reason": ""}, 400),
        ({"person_id": str(UUID(int=9))}, 404),
        ({"person_id": "x"}, 400),
        ({"name": " amina OTIENO "}, 201),
        ({}, 404),  # nobody of that id any more
    ):
        assert await traces(hub, box, AMINA) or changes == {}
        answer = await erase(district, box, **changes)
        assert answer.status_code == status, answer.text
    assert not await traces(hub, box, AMINA)


async def test_it_cannot_be_asked_of_another_district_s_school_or_by_nobody(district, box, hub):
    other = Box(district.client)
    assert (await erase(district, other)).status_code == 404
    district.client.cookies.clear()
    assert (await erase(district, box)).status_code == 401
    answer = await district.client.post(path_of(box), json={}, headers=box.headers)
    assert answer.status_code == 401
    assert await traces(hub, box, AMINA)


async def test_the_pages_lead_from_the_name_to_the_certificate(district, box):
    page = f"/schools/{box.school_id}/erasures"
    found = await district.client.get(page, params={"search": "amina"})
    assert NAMES[AMINA] in found.text
    assert NAMES[JOSE] not in found.text
    confirm = await district.client.get(f"{page}/people/{AMINA}")
    assert "This cannot be undone" in confirm.text
    form = {"name": NAMES[AMINA], "reason": "A parent asked."}
    sent = await district.client.post(f"{page}/people/{AMINA}", data=form)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{page}/{AMINA}")
    assert "Waits" in (await district.client.get(sent.headers["location"])).text
    assert (await district.client.get(f"{page}/people/{AMINA}")).status_code == 404


async def test_a_database_of_yesterday_forgets_again_when_the_hub_is_opened(
    district, box, hub, settings, watch
):
    await erase(district, box)
    (line,) = read_list(settings.erased_file)
    assert (line.person_id, line.school_id) == (AMINA, box.school_id)
    await hub.execute("DELETE FROM erasure")
    await hub.execute("DELETE FROM erasure_request")
    await box.send(*about(box, AMINA))
    assert await traces(hub, box, AMINA)
    again = create_app(settings, clock=watch)
    async with again.lifespan():
        assert await traces(hub, box, AMINA) == {}
        assert [row[0] for row in (await fed(box))["erasure"]] == [AMINA.bytes]
    reason = await hub.fetchval("SELECT reason FROM erasure_request WHERE id = $1", AMINA)
    assert reason == "A parent asked."


async def test_a_lost_file_is_written_again_from_the_database(district, box, settings, watch):
    await erase(district, box)
    settings.erased_file.unlink()
    async with create_app(settings, clock=watch).lifespan():
        assert [line.person_id for line in read_list(settings.erased_file)] == [AMINA]


async def test_only_somebody_on_the_list_can_be_deleted_and_only_in_the_named_school(
    district, box, as_role
):
    """The function that may delete is no way around row security."""
    other = await district.school("Riverside School")
    web, ingest = await as_role("darasa_web"), await as_role("darasa_ingest")
    with pytest.raises(asyncpg.CheckViolationError):
        await call(web, box.school_id, district.id, AMINA)
    await erase(district, box)
    with pytest.raises(asyncpg.CheckViolationError):
        await call(web, other.school_id, district.id, AMINA)
    with pytest.raises(asyncpg.CheckViolationError):
        await call(web, "", district.id, AMINA)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await call(ingest, box.school_id, district.id, AMINA)
    assert await call(web, box.school_id, district.id, AMINA) == 0


async def call(connection, school_id, district_id, person):
    async with connection.transaction():
        await connection.execute(SCOPE, str(school_id), str(district_id))
        return await connection.fetchval("SELECT erase_person($1)", person)


async def test_requests_are_seen_by_the_district_and_no_school(district, box, as_role):
    await erase(district, box)
    other = await district.school("Riverside School")
    web = await as_role("darasa_web")
    for school_id, district_id, seen in (
        ("", district.id, 1),
        (other.school_id, "", 0),
        ("", UUID(int=8), 0),
        ("", "", 0),
    ):
        async with web.transaction():
            await web.execute(SCOPE, str(school_id), str(district_id))
            assert await web.fetchval("SELECT count(*) FROM erasure_request") == seen
    ingest = await as_role("darasa_ingest")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ingest.fetchval("SELECT count(*) FROM erasure_request")


async def test_the_answer_of_a_hub_without_a_transport_is_plain(client):
    """An outsider learns nothing from the addresses."""
    for rest in ("", f"/{AMINA}", "/people"):
        answer = await client.get(f"/api/v1/schools/{UUID(int=1)}/erasures{rest}")
        assert answer.status_code == httpx.codes.UNAUTHORIZED
