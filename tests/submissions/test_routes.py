import base64
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import pytest

from appliance.database.writer import Job
from tests.cast import new_id

PROBLEM = "application/problem+json"


def put(client, school, body="My village.", revision_id=None, **more):
    return client.put(
        f"/api/v1/submission-revisions/{revision_id or new_id()}",
        json={"assessment_id": str(school.village), "body": body} | more,
    )


def test_a_hand_in_is_answered_with_its_receipt_every_time(as_, school):
    client, revision_id = as_("amina"), new_id()
    first = put(client, school, revision_id=revision_id)
    again = put(client, school, revision_id=revision_id)
    assert (first.status_code, again.status_code) == (200, 200)
    receipt = first.json()
    assert again.json() == receipt
    assert receipt["revision_id"] == str(revision_id)
    assert len(receipt["code"]) == 6
    assert receipt["custody"]["level"] == "box"
    assert client.get(f"/api/v1/submission-revisions/{revision_id}").json() == receipt
    assert client.get("/api/v1/my/hand-ins").json()[0]["receipt"] == receipt


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("amina", 200),
        ("jose", 404),
        ("jomo", 404),
        ("mr_otieno", 403),
        ("baraka", 403),
        ("keeper", 403),
        (None, 401),
    ],
)
def test_who_may_read_aminas_receipt(as_, school, who, status):
    revision_id = new_id()
    submission_id = put(as_("amina"), school, revision_id=revision_id).json()["submission_id"]
    client = as_(who)
    receipt = client.get(f"/api/v1/submission-revisions/{revision_id}")
    assert receipt.status_code == status
    assert client.get(f"/api/v1/my/hand-ins/{submission_id}").status_code == status


def test_words_of_one_pupil_are_not_taken_in_the_session_of_another(as_, school):
    """Two tabs of one shared phone have one cookie."""
    client = as_("jose")
    revision_id = new_id()
    refused = client.put(
        f"/api/v1/submission-revisions/{revision_id}",
        json={"assessment_id": str(school.village), "body": "Amina's words"},
        headers={"darasa-person": str(school.amina)},
    )
    assert (refused.status_code, refused.json()["code"]) == (401, "other-person")
    form = client.post(
        f"/learn/tasks/{school.village}",
        data={
            "revision_id": str(revision_id),
            "person_id": str(school.amina),
            "edit_no": "0",
            "body": "Amina's words",
            "action": "hand-in",
        },
        headers={"accept": "text/html"},
        follow_redirects=False,
    )
    assert (form.status_code, form.headers["location"].split("?")[0]) == (303, "/sign-in")
    assert client.get("/api/v1/my/hand-ins").json() == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid"),
        (b"[]", "application/json", 400, "invalid"),
        (b'{"assessment_id": "x", "body": "a"}', "application/json", 400, "invalid"),
        (b'{"assessment_id": "TASK", "body": 7}', "application/json", 400, "invalid"),
        (b'{"assessment_id": "TASK", "body": "a\\u0000b"}', "application/json", 400, "invalid"),
        (b'{"assessment_id": "TASK", "body": "a\xff\xfe"}', "application/json", 400, "invalid"),
        (b'{"assessment_id": "TASK", "body": "\\ud800"}', "application/json", 400, "invalid"),
        (
            b'{"assessment_id": "TASK", "body": "a", "grade": 10}',
            "application/json",
            400,
            "invalid",
        ),
        (b'{"assessment_id": "TASK", "body": " "}', "application/json", 422, "nothing-written"),
        (
            b'{"assessment_id": "TASK", "body": "' + b"x" * 70_000 + b'"}',
            "application/json",
            413,
            "body-too-large",
        ),
        (
            b'{"assessment_id": "TASK", "body": "' + b"x" * 1_100_000 + b'"}',
            "application/json",
            413,
            "too-large",
        ),
    ],
)
def test_what_is_malformed_is_refused_with_words_and_keeps_nothing(
    as_, school, body, content_type, status, code
):
    client = as_("amina")
    answer = client.put(
        f"/api/v1/submission-revisions/{new_id()}",
        content=body.replace(b"TASK", str(school.village).encode()),
        headers={"content-type": content_type},
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["code"] == code
    assert problem["hint"]
    assert client.get("/api/v1/my/hand-ins").json() == []


@pytest.mark.parametrize("revision_id", ["7", "x" * 36, base64.b64encode(b"0" * 16).decode()])
def test_an_id_that_is_none_is_not_found(as_, school, revision_id):
    assert put(as_("amina"), school, revision_id=revision_id).status_code == 404


def test_a_full_queue_is_told_to_try_again_and_the_same_request_then_works(as_, box, school):
    client, revision_id = as_("amina"), new_id()
    writer, queue_max = box.app.state.writer, box.app.state.settings.queue_max
    is_held, open_gate = Event(), Event()

    def hold(_tx):
        is_held.set()
        open_gate.wait(10)

    with ThreadPoolExecutor(1) as others:
        others.submit(writer.write_blocking, hold)
        is_held.wait(10)
        while writer.waiting < queue_max:
            writer._enqueue(Job(lambda _tx: None, Future(), None))
        refused = put(client, school, revision_id=revision_id)
        open_gate.set()
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert put(client, school, revision_id=revision_id).status_code == 200
    assert len(client.get("/api/v1/my/hand-ins").json()) == 1


def test_a_full_card_keeps_nothing_and_says_so(as_, box, school):
    client, revision_id = as_("amina"), new_id()
    writer = box.app.state.writer
    pages = writer.write_blocking(lambda tx: tx.value("PRAGMA page_count"))
    writer.write_blocking(lambda tx: tx.run(f"PRAGMA max_page_count = {pages}"))
    body = "x" * 60_000
    refused = put(client, school, body, revision_id=revision_id)
    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
    assert client.get("/api/v1/my/hand-ins").json() == []
    writer.write_blocking(lambda tx: tx.run("PRAGMA max_page_count = 4294967294"))
    assert put(client, school, body, revision_id=revision_id).status_code == 200
    assert len(client.get("/api/v1/my/hand-ins").json()) == 1


def test_a_draft_survives_and_comes_back(as_, school):
    client, revision_id = as_("amina"), new_id()
    draft_url = f"/api/v1/assessments/{school.village}/draft"
    assert client.get(draft_url).status_code == 204
    edit = {"assessment_id": str(school.village), "edit_no": 3, "body": "My vil"}
    kept = client.put(f"/api/v1/drafts/{revision_id}", json=edit)
    assert kept.status_code == 200
    assert client.get(draft_url).json() == kept.json()
    older = client.put(f"/api/v1/drafts/{revision_id}", json=edit | {"edit_no": 2, "body": "M"})
    assert older.json() == kept.json()
    assert as_("jose").get(draft_url).status_code == 204
    assert as_("jomo").get(draft_url).status_code == 404
    assert as_("mr_otieno").get(draft_url).status_code == 403


def form(school, body, revision_id, action="hand-in", edit_no=0):
    return {
        "revision_id": str(revision_id),
        "person_id": str(school.amina),
        "edit_no": str(edit_no),
        "body": body,
        "action": action,
    }


def test_without_scripts_the_form_hands_in(as_, school):
    client, url = as_("amina"), f"/learn/tasks/{school.village}"
    page = client.get(url, headers={"accept": "text/html"})
    assert page.status_code == 200
    revision_id = page.text.split('name="revision_id" value="')[1][:36]
    saved = client.post(url, data=form(school, "My vil", revision_id, "save"))
    assert "My vil" in saved.text
    done = client.post(url, data=form(school, "My village.\r\nBy a lake.", revision_id))
    assert done.url.path.startswith("/learn/hand-ins/")
    line = client.get("/api/v1/my/hand-ins").json()[0]["receipt"]
    assert line["code"] in done.text
    assert line["revision_id"] == revision_id
    again = client.post(url, data=form(school, "My village.\r\nBy a lake.", revision_id))
    assert line["code"] in again.text
    work = client.get(f"/api/v1/my/hand-ins/{line['submission_id']}").json()
    assert [revision["body"] for revision in work["revisions"]] == ["My village.\nBy a lake."]


def test_going_back_and_changing_the_text_is_a_further_hand_in(as_, school):
    client, url, revision_id = as_("amina"), f"/learn/tasks/{school.village}", new_id()
    for body in ("One.", "Two.", "Two."):
        answer = client.post(url, data=form(school, body, revision_id))
        assert answer.status_code == 200
    work = client.get(url.replace("tasks", "hand-ins"))
    assert work.status_code == 404  # a task is not a submission
    line = client.get("/api/v1/my/hand-ins").json()[0]["receipt"]
    assert line["rev"] == 2


@pytest.mark.parametrize(("body", "status"), [("  ", 422), ("x" * 70_000, 413)])
def test_a_refused_form_gives_the_text_back(as_, school, body, status):
    answer = as_("amina").post(
        f"/learn/tasks/{school.village}",
        data=form(school, body, new_id()),
        headers={"accept": "text/html"},
    )
    assert answer.status_code == status
    assert body in answer.text
    assert 'role="alert"' in answer.text


def test_text_is_shown_as_text(as_, school):
    client, url = as_("amina"), f"/learn/tasks/{school.village}"
    answer = client.post(url, data=form(school, "<script>alert(1)</script>", new_id()))
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert" in answer.text
