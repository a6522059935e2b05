"""What the district says, asks, sets and publishes; sent twice, it is said once."""

import io
import json
import re
import zipfile
from uuid import UUID

import pytest

from appliance.ids import uuid7
from tests.hub.cast import NOW_MS, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

PAGE = {"accept": "text/html"}
DAY_BYTES = "link_day_bytes_max"
DAY_MS = 24 * 60 * 60 * 1_000
NAMES = ("Amina Otieno", "José Álvarez-Núñez", "نور الهدى", "Nguyễn Thị Ánh")
HIDDEN_ID = re.compile(r'name="id" value="([^"]+)"')


def an_id():
    return uuid7(NOW_MS)


async def page(client, path):
    answer = await client.get(path, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


async def told(client, path, status=200):
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def put(client, path, body, status=204):
    answer = await client.put(path, json=body)
    assert answer.status_code == status, answer.text
    return answer


@pytest.fixture
async def school(district):
    """A school whose box has sent a class of four pupils and a task."""
    box = await district.school()
    own = {"school_id": box.school_id}
    box.east, box.west = (values("class_group", name=name, **own) for name in ("6 East", "6 West"))
    box.pupils = [values("person", display_name=name, **own) for name in NAMES]
    course = values("course", title="Rain", **own)
    version = values("course_version", course_id=course[0], state="superseded", number=1)
    run = values("course_run", course_version_id=version[0], class_group_id=box.east[0], **own)
    box.task = values("assessment", course_run_id=run[0], title="My rain diary")
    box.version = version
    await box.send(
        rows("org_unit", values("org_unit", name=box.name, **own)),
        rows("class_group", box.east, box.west),
        rows("person", *box.pupils),
        rows(
            "class_member",
            *(
                values("class_member", class_group_id=box.east[0], person_id=pupil[0])
                for pupil in box.pupils
            ),
        ),
        rows("course", course),
        rows("course_version", version),
        rows("course_run", run),
        rows("assessment", box.task),
    )
    return box


def ident(row):
    return str(UUID(bytes=row[0]))


# Announcements and settings.


async def test_an_announcement_is_for_one_school_or_for_all(district, school):
    client = district.client
    for title, scope in (("To all", None), ("To one", str(school.school_id))):
        body = {"title": title, "from_at_ms": NOW_MS} | ({"scope_id": scope} if scope else {})
        await put(client, f"/api/v1/announcements/{an_id()}", body)
    listed = {one["title"]: one for one in await told(client, "/api/v1/announcements")}
    assert listed["To all"]["scope_name"] == "Lakeside"
    assert listed["To one"]["scope_name"] == "Hilltop School"


async def test_a_form_sent_twice_announces_once(district, school):
    client = district.client
    form = {
        "id": HIDDEN_ID.search(await page(client, "/announcements"))[1],
        "title": "امتحانات",
        "body": "Bring <b>pens</b>.",
        "days": "7",
        "scope_id": str(school.school_id),
    }
    for _ in range(2):
        answer = await client.post("/announcements", data=form, headers=PAGE)
        assert (answer.status_code, answer.headers["location"]) == (303, "/announcements")
    (listed,) = await told(client, "/api/v1/announcements")
    assert listed["until_at_ms"] - listed["from_at_ms"] == 7 * DAY_MS
    text = await page(client, "/announcements")
    assert "امتحانات" in text
    assert "&lt;b&gt;pens&lt;/b&gt;" in text


async def test_what_was_withdrawn_stays_withdrawn(district):
    client, announcement = district.client, an_id()
    path, body = f"/api/v1/announcements/{announcement}", {"title": "Hot", "from_at_ms": NOW_MS}
    await put(client, path, body)
    for _ in range(2):
        answer = await client.post(f"/announcements/{announcement}/withdraw", headers=PAGE)
        assert answer.status_code == 303
    assert "Withdrawn" in await page(client, "/announcements")
    late = await put(client, path, body, 409)
    assert late.json()["code"] == "withdrawn"
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(f"/api/v1/announcements/{an_id()}")).status_code == 404


async def test_a_setting_has_one_value_in_a_scope(district, school):
    client = district.client
    for value in (100_000, 5_000_000, 5_000_000):
        await put(client, "/api/v1/settings", {"key": DAY_BYTES, "value": value})
    form = {"key": DAY_BYTES, "value": " 7000000 ", "scope_id": str(school.school_id)}
    assert (await client.post("/settings", data=form, headers=PAGE)).status_code == 303
    listed = await told(client, "/api/v1/settings")
    assert sorted(one["value"] for one in listed) == ["5000000", "7000000"]
    unset = next(one["id"] for one in listed if one["scope_name"] == "Lakeside")
    assert (await client.post(f"/settings/{unset}/withdraw", headers=PAGE)).status_code == 303
    assert len(await told(client, "/api/v1/settings")) == 1
    for wrong in ({"key": "port"}, {"value": "99999"}, {"key": "link_hours", "value": "at night"}):
        answer = await client.post("/settings", data=form | wrong, headers=PAGE)
        assert (answer.status_code, "A whole number of bytes" in answer.text) == (422, True)
    stranger = {"scope_id": str(an_id()), "key": DAY_BYTES, "value": 0}
    await put(client, "/api/v1/settings", stranger, 404)


# Orders.


def reset(pupil):
    return {"kind": "reset_pin", "payload": {"person_id": ident(pupil)}}


async def test_an_order_waits_until_the_box_has_answered(district, school):
    client, command = district.client, an_id()
    orders = f"/api/v1/schools/{school.school_id}/commands"
    for _ in range(2):
        await put(client, f"{orders}/{command}", reset(school.pupils[0]))
    (listed,) = await told(client, orders)
    assert (listed["state"], listed["about"]) == ("pending", "Amina Otieno")
    assert listed["by_name"] == "Fatuma Noor"
    answer = values(
        "command_result", command_id=command.bytes, state="refused", reason="No such pupil."
    )
    await school.send(rows("command_result", answer))
    (listed,) = await told(client, orders)
    assert (listed["state"], listed["reason"]) == ("refused", "No such pupil.")
    text = await page(client, f"/schools/{school.school_id}/orders")
    for words in ("Refused", "No such pupil.", "Amina Otieno", "New PIN"):
        assert words in text
    withdrawn = await client.delete(f"{orders}/{command}")
    assert (withdrawn.status_code, withdrawn.json()["code"]) == (409, "already-answered")


async def test_of_two_answers_the_one_that_did_it_counts(district, school):
    """A copied card: both boards carried it out, or one refused what the other had done."""
    client, command = district.client, an_id()
    orders = f"/api/v1/schools/{school.school_id}/commands"
    await put(client, f"{orders}/{command}", reset(school.pupils[0]))
    own = {"command_id": command.bytes}
    await school.send(
        rows(
            "command_result",
            values("command_result", state="refused", reason="There already.", at_ms=1, **own),
            values("command_result", state="applied", reason=None, at_ms=2, **own),
        )
    )
    (listed,) = await told(client, orders)
    assert listed["state"] == "applied"


async def test_an_unanswered_order_can_be_withdrawn(district, school):
    client, command = district.client, an_id()
    orders = f"/api/v1/schools/{school.school_id}/commands"
    await put(client, f"{orders}/{command}", reset(school.pupils[0]))
    path = f"/schools/{school.school_id}/orders/{command}/withdraw"
    for _ in range(2):
        assert (await client.post(path, headers=PAGE)).status_code == 303
    assert (await told(client, orders))[0]["state"] == "withdrawn"
    # The box had done it before it heard of the withdrawal.
    answer = values("command_result", command_id=command.bytes, state="applied")
    await school.send(rows("command_result", answer))
    assert (await told(client, orders))[0]["state"] == "applied"


async def test_an_order_no_box_could_read_is_not_given(district, school):
    path = f"/api/v1/schools/{school.school_id}/commands"
    for kind, payload in (
        ("reset_pin", {"person_id": "x"}),
        ("reset_pin", {}),
        ("format_disk", {}),
        ("set_due_date", {"assessment_id": str(an_id()), "due_at_ms": -1}),
        ("create_person", {"person_id": str(an_id()), "display_name": "\0"}),
    ):
        wish = {"kind": kind, "payload": payload}
        answer = await put(district.client, f"{path}/{an_id()}", wish, 400)
        assert answer.json()["code"] == "invalid"
    assert await told(district.client, path) == []


async def test_an_id_that_asks_for_something_else_is_refused(district, school):
    path = f"/api/v1/schools/{school.school_id}/commands/{an_id()}"
    await put(district.client, path, reset(school.pupils[0]))
    answer = await put(district.client, path, reset(school.pupils[1]), 409)
    assert answer.json()["code"] == "command-taken"


async def test_every_form_asks_for_what_it_says(district, school):
    client, path = district.client, f"/schools/{school.school_id}/orders"
    east, west = ident(school.east), ident(school.west)
    text = await page(client, f"{path}?class_group_id={east}")
    assert all(name in text for name in (*NAMES, "My rain diary", "version 1"))
    amina = ident(school.pupils[0])
    forms = [
        {"kind": "create_person", "display_name": " Baraka ", "class_group_id": east},
        {"kind": "create_person", "display_name": "Ms Achieng", "role": "teacher"},
        {"kind": "reset_pin", "person_id": amina, "hours": "24"},
        {"kind": "move_person", "person_id": amina, "from_class_id": east, "to_class_id": west},
        {"kind": "publish_course_version", "course_version_id": ident(school.version)},
        {"kind": "set_due_date", "assessment_id": ident(school.task), "due": "2026-12-01T08:30"},
        {"kind": "set_due_date", "assessment_id": ident(school.task), "due": ""},
    ]
    for form in forms:
        sent = form | {"id": str(an_id())}
        for _ in range(2):
            answer = await client.post(path, data=sent, headers=PAGE)
            assert (answer.status_code, answer.headers["location"]) == (303, path), answer.text
    listed = await told(client, f"/api/v1/schools/{school.school_id}/commands")
    assert len(listed) == len(forms)
    said = [(one["kind"], one["about"], one["detail"]) for one in reversed(listed)]
    assert said == [
        ("create_person", "Baraka", "6 East"),
        ("create_person", "Ms Achieng", None),
        ("reset_pin", "Amina Otieno", None),
        ("move_person", "Amina Otieno", "6 West"),
        ("publish_course_version", "Rain", "version 1"),
        ("set_due_date", "My rain diary", None),
        ("set_due_date", "My rain diary", None),
    ]
    assert listed[0]["due_at_ms"] is None
    assert listed[-3]["expires_at_ms"] - listed[-3]["issued_at_ms"] <= DAY_MS
    assert "good until" in await page(client, path)
    answer = await client.post(path, data=forms[-1] | {"id": str(an_id()), "due": "soon"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "due")


# Proposals.


async def test_a_proposal_is_decided_and_may_be_thought_over(district, school):
    client, wish = district.client, {"wish": "Her name is Amina Wanjiru."}
    proposal = values(
        "proposal",
        kind="edit_person",
        about_id=school.pupils[0][0],
        person_id=school.pupils[0][0],
        payload=json.dumps(wish),
        by_person_id=school.pupils[1][0],
    )
    of_another_release = values("proposal", payload='{"name":"6 Asubuhi"}', person_id=None)
    await school.send(rows("proposal", proposal))
    (listed,) = await told(client, "/api/v1/proposals")
    assert (listed["state"], listed["about_name"]) == ("open", "Amina Otieno")
    assert "Her name is Amina Wanjiru." in await page(client, "/proposals")
    path = f"/proposals/{ident(proposal)}/decision"
    for state in ("refused", "accepted", "accepted"):
        form = {"state": state, "reason": "Seen her papers."}
        assert (await client.post(path, data=form, headers=PAGE)).status_code == 303
    (listed,) = await told(client, "/api/v1/proposals")
    assert (listed["state"], listed["reason"]) == ("accepted", "Seen her papers.")
    await put(client, f"/api/v1/proposals/{an_id()}/decision", {"state": "accepted"}, 404)
    await school.send(rows("proposal", of_another_release))
    assert "6 Asubuhi" in await page(client, "/proposals")
    own_row = await client.put(
        f"/api/v1{path}", json={"state": "accepted", "name": "Amina Wanjiru"}
    )
    assert (own_row.status_code, own_row.json()["code"]) == (409, "owned-elsewhere")
    for wish, code in (
        ({"state": "refused", "name": "Amina"}, "invalid"),
        ({"state": "accepted", "name": "Amina"}, "nothing-to-name"),
    ):
        other = f"/api/v1/proposals/{ident(of_another_release)}/decision"
        assert (await put(client, other, wish, 400)).json()["code"] == code


# A course for every school.

RAIN = [
    {"path": "rain/01-clouds.md", "text": "# Clouds\n\nHigh up.\n\n## See\n\n[next](02-rain.md)"},
    {"path": "rain/02-rain.md", "text": "# Rain\n\nهطول المطر."},
]


async def test_a_folder_becomes_a_course_and_the_same_folder_changes_nothing(district):
    client, first = district.client, an_id()
    path = "/api/v1/course-versions/"
    published = (await put(client, f"{path}{first}", {"files": RAIN}, 200)).json()
    assert (published["outcome"], published["number"], published["lessons"]) == ("new", 1, 2)
    for again in (first, an_id()):
        same = (await put(client, f"{path}{again}", {"files": RAIN}, 200)).json()
        assert (same["outcome"], same["course_version_id"]) == ("same", str(first))
    more = [*RAIN, {"path": "rain/03-wind.md", "text": "# Wind\n\nBlows."}]
    changed = (await put(client, f"{path}{an_id()}", {"files": more}, 200)).json()
    assert (changed["outcome"], changed["number"]) == ("changed", 2)
    assert changed["course_id"] == published["course_id"]
    (listed,) = await told(client, "/api/v1/courses")
    assert (listed["number"], listed["lessons"], listed["sections"]) == (2, 3, 4)


async def test_a_zip_is_published_on_the_page_and_its_links_lead_to_its_lessons(district, as_role):
    client = district.client
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in RAIN:
            archive.writestr(file["path"], file["text"])
    form = {"id": HIDDEN_ID.search(await page(client, "/courses"))[1], "name": ""}
    files = {"files": ("rain.zip", packed.getvalue(), "application/zip")}
    for words in ("Published: Rain", "This course is here already"):
        answer = await client.post("/courses", data=form, files=files, headers=PAGE)
        assert (answer.status_code, words in answer.text) == (200, True), answer.text
    link = await as_role("darasa_web")
    await link.execute("SELECT set_config('app.district', $1, false)", str(district.id))
    body = await link.fetchval("SELECT body FROM section WHERE title = 'See'")
    lesson = await link.fetchval("SELECT id FROM lesson WHERE title = 'Rain'")
    assert body == f"[next](/learn/lessons/{lesson})"


async def test_a_folder_without_lessons_says_so(district):
    form = {"id": str(an_id())}
    for file, words in (
        (("a.txt", b"x", "text/plain"), "no lessons"),
        (("a.zip", b"PK\x03\x04broken", "application/zip"), "zip"),
    ):
        files = {"files": file}
        answer = await district.client.post("/courses", data=form, files=files, headers=PAGE)
        assert (answer.status_code, words in answer.text) == (400, True), answer.text
