"""A newer release that the machine has found: told quietly, and never as anything but a version."""

import json

import pytest

from appliance.health.doctor import diagnose, lines
from appliance.health.release import newer_release
from appliance.maintenance.stops import note_start
from appliance.settings import Settings


@pytest.fixture
def settings(database):
    return Settings(data_dir=database.parent, run_dir=database.parent / "run")


@pytest.fixture
def found(settings):
    """Leave what `update check` leaves, or what somebody else would like to."""

    def found(content):
        file = settings.run_dir / "darasa-update/offer.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    return found


@pytest.mark.parametrize(
    ("running", "told"),
    [("0.9.9", "0.10.0"), ("0.10.0", None), ("0.11.0", None), ("1.0.0", None)],
)
def test_the_offer_goes_once_the_box_runs_it_or_a_newer_one(settings, found, running, told):
    found({"version": "0.10.0", "place": "http://updates.example/new.raucb"})
    assert newer_release(settings, running) == told


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 9_000,
        b'"' * 100_000,
        [],
        {},
        {"version": None},
        {"version": "99.0.0-rc1"},
        {"version": "<script>alert(1)</script>"},
        {"version": "99.0.0\n"},
        {"version": "9" * 5_000},
        {"version": "\xd9\xa4"},
        {"version": "99.0.0", "notes": "n" * 20_000},
    ],
    ids=lambda content: str(content)[:30],
)
def test_what_names_no_version_is_not_told_at_all(settings, found, content):
    found(content)
    assert newer_release(settings) is None


def test_page_json_and_doctor_tell_of_it_and_no_light_changes(as_, settings, found):
    keeper = as_("keeper")
    before = keeper.get("/api/v1/box/health").json()["status"]
    assert "can be put on this box" not in keeper.get("/box").text
    found({"version": "99.1.0", "place": "http://updates.example/<b>new</b>.raucb"})
    page = keeper.get("/box").text
    assert "Version 99.1.0 can be put on this box" in page
    assert "updates.example" not in page
    health = keeper.get("/api/v1/box/health").json()
    assert health["figures"]["Newer version"].startswith("99.1.0 can be put on this box")
    assert health["status"] == before
    note_start(settings.running, port=None)
    assert any("Newer version: 99.1.0" in line for line in lines(diagnose(settings)))
