"""The keeper sees where the backups are and makes one; nobody else comes near it."""

import pytest

from appliance.accounts.keys import SEALED
from appliance.backups.media import prepare
from appliance.settings import Settings

PAGE = {"accept": "text/html"}


@pytest.fixture
def stick_in(box, school, stick, printed):
    """Plug a prepared stick in, and give the box its sealed keys."""
    state = box.app.state
    settings = Settings(data_dir=state.settings.data_dir, backup_dir=str(stick))
    (settings.keys / SEALED).write_bytes((printed[0] / SEALED).read_bytes())
    state.backups.settings, before = settings, state.backups.settings
    prepare(stick, school.school_id, "Shule ya Mfano")
    yield stick
    state.backups.settings = before


def test_before_the_first_one_the_page_says_how_to_begin(as_):
    page = as_("keeper").get("/box/backups", headers=PAGE)
    assert page.status_code == 200
    assert "No backup" in page.text
    assert "No stick is plugged in" in page.text
    assert "`" not in page.text
    assert "darasa-box" not in page.text


def test_one_tap_makes_one_and_the_page_says_so(as_, stick_in):
    keeper = as_("keeper")
    page = keeper.post("/box/backups", headers=PAGE)
    assert page.status_code == 200  # led back to the page
    assert "Tested" in page.text
    state = keeper.get("/api/v1/box/backups").json()
    assert [run["is_verified"] for run in state["runs"]] == [True]
    assert keeper.post("/api/v1/box/backups").status_code == 201


def test_without_a_stick_it_says_what_to_do(as_):
    answer = as_("keeper").post("/api/v1/box/backups")
    assert answer.status_code == 409
    assert answer.json()["code"] == "backup-medium-missing"
    assert "Plug" in answer.json()["hint"]


@pytest.mark.parametrize("who", ["mr_otieno", "amina", "jomo", None])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_must_not_see_or_make_backups(as_, who, method):
    answer = as_(who).request(method, "/api/v1/box/backups")
    assert answer.status_code == (403 if who else 401)
    assert "runs" not in answer.text
