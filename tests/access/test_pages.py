"""The door as pages: where an ended session leads, and which addresses it never leads to."""

import pytest

from appliance.access.commands import put_password, put_pin
from appliance.access.hashing import password_hash, pin_hash
from appliance.access.next_page import own_path

PAGE = {"accept": "text/html"}


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/learn/lessons/1?run=2", "/learn/lessons/1?run=2"),
        (None, "/"),
        ("", "/"),
        ("learn", "/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_only_a_path_of_this_box_is_gone_to_after_signing_in(wanted, path):
    assert own_path(wanted) == path


@pytest.fixture
def secrets(box, school):
    pepper = box.app.state.keyring
    pepper.load()
    write = box.app.state.writer.write_blocking
    write(put_pin, school.amina, pin_hash(pepper.pin_pepper, school.amina, "4071"))
    write(put_password, school.mr_otieno, "otieno", password_hash("mango river stone"))


def post(client, path, **form):
    return client.post(path, data=form, headers=PAGE, follow_redirects=False)


def test_an_ended_session_leads_to_sign_in_and_back(box, school):
    answer = box.get("/learn/hand-ins?page=2", headers=PAGE, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/learn/hand-ins%3Fpage%3D2"
    page = box.get(answer.headers["location"], headers=PAGE)
    assert f'/sign-in/classes/{school.east}?next=/learn/hand-ins%3Fpage%3D2"' in page.text


def test_three_taps_open_the_lessons(box, school, secrets):
    classes = box.get("/sign-in", headers=PAGE)
    assert f"/sign-in/classes/{school.east}" in classes.text
    names = box.get(f"/sign-in/classes/{school.east}", headers=PAGE)
    assert f"/sign-in/people/{school.amina}" in names.text
    assert "Jomo" not in names.text
    opened = post(box, f"/sign-in/people/{school.amina}", pin="4071", next="/")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert box.get("/", follow_redirects=False).headers["location"] == "/learn"


def test_a_wrong_pin_shows_the_keys_again_with_what_was_wrong(box, school, secrets):
    answer = post(box, f"/sign-in/people/{school.amina}", pin="0001", next="/learn/hand-ins")
    assert answer.status_code == 401
    assert "That PIN is not right" in answer.text
    assert 'value="/learn/hand-ins"' in answer.text


def test_a_locked_name_shows_no_keys(box, school, secrets):
    for _ in range(11):
        answer = post(box, f"/sign-in/people/{school.amina}", pin="0001")
    assert answer.status_code == 403
    assert "locked" in answer.text
    assert "data-pin-pad" not in answer.text


def test_staff_have_no_pin_page(box, school):
    assert box.get(f"/sign-in/people/{school.mr_otieno}", headers=PAGE).status_code == 404


def test_staff_sign_in_and_out_on_pages(box, secrets):
    wrong = post(box, "/sign-in/staff", sign_in_name="otieno", password="guess")
    assert wrong.status_code == 401
    assert 'value="otieno"' in wrong.text
    opened = post(
        box, "/sign-in/staff", sign_in_name="otieno", password="mango river stone", next="//evil"
    )
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert box.get("/", follow_redirects=False).headers["location"] == "/teach"
    assert post(box, "/sign-out").headers["location"] == "/sign-in"
    assert box.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"origin": "http://testserver.local"}, 204),
        ({"sec-fetch-site": "same-origin"}, 204),
        ({"sec-fetch-site": "none"}, 204),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_another_sites_page_cannot_act_in_somebodys_name(as_, headers, status):
    answer = as_("amina").delete("/api/v1/sessions/current", headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "foreign-origin"


def test_every_answer_forbids_foreign_scripts_and_keeping(as_):
    for path in ("/learn", "/api/v1/me", "/nowhere"):
        headers = as_("amina").get(path, headers=PAGE).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
