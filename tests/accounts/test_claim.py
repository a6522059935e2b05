"""The first person makes the box a school; nobody else, and nobody twice."""

import stat
from contextlib import closing
from uuid import UUID

import pytest

from appliance.accounts.commands import ask_to_replace
from appliance.accounts.faults import AlreadyClaimed, KeysMissing
from appliance.accounts.keys import (
    SEALED,
    new_keys,
    new_recovery_code,
    open_sealed_keys,
    read_keys,
    write_keys,
)
from appliance.accounts.queries import claim_state, identity
from appliance.database.connection import open_connection
from appliance.database.readers import Readers
from appliance.server import refusal_in
from tests.cast import NOW_MS, new_id

PAGE = {"accept": "text/html"}
CLAIM = {
    "school_name": "Shule ya Msingi Kisumu",
    "locale": "sw",
    "admin_name": "Grace Otieno",
    "sign_in_name": "grace",
    "password": "mango river stone",
}
WISH = {"hub_url": "https://hub.example", "token": "one-time-token"}


def claim(client, code, **changed):
    return client.post("/api/v1/claim", json=CLAIM | {"code": code} | changed)


def test_a_claim_makes_school_keys_and_first_person(new_box, settings, code):
    answer = claim(new_box, code())
    assert answer.status_code == 201
    made = answer.json()
    sealed = (settings.keys / SEALED).read_bytes()
    assert open_sealed_keys(sealed, made["recovery_code"]) == read_keys(settings.keys)
    found = identity(new_box.app.state.readers.here)
    assert (found.school_id, found.node_id) == (UUID(made["school_id"]), UUID(made["node_id"]))
    body = {"sign_in_name": "grace", "password": "mango river stone"}
    assert new_box.post("/api/v1/sessions", json=body).json()["roles"] == [
        "school_admin",
        "teacher",
    ]
    assert not (settings.data_dir / "claim-code").exists()


def test_the_recovery_code_is_stored_nowhere(new_box, settings, code):
    recovery_code = claim(new_box, code()).json()["recovery_code"]
    for path in settings.data_dir.rglob("*"):
        if path.is_file():
            assert recovery_code.encode() not in path.read_bytes()


def test_a_second_claim_changes_nothing(new_box, settings, code):
    shown = code()
    claim(new_box, shown)
    keys = read_keys(settings.keys)
    again = claim(new_box, shown, school_name="Another")
    assert (again.status_code, again.json()["code"]) == (409, "already-claimed")
    assert read_keys(settings.keys) == keys


def test_the_code_may_be_typed_in_small_letters_and_groups(new_box, code):
    shown = code()
    assert claim(new_box, f" {shown[:4].lower()}-{shown[4:].lower()} ").status_code == 201


def test_five_wrong_codes_and_then_one_waits(new_box, settings):
    statuses = [claim(new_box, "WRONG").status_code for _ in range(6)]
    assert statuses == [403] * 5 + [429]
    assert not settings.keys.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "short"},
        {"school_name": "   "},
        {"school_name": "x" * 201},
        {"sign_in_name": "two words"},
        {"locale": "English"},
        {"is_admin": True},
        {"admin_name": 7},
    ],
)
def test_a_claim_that_makes_no_sense_is_refused_and_leaves_nothing(
    new_box, settings, code, changed
):
    answer = claim(new_box, code(), **changed)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"][0]["field"] == next(iter(changed))
    assert not settings.keys.exists()


def test_each_start_shows_a_new_code_until_the_box_is_claimed(start, settings, code):
    with start():
        first = code()
        assert stat.S_IMODE((settings.data_dir / "claim-code").stat().st_mode) == 0o600
    with start() as client:
        assert code() != first
        assert claim(client, first).status_code == 403
        claim(client, code())
    with start() as client:
        assert not (settings.data_dir / "claim-code").exists()
        assert client.app.state.claim_desk.code is None
        assert client.get("/api/v1/claim").json()["state"] == "claimed"


def test_a_claimed_box_refuses_to_start_without_its_keys(start, settings, code):
    with start() as client:
        claim(client, code())
    (settings.keys / "pin.pepper").unlink()
    with pytest.raises(ExceptionGroup) as refused, start():
        pass
    assert isinstance(refusal_in(refused.value), KeysMissing)


def test_claiming_on_the_page_signs_in_and_shows_the_code_once(new_box, code):
    assert new_box.get("/", headers=PAGE, follow_redirects=False).headers["location"] == "/claim"
    assert new_box.get("/sign-in", headers=PAGE, follow_redirects=False).headers["location"] == (
        "/claim"
    )
    wrong = new_box.post("/claim", data=CLAIM | {"code": "WRONG"}, headers=PAGE)
    assert wrong.status_code == 403
    assert "Shule ya Msingi Kisumu" in wrong.text
    done = new_box.post("/claim", data=CLAIM | {"code": code()}, headers=PAGE)
    assert done.status_code == 200
    assert "This code is shown once" in done.text
    assert new_box.get("/api/v1/me").json()["display_name"] == "Grace Otieno"
    assert new_box.get("/claim", headers=PAGE, follow_redirects=False).headers["location"] == "/"


def test_a_replacement_asks_the_district_and_keeps_its_key_when_it_asks_again(
    new_box, settings, code
):
    first = new_box.post("/api/v1/claim/replacement", json=WISH | {"code": code()})
    assert first.status_code == 201
    key = read_keys(settings.keys).node_key
    page = new_box.post("/claim/replacement", data=WISH | {"code": code()}, headers=PAGE)
    assert page.status_code == 200
    assert "Print this page now" in page.text
    assert read_keys(settings.keys).node_key == key
    assert new_box.get("/api/v1/claim").json()["state"] == "asked"
    assert "one-time-token" not in new_box.get("/claim", headers=PAGE).text


def test_the_school_that_came_back_is_taken_over_by_its_administrator(
    start, settings, school_on_file, code
):
    """The pulled school, with neither credentials nor anybody who can sign in."""
    settings.database.write_bytes(school_on_file[0].read_bytes())
    school = school_on_file[1]
    write_keys(settings.keys, new_keys(), new_recovery_code())
    body = {"person_id": str(school.keeper), "sign_in_name": "fatou", "password": "baobab tree"}
    with start() as client:
        progress = client.get("/api/v1/claim").json()
        assert progress["state"] == "take-over"
        assert [person["id"] for person in progress["admins"]] == [str(school.keeper)]
        assert "Your school is back" in client.get("/claim", headers=PAGE).text
        wrong = client.post("/api/v1/claim/take-over", json=body | {"code": "WRONG"})
        assert wrong.status_code == 403
        pupil = body | {"code": code(), "person_id": str(school.amina)}
        assert client.post("/api/v1/claim/take-over", json=pupil).status_code == 404
        done = client.post("/claim/take-over", data=body | {"code": code()}, follow_redirects=False)
        assert done.status_code == 303
        secret = {"sign_in_name": "fatou", "password": "baobab tree"}
        assert client.post("/api/v1/sessions", json=secret).status_code == 201
        again = client.post("/api/v1/claim/take-over", json=body | {"code": "WRONG"})
        assert again.json()["code"] == "already-claimed"


def test_nobody_takes_over_half_a_school(start, settings, school_on_file, code):
    settings.database.write_bytes(school_on_file[0].read_bytes())
    school = school_on_file[1]
    write_keys(settings.keys, new_keys(), new_recovery_code())
    body = {"person_id": str(school.keeper), "sign_in_name": "fatou", "password": "baobab tree"}
    with closing(open_connection(settings.database, role="writer")) as connection:
        connection.execute("UPDATE sync_identity SET recovery_due = 1, self_cursor = 40")
    with start() as client:
        progress = client.get("/api/v1/claim").json()
        assert (progress["state"], progress["changes_fetched"]) == ("pulling", 40)
        assert progress["admins"] == []
        assert "Nobody can sign in" in client.get("/claim", headers=PAGE).text
        early = client.post("/api/v1/claim/take-over", json=body | {"code": code()})
        assert (early.status_code, early.json()["code"]) == (409, "school-on-its-way")
        page = client.post("/claim/take-over", data=body | {"code": code()}, headers=PAGE)
        assert (page.status_code, "Nobody can sign in" in page.text) == (409, True)


def test_a_school_cannot_ask_to_be_another_one(write, db, school):
    with pytest.raises(AlreadyClaimed):
        write(ask_to_replace, "https://hub.example", "one-time-token", now_ms=NOW_MS)
    assert claim_state(db) == "take-over"


def test_an_empty_database_is_new(settings):
    readers = Readers(settings.database)
    assert claim_state(readers.here) == "new"
    readers.close()


@pytest.mark.parametrize("path", ["/api/v1/sign-in/classes", "/api/v1/sessions"])
def test_an_unclaimed_box_says_so(new_box, path):
    body = {"person_id": str(new_id()), "pin": "1234"}
    answer = new_box.post(path, json=body) if "sessions" in path else new_box.get(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "not-claimed")
