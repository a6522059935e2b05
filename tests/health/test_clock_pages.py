"""A teacher's phone sets the box's clock in one tap; nobody is thrown out by it."""

import os

import pytest

from appliance import clock
from appliance.access.commands import SESSION_MS, open_session
from appliance.access.hashing import new_token, token_hash
from appliance.access.sessions import COOKIE
from appliance.health.timekeeping import take_step
from tests.box import running_box
from tests.cast import HOUR_MS, NOW_MS

YEAR_MS = clock.YEAR_MS
SESSIONS = "SELECT created_at_ms, expires_at_ms FROM session"


@pytest.fixture
def box(machine, database):
    """The box keeps the time of the machine, as `darasa-box serve` does."""
    with running_box(database, clock=clock.system_clock) as client:
        yield client


@pytest.fixture
def as_(box, school):
    def as_(name):
        token = new_token()
        person = getattr(school, name)
        now_ms = clock.system_clock()
        box.app.state.writer.write_blocking(open_session, person, token_hash(token), now_ms=now_ms)
        box.cookies.clear()
        box.cookies.set(COOKIE, token)
        return box

    return as_


def test_one_tap_sets_the_box_and_everybody_stays_signed_in(as_, school):
    client = as_("amina")
    amina = client.cookies.get(COOKIE)
    late = client.put(
        "/api/v1/submission-revisions/01900000-0000-7000-8000-000000000001",
        json={"assessment_id": str(school.village), "body": "By the lake."},
    ).json()
    assert (late["late_ms"], late["is_clock_sure"]) == (0, False)
    client = as_("mr_otieno")
    assert client.get("/api/v1/clock").json()["is_sure"] is False
    assert "data-phone-clock" in client.get("/teach").text
    phone_ms = NOW_MS + YEAR_MS
    page = client.post("/clock", data={"phone_ms": str(phone_ms)}, follow_redirects=True)
    assert "A phone has said so" in page.text
    told = client.get("/api/v1/clock").json()
    assert (told["quality"], told["source"]) == (clock.TOLD, "a phone")
    assert abs(told["now_ms"] - phone_ms) < 60_000
    assert "data-phone-clock" not in client.get("/teach").text
    client.cookies.set(COOKIE, amina)
    assert client.get("/api/v1/me").json()["display_name"] == "Amina Otieno"


def test_a_page_without_scripts_asks_for_the_time(as_):
    client = as_("keeper")
    assert 'type="datetime-local"' in client.get("/clock").text
    set_by_hand = client.post("/clock", data={"local": "2026-02-03T14:05"}, follow_redirects=True)
    assert "Tue 3 Feb 2026, 14:05" in set_by_hand.text


@pytest.mark.parametrize(
    "form", [{}, {"phone_ms": "soon"}, {"phone_ms": "5"}, {"local": "yesterday"}]
)
def test_a_time_that_cannot_be_is_refused_in_words(as_, form):
    client = as_("mr_otieno")
    page = client.post("/clock", data=form)
    assert (page.status_code, "was not understood" in page.text) == (200, True)
    assert client.get("/api/v1/clock").json()["quality"] == clock.SINCE_BOOT


def test_the_district_is_believed_before_any_phone(as_, box):
    client = as_("mr_otieno")
    clock.tell(box.app.state.settings.clock_file, NOW_MS + 1)
    refused = client.put("/api/v1/clock", json={"phone_ms": NOW_MS + HOUR_MS})
    assert (refused.status_code, refused.json()["code"]) == (409, "clock-known")
    page = client.post("/clock", data={"phone_ms": str(NOW_MS + HOUR_MS)})
    assert "knows the time already" in page.text
    assert "One tap" not in page.text


def test_of_two_who_set_it_at_the_same_moment_the_first_one_wins(as_, box):
    first, second = NOW_MS + YEAR_MS, NOW_MS + 2 * YEAR_MS
    client = as_("mr_otieno")
    client.post("/clock", data={"phone_ms": str(first)})
    client = as_("keeper")
    page = client.post("/clock", data={"phone_ms": str(second)})
    assert "has just set the clock" in page.text
    assert client.put("/api/v1/clock", json={"phone_ms": second}).json()["code"] == "clock-just-set"
    assert client.put("/api/v1/clock", json={"phone_ms": first + 9_000}).status_code == 200
    file = box.app.state.settings.clock_file
    os.utime(file, (1, 1))  # a minute later
    assert client.put("/api/v1/clock", json={"phone_ms": second}).status_code == 200


def test_a_box_on_a_machine_that_keeps_time_by_itself_says_so(database, school):
    with running_box(database) as client:
        token = new_token()
        hashed = token_hash(token)
        writer = client.app.state.writer
        writer.write_blocking(open_session, school.mr_otieno, hashed, now_ms=NOW_MS)
        client.cookies.set(COOKIE, token)
        refused = client.put("/api/v1/clock", json={"phone_ms": NOW_MS})
        assert refused.json()["code"] == "clock-elsewhere"


@pytest.mark.parametrize("step_ms", [HOUR_MS, 50 * YEAR_MS])
@pytest.mark.anyio
async def test_forwards_those_of_this_boot_are_taken_along(machine, writer, db, school, step_ms):
    its = clock.box_clock()
    before_boot = its.now_ms() - machine.up_ms - 1
    writer_of = [(school.amina, its.now_ms()), (school.jose, before_boot)]
    for person, at_ms in writer_of:
        await writer.write(open_session, person, token_hash(new_token()), now_ms=at_ms)
    machine.wall_ms += step_ms
    machine.is_synchronised = True
    assert await take_step(its, writer)
    assert not await take_step(its, writer)
    ends = sorted(ends for _, ends in db._connection.execute(SESSIONS))
    assert ends == [before_boot + SESSION_MS, NOW_MS + step_ms + SESSION_MS]


@pytest.mark.anyio
async def test_backwards_nobody_stays_for_years(machine, writer, db, school):
    its = clock.box_clock()
    await writer.write(open_session, school.amina, token_hash(new_token()), now_ms=its.now_ms())
    machine.wall_ms -= HOUR_MS
    machine.is_synchronised = True
    assert await take_step(its, writer)
    (session,) = db._connection.execute(SESSIONS)
    assert session == (NOW_MS - HOUR_MS, NOW_MS - HOUR_MS + SESSION_MS)
