"""Switching the machine off: who may, who is told to wait, and what is written down about it."""

import socket
from contextlib import ExitStack

import pytest

from appliance.health.queries import journal
from appliance.maintenance.commands import record_run
from tests.box import sign_in
from tests.cast import NOW_MS

PAGE = {"accept": "text/html"}
JSON = {"accept": "application/json"}


@pytest.fixture
def heard(box, database):
    """Listen as systemd does; tell which of the two was asked for."""
    place = database.parent / "run" / "darasa-power"
    place.mkdir(parents=True)
    with ExitStack() as stack:
        ears = {}
        for name in ("off", "restart"):
            ears[name] = stack.enter_context(socket.socket(socket.AF_UNIX))
            ears[name].bind(str(place / name))
            ears[name].listen()
            ears[name].settimeout(0)
        yield lambda: [name for name, ear in ears.items() if was_called(ear)]


def was_called(ear):
    try:
        ear.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def noted(box):
    lines = journal(box.app.state.readers.here, limit=9)
    return [(line.name, line.state, line.started_at_ms, line.effect) for line in lines]


def press(client, switch):
    return client.post("/box/switch", data={"switch": switch}, headers=PAGE, follow_redirects=False)


@pytest.mark.parametrize(
    ("switch", "words"), [("off", "is switching off"), ("restart", "is restarting")]
)
def test_the_keeper_is_told_who_waits_presses_and_it_is_written_down(
    as_, box, school, heard, switch, words
):
    keeper = as_("keeper")
    assert 'href="/box/switch"' in keeper.get("/box").text
    asked = keeper.get("/box/switch").text
    assert "Pupils who are working now will have to wait" in asked
    assert "1 phone is signed in" in asked
    assert heard() == []
    answer = press(keeper, switch)
    assert (answer.status_code, words in answer.text) == (200, True)
    assert heard() == [switch]
    assert noted(box) == [(f"switch-{switch}", "ok", NOW_MS, str(school.keeper))]
    assert "Fatou Diop" in keeper.get("/box/switch").text.partition("from this page")[2]
    assert str(school.keeper) not in keeper.get("/box").text.partition("<main")[2]


@pytest.mark.parametrize(
    ("who", "status"),
    [(None, 303), ("amina", 403), ("jomo", 403), ("mr_otieno", 403), ("baraka", 403)],
)
def test_nobody_else_sees_the_page_or_presses(box, school, heard, who, status):
    client = sign_in(box, getattr(school, who) if who else None)
    assert client.get("/box/switch", headers=PAGE, follow_redirects=False).status_code == status
    assert press(client, "off").status_code == status
    assert heard() == []
    assert noted(box) == []


def test_a_page_of_another_site_presses_nothing(as_, heard):
    keeper = as_("keeper")
    headers = {"origin": "http://elsewhere.example", "sec-fetch-site": "cross-site"}
    answer = keeper.post("/box/switch", data={"switch": "off"}, headers=headers)
    assert answer.status_code == 403
    assert heard() == []


@pytest.mark.parametrize("body", [{}, {"switch": "explode"}, {"switch": "../../off"}])
def test_what_is_no_switch_is_refused(as_, heard, body):
    assert as_("keeper").post("/box/switch", data=body).status_code == 400
    assert heard() == []


def test_where_nobody_listens_there_is_no_button_and_the_page_says_what_to_do(as_, database):
    keeper = as_("keeper")
    assert "/box/switch" not in keeper.get("/box").text
    page = keeper.get("/box/switch").text
    assert "a switch of its own" in page
    assert '<form method="post" action="/box/switch"' not in page
    answer = keeper.post(
        "/box/switch", data={"switch": "off"}, headers={"accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "switched-elsewhere")
    place = database.parent / "run/darasa-power"
    place.mkdir(parents=True)
    for name in ("off", "restart"):  # left there by somebody who does not listen any more
        with socket.socket(socket.AF_UNIX) as deaf:
            deaf.bind(str(place / name))
    assert keeper.post("/box/switch", data={"switch": "off"}).status_code == 409


def test_a_line_that_says_off_and_on_leads_there(as_, box, heard):
    keeper = as_("keeper")
    assert keeper.get("/box").text.count('href="/box/switch"') == 1
    failure = ("quick-check", "failed", "row 7 of an index is missing")
    box.app.state.writer.write_blocking(record_run, *failure, started_at_ms=NOW_MS, took_ms=1)
    assert keeper.get("/box").text.count('href="/box/switch"') == 2


def test_a_box_that_cannot_write_is_switched_off_all_the_same(as_, box, heard):
    keeper = as_("keeper")
    box.app.state.writer.stop()
    assert press(keeper, "off").status_code == 200
    assert heard() == ["off"]
