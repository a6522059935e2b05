"""PINs and passwords: what opens, what locks, and what never says too much."""

import asyncio
import time
from uuid import UUID

import pytest

from appliance.access.commands import (
    PIN_TRIES_MAX,
    SESSION_MS,
    PinAnswer,
    open_session,
    prune_sessions,
    put_password,
    put_pin,
    sign_in_with_pin,
)
from appliance.access.door import Door
from appliance.access.hashing import new_token, password_hash, pin_hash, token_hash
from appliance.access.models import SignIn
from appliance.access.passwords import PasswordHasher
from appliance.access.queries import session_actor
from appliance.access.sessions import COOKIE
from appliance.errors import Busy
from tests.cast import NOW_MS, new_id

PEPPER = bytes(range(32))


class Keys:
    pin_pepper = PEPPER


def try_pin(write, person_id, pin):
    hashed = pin_hash(PEPPER, person_id, pin)
    return write(sign_in_with_pin, person_id, hashed, token_hash(new_token()), now_ms=NOW_MS)


@pytest.fixture
def with_pin(write, school):
    write(put_pin, school.amina, pin_hash(PEPPER, school.amina, "4071"))
    write(put_pin, school.jose, pin_hash(PEPPER, school.jose, "9358"))
    return school


def test_the_right_pin_opens_and_another_pupils_pin_does_not(write, with_pin):
    assert try_pin(write, with_pin.amina, "4071") is PinAnswer.OPENED
    assert try_pin(write, with_pin.amina, "9358") is PinAnswer.WRONG
    assert try_pin(write, new_id(), "4071") is PinAnswer.WRONG


def test_equal_pins_of_two_pupils_are_stored_differently(school):
    assert pin_hash(PEPPER, school.amina, "4071") != pin_hash(PEPPER, school.jose, "4071")


def test_ten_wrong_pins_lock_the_name_and_nobody_else(write, with_pin):
    for _ in range(PIN_TRIES_MAX):
        assert try_pin(write, with_pin.amina, "0001") is PinAnswer.WRONG
    assert try_pin(write, with_pin.amina, "4071") is PinAnswer.LOCKED
    assert try_pin(write, with_pin.jose, "9358") is PinAnswer.OPENED


def test_a_success_forgives_the_tries_before_it(write, with_pin):
    for _ in range(PIN_TRIES_MAX - 1):
        try_pin(write, with_pin.amina, "0001")
    assert try_pin(write, with_pin.amina, "4071") is PinAnswer.OPENED
    assert try_pin(write, with_pin.amina, "0001") is PinAnswer.WRONG
    assert try_pin(write, with_pin.amina, "4071") is PinAnswer.OPENED


def test_a_new_pin_unlocks_and_ends_what_was_signed_in(write, with_pin, db):
    token = new_token()
    write(open_session, with_pin.amina, token_hash(token), now_ms=NOW_MS)
    for _ in range(PIN_TRIES_MAX):
        try_pin(write, with_pin.amina, "0001")
    write(put_pin, with_pin.amina, pin_hash(PEPPER, with_pin.amina, "2468"))
    assert try_pin(write, with_pin.amina, "2468") is PinAnswer.OPENED
    assert session_actor(db, token_hash(token), now_ms=NOW_MS) is None


@pytest.mark.parametrize(
    ("later_ms", "is_there"), [(0, True), (SESSION_MS - 1, True), (SESSION_MS, False)]
)
def test_a_session_lasts_a_school_day(write, school, db, later_ms, is_there):
    token = new_token()
    write(open_session, school.amina, token_hash(token), now_ms=NOW_MS)
    actor = session_actor(db, token_hash(token), now_ms=NOW_MS + later_ms)
    assert (actor is not None) is is_there
    assert write(prune_sessions, now_ms=NOW_MS + later_ms) == (0 if is_there else 1)


def test_a_session_knows_the_roles(write, school, db):
    for person_id, roles in (
        (school.amina, {"learner"}),
        (school.mr_otieno, {"teacher"}),
        (school.keeper, {"school_admin"}),
    ):
        token = new_token()
        write(open_session, person_id, token_hash(token), now_ms=NOW_MS)
        assert session_actor(db, token_hash(token), now_ms=NOW_MS).roles == roles


def test_a_suspended_persons_session_ends_at_once(write, school, db):
    token = new_token()
    write(open_session, school.amina, token_hash(token), now_ms=NOW_MS)
    write(
        lambda tx: tx.run(
            "UPDATE person SET state = 'suspended', version = version + 1 WHERE id = ?1",
            (school.amina,),
        )
    )
    assert session_actor(db, token_hash(token), now_ms=NOW_MS) is None


def test_forty_sign_ins_at_the_bell_take_less_than_two_seconds(write, writer, readers, school):
    write(put_pin, school.amina, pin_hash(PEPPER, school.amina, "4071"))
    hasher = PasswordHasher()
    door = Door(writer=writer, readers=readers, clock=lambda: NOW_MS, keyring=Keys(), hasher=hasher)

    async def bell():
        pupils = [door.sign_in(SignIn(person_id=school.amina, pin="4071")) for _ in range(40)]
        await asyncio.gather(*pupils)

    began = time.perf_counter()
    asyncio.run(bell())
    assert time.perf_counter() - began < 2
    hasher.close()


def test_more_waiting_passwords_than_the_bound_are_told_to_retry():
    hasher = PasswordHasher()

    async def crowd():
        calls = [hasher.run(time.sleep, 0.01) for _ in range(100)]
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(crowd())
    hasher.close()
    assert sum(isinstance(answer, Busy) for answer in answers) == 40


@pytest.fixture
def staffed(box, school):
    box.app.state.writer.write_blocking(
        put_password, school.mr_otieno, "Otieno", password_hash("mango river stone")
    )
    return box


def test_staff_sign_in_whatever_the_letter_case_of_the_name(staffed, school):
    body = {"sign_in_name": "oTIENO", "password": "mango river stone"}
    answer = staffed.post("/api/v1/sessions", json=body)
    assert answer.status_code == 201
    assert UUID(answer.json()["person_id"]) == school.mr_otieno
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert staffed.get("/api/v1/me").json()["roles"] == ["teacher"]


@pytest.mark.parametrize("name", ["otieno", "nobody"])
def test_a_wrong_password_and_an_unknown_name_sound_alike(staffed, name):
    body = {"sign_in_name": name, "password": "guess"}
    answer = staffed.post("/api/v1/sessions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-password")


def test_the_sixth_wrong_password_has_to_wait_but_other_names_do_not(staffed):
    def guess(name):
        body = {"sign_in_name": name, "password": "guess"}
        return staffed.post("/api/v1/sessions", json=body)

    assert [guess("otieno").status_code for _ in range(6)] == [401] * 5 + [429]
    assert int(guess("otieno").headers["retry-after"]) >= 1
    assert guess("grace").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pin": "1234"},
        {"person_id": str(new_id())},
        {"person_id": str(new_id()), "pin": "12345"},
        {"person_id": str(new_id()), "pin": "١٢٣٤"},
        {"person_id": "amina", "pin": "1234"},
        {"sign_in_name": "otieno"},
        {"sign_in_name": "otieno", "password": "x", "pin": "1234"},
        {"sign_in_name": "otieno", "password": "x", "role": "school_admin"},
        {"sign_in_name": "otieno", "password": "x" * 201},
        [],
    ],
)
def test_half_a_secret_or_a_foreign_field_is_refused(box, body):
    answer = box.post("/api/v1/sessions", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(as_):
    client = as_("amina")
    token = client.cookies[COOKIE]
    assert client.delete("/api/v1/sessions/current").status_code == 204
    client.cookies.set(COOKIE, token)
    assert client.get("/api/v1/me").status_code == 401
    assert client.delete("/api/v1/sessions/current").status_code == 204


@pytest.mark.parametrize("cookie", ["", "x" * 5_000, "a;b", "%00"])
def test_a_cookie_that_is_no_session_is_nobody(box, cookie):
    answer = box.get("/api/v1/me", headers={"cookie": f"{COOKIE}={cookie}"})
    assert answer.status_code == 401
