"""What the district's staff see and do."""

import asyncio
import re
from uuid import UUID

import pytest

from appliance.ids import receipt_code
from tests.hub.cast import NOW_MS, PASSWORD, new_id, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

PAGE = {"accept": "text/html"}
NAMES = ("Amina Otieno", "José Álvarez-Núñez", "نور الهدى", "Nguyễn Thị Ánh", "<b>Bobby</b>")
CLAIM = {
    "district_name": "Lakeside",
    "admin_name": "Fatuma Noor",
    "sign_in_name": "fatuma",
    "password": PASSWORD,
}


async def page(client, path):
    answer = await client.get(path, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return answer.text


async def a_class(box):
    """A class that reads a course of two parts; the first pupil has read one and handed in."""
    own = {"school_id": box.school_id}
    group = values("class_group", name="6 East", **own)
    people = [values("person", display_name=name, **own) for name in NAMES]
    course = values("course", title="Rain", **own)
    version = values("course_version", course_id=course[0])
    module = values("module", course_version_id=version[0])
    lesson = values("lesson", module_id=module[0])
    sections = [values("section", lesson_id=lesson[0]) for _ in range(2)]
    run = values("course_run", course_version_id=version[0], class_group_id=group[0], **own)
    enrolments = [
        values("enrolment", course_run_id=run[0], person_id=person[0]) for person in people
    ]
    task = values(
        "assessment",
        course_run_id=run[0],
        title="My rain diary",
        points_max_mp=10_000,
        due_at_ms=NOW_MS,
    )
    work = values(
        "submission",
        assessment_id=task[0],
        person_id=people[0][0],
        state="returned",
        submitted_at_ms=NOW_MS,
        late_ms=60_000,
        attempt_no=1,
    )
    revision = values("submission_revision", submission_id=work[0], person_id=people[0][0])
    grades = [
        values("grade", submission_id=work[0], person_id=people[0][0], seq=seq, points_mp=points)
        for seq, points in ((1, 7_000), (2, 8_500))
    ]
    read = values(
        "progress_fact", enrolment_id=enrolments[0][0], section_id=sections[0][0], percent=100
    )
    await box.send(
        rows("org_unit", values("org_unit", name=box.name, **own)),
        rows("class_group", group),
        rows("person", *people),
        rows(
            "class_member",
            *(
                values("class_member", class_group_id=group[0], person_id=person[0])
                for person in people
            ),
        ),
        rows("course", course),
        rows("course_version", version),
        rows("module", module),
        rows("lesson", lesson),
        rows("section", *sections),
        rows("course_run", run),
        rows("enrolment", *enrolments),
        rows("assessment", task),
        rows("submission", work),
        rows("submission_revision", revision),
        rows("grade", *grades),
        rows("progress_fact", read),
    )
    return task, revision


async def test_claiming_on_the_page_makes_the_district_and_signs_in(client, app, settings):
    assert (await client.get("/sign-in", headers=PAGE)).headers["location"] == "/claim"
    assert "Claim code" in await page(client, "/claim")
    code = settings.claim_file.read_text()
    spoken = f" {code[:5].lower()}-{code[5:].lower()} "
    answer = await client.post("/claim", data=CLAIM | {"code": spoken}, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "No school yet" in await page(client, "/")
    assert not settings.claim_file.exists()
    assert (await client.get("/claim", headers=PAGE)).headers["location"] == "/sign-in"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"code": "BBBBBBBBBB"}, "That code is not right"),
        ({"password": "short"}, "At least ten characters"),
        ({"sign_in_name": "two words"}, "without spaces"),
        ({"district_name": "  "}, "Write the district"),
    ],
)
async def test_a_claim_that_is_not_right_says_what(client, app, settings, wrong, words):
    typed = CLAIM | {"code": settings.claim_file.read_text()} | wrong
    answer = await client.post("/claim", data=typed, headers=PAGE)
    assert answer.status_code == 422
    assert words in answer.text
    assert "Fatuma Noor" in answer.text  # nothing typed is lost
    assert PASSWORD not in answer.text
    assert settings.claim_file.exists()


async def test_two_claims_at_once_make_one_district(client, app, settings):
    body = CLAIM | {"code": settings.claim_file.read_text()}
    answers = await asyncio.gather(*(client.post("/api/v1/claim", json=body) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_the_claim_code_is_not_guessed_in_a_hurry(client, app):
    body = CLAIM | {"code": "BBBBBBBBBB"}
    told = [(await client.post("/api/v1/claim", json=body)).status_code for _ in range(6)]
    assert told == [403] * 5 + [429]


async def test_a_hub_is_claimed_once(district, settings):
    body = CLAIM | {"code": "BBBBBBBBBB"}
    answer = await district.client.post("/api/v1/claim", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already-claimed")


async def test_signing_in_leads_back_to_where_one_was_going(district):
    district.client.cookies.clear()
    answer = await district.client.get("/enrolment-tokens", headers=PAGE)
    assert answer.headers["location"] == "/sign-in?next=%2Fenrolment-tokens"
    form = await page(district.client, answer.headers["location"])
    assert 'value="/enrolment-tokens"' in form
    typed = {"sign_in_name": "FATUMA", "password": PASSWORD, "next": "/enrolment-tokens"}
    answer = await district.client.post("/sign-in", data=typed, headers=PAGE)
    assert answer.headers["location"] == "/enrolment-tokens"
    await page(district.client, "/enrolment-tokens")


@pytest.mark.parametrize("wanted", ["//elsewhere.test", "http://elsewhere.test", "/\\elsewhere"])
async def test_signing_in_never_leads_to_another_site(district, wanted):
    typed = {"sign_in_name": "fatuma", "password": PASSWORD, "next": wanted}
    answer = await district.client.post("/sign-in", data=typed, headers=PAGE)
    assert answer.headers["location"] == "/"


async def test_a_wrong_password_says_so_and_the_sixth_try_waits(district):
    district.client.cookies.clear()
    for _ in range(5):
        typed = {"sign_in_name": "fatuma", "password": "wrong words"}
        answer = await district.client.post("/sign-in", data=typed, headers=PAGE)
        assert answer.status_code == 401
        assert "not right" in answer.text
        assert "wrong words" not in answer.text
    answer = await district.client.post("/sign-in", data=typed, headers=PAGE)
    assert answer.status_code == 429


async def test_signing_out_ends_the_session(district):
    cookies = dict(district.client.cookies)
    await district.client.post("/sign-out", headers=PAGE)
    district.client.cookies.update(cookies)
    assert (await district.client.get("/api/v1/me")).status_code == 401


async def test_a_session_ends_after_a_working_day(district, watch):
    assert (await district.client.get("/api/v1/me")).json()["roles"] == ["district_admin"]
    watch.now_ms += 12 * 3_600_000 + 1_000
    assert (await district.client.get("/api/v1/me")).status_code == 401


async def test_a_token_is_shown_once_and_works(district, client):
    typed = {"mode": "adopt", "school_name": "Hilltop", "hours": "24"}
    answer = await client.post("/enrolment-tokens", data=typed, headers=PAGE)
    assert "Not used yet" in answer.text
    token = re.search(r"<code>([A-Z]{5}(?:-[A-Z]{5}){3})</code>", answer.text)[1]
    assert token not in await page(client, "/enrolment-tokens")
    box = await district.school("Hilltop School")
    shown = await page(client, "/enrolment-tokens")
    assert "Used" in shown
    typed = {"mode": "replace", "school_id": str(box.school_id), "school_name": "", "hours": "1"}
    answer = await client.post("/enrolment-tokens", data=typed, headers=PAGE)
    assert "Hilltop School" in answer.text


@pytest.mark.parametrize("hours", ["0", "169", "-1", "many", ""])
async def test_a_token_lives_between_an_hour_and_a_week(district, hours):
    typed = {"mode": "adopt", "hours": hours}
    answer = await district.client.post("/enrolment-tokens", data=typed, headers=PAGE)
    assert answer.status_code == 400


async def test_the_list_says_how_each_school_is(district, client, watch):
    quiet = await district.school("Hilltop School")
    await quiet.hello()
    await district.school("Riverside School")  # enrolled, never said hello
    shown = await page(client, "/")
    assert "Work waits" in shown
    assert "Not seen yet" in shown
    watch.now_ms += 4 * 24 * 3_600_000
    await district.sign_in()
    assert "Silent" in await page(client, "/")
    states = {s["name"]: s["state"] for s in (await client.get("/api/v1/schools")).json()}
    assert states == {"Hilltop School": "silent", "Riverside School": "new"}


async def test_a_school_s_classes_progress_and_tasks(district, client):
    box = await district.school("Hilltop School")
    await a_class(box)
    shown = await page(client, f"/schools/{box.school_id}")
    for name in NAMES[:4]:
        assert name in shown
    assert "<b>Bobby</b>" not in shown
    assert "&lt;b&gt;Bobby" in shown
    assert "1 of 5" in shown
    report = (await client.get(f"/api/v1/schools/{box.school_id}")).json()
    assert [(c["name"], c["learners"]) for c in report["classes"]] == [("6 East", 5)]
    assert [(r["course_title"], r["percent"]) for r in report["runs"]] == [("Rain", 10)]
    progress = (await client.get(f"/api/v1/schools/{box.school_id}/progress")).json()
    percents = {p["display_name"]: (p["percent"], p["sections_done"]) for p in progress}
    assert percents["Amina Otieno"] == (50, 1)
    assert percents["نور الهدى"] == (0, 0)


async def test_a_hand_in_shows_its_receipt_code_and_the_latest_points(district, client):
    box = await district.school("Hilltop School")
    task, revision = await a_class(box)
    (hand_in,) = (await client.get(f"/api/v1/schools/{box.school_id}/hand-ins")).json()
    code = receipt_code(UUID(bytes=revision[0]), bytes(32))
    assert hand_in["code"] == code
    assert (hand_in["state"], hand_in["points_mp"], hand_in["revisions"]) == ("returned", 8_500, 1)
    task_id = UUID(bytes=task[0])
    shown = await page(client, f"/schools/{box.school_id}/tasks/{task_id}")
    assert code in shown
    assert "8.5 of 10" in shown
    assert "Late" in shown


async def test_what_does_not_exist_is_a_page_too(district, client):
    strange = "00000000-0000-7000-8000-000000000001"
    box = await district.school()
    for path in (f"/schools/{strange}", f"/schools/{box.school_id}/tasks/{strange}"):
        answer = await client.get(path, headers=PAGE)
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text


async def test_pages_run_no_script_from_inside_and_are_not_kept(district, client):
    answer = await client.get("/", headers=PAGE)
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert re.search(r"<script(?![^>]*\bsrc=)", answer.text) is None
    assert " style=" not in answer.text


async def test_the_interface_is_described_without_foreign_assets(client, app):
    schema = (await client.get("/api/openapi.json")).json()
    assert "/api/v1/schools" in schema["paths"]
    assert "/sync/v1/hello" in schema["paths"]
    shown = await page(client, "/api/docs")
    assert "GET /api/v1/schools" in shown
    assert re.search(r'(src|href)="(https?:)?//', shown) is None


async def test_health_and_metrics(district, client):
    health = (await client.get("/health")).json()
    assert (health["status"], health["has_district"]) == ("ok", True)
    box = await district.school()
    await box.send(rows("person", values("person", box.school_id, id=new_id())))
    figures = (await client.get("/metrics")).text
    assert "darasa_hub_schools 1\n" in figures
    assert "darasa_hub_segments 1\n" in figures
