"""The keeper's pages: lights, clock and poster, on phone and desk, by day and by night."""

import socket
from contextlib import ExitStack
from itertools import product

import pytest

from appliance.backups.journal import Repair, note_repair
from appliance.clock import kernel_is_synchronised, system_clock
from appliance.database.writer import Writer
from appliance.maintenance.commands import record_run
from appliance.settings import Settings
from tests.browser.conftest import DESK, PHONE
from tests.browser.test_pages import SPILLS, keep_picture, violations
from tests.cast import NOW_MS

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(120)]

PAGES = [
    ("box", "/box"),
    ("backups", "/box/backups"),
    ("poster", "/box/poster"),
    ("clock", "/clock"),
    ("switch", "/box/switch"),
]
LOOKS = list(product([("phone", PHONE), ("desk", DESK)], ["light", "dark"]))


@pytest.fixture
def nights(database):
    """A good night, a check that found something, and a repair that may have lost work."""
    settings = Settings(data_dir=database.parent)
    lost = ["hand-ins (3)", "marks", "how far pupils have read"]
    note_repair(settings, Repair(at_ms=NOW_MS, state="salvaged", words=["x"], may_miss=lost))
    writer = Writer(database)
    writer.start()
    for name, state, effect in (
        ("backup", "ok", "nightly-20251124.db, 12 MB, verified; 1 older removed"),
        ("full-check", "failed", "nightly-20251124.db: row 7 missing from index person_org"),
        ("reclaim-space", "ok", "1 MB given back"),
    ):
        writer.write_blocking(record_run, name, state, effect, started_at_ms=NOW_MS, took_ms=900)
    writer.stop()


@pytest.fixture
def stick_in(tmp_path, monkeypatch):
    """A stick that nobody has prepared; asked for before the server."""
    stick = tmp_path / "KINGSTON"
    stick.mkdir()
    monkeypatch.setenv("DARASA_BACKUP_DIR", str(stick))
    return stick


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine that has found a newer release and listens for its switches; before the server."""
    run = tmp_path / "run"
    for name in ("darasa-update", "darasa-power"):
        (run / name).mkdir(parents=True)
    (run / "darasa-update/offer.json").write_text('{"version": "99.1.0", "place": "http://x"}')
    monkeypatch.setenv("DARASA_RUN_DIR", str(run))
    with ExitStack() as stack:
        ears = {}
        for name in ("off", "restart"):
            ears[name] = stack.enter_context(socket.socket(socket.AF_UNIX))
            ears[name].bind(str(run / "darasa-power" / name))
            ears[name].listen()
            ears[name].settimeout(5)
        yield ears


def test_two_taps_restart_the_machine(machine, phone):
    page = phone("keeper", bypass_csp=True).new_page()
    page.goto("/box")
    page.get_by_role("link", name="Switch off or restart").click()
    page.get_by_role("button", name="Restart the box").click()
    page.get_by_role("heading", name="The box is restarting").wait_for()
    machine["restart"].accept()[0].close()
    keep_picture(page, "restarting-phone-light")
    wrong = [f"spills {element}" for element in page.evaluate(SPILLS)] + list(violations(page))
    page.goto("/box/switch")
    page.get_by_role("button", name="Switch the box off").click()
    page.get_by_role("heading", name="The box is switching off").wait_for()
    machine["off"].accept()[0].close()
    assert wrong == []


def test_one_tap_makes_a_stick_this_schools(stick_in, phone):
    wrong = []
    page = phone("keeper", bypass_csp=True).new_page()
    page.goto("/box/backups")
    page.get_by_role("button", name="Use this stick").click()
    page.get_by_text("This school's", exact=True).wait_for()
    assert list(stick_in.rglob("medium.json"))
    keep_picture(page, "backups-ready-phone-light")
    page.get_by_role("button", name="Make a backup now").click()
    page.get_by_role("status").wait_for()  # these keys were never printed, and it says so
    keep_picture(page, "backups-refused-phone-light")
    wrong += [f"spills {element}" for element in page.evaluate(SPILLS)]
    assert wrong + list(violations(page)) == []


def test_the_keepers_pages_fit_and_are_accessible(stick_in, machine, phone, nights):
    wrong = []
    for (device, viewport), scheme in LOOKS:
        context = phone("keeper", viewport=viewport, color_scheme=scheme, bypass_csp=True)
        for name, path in PAGES:
            page = context.new_page()
            assert page.goto(path).status == 200, name
            page.wait_for_load_state("networkidle")
            keep_picture(page, f"{name}-{device}-{scheme}")
            wrong += [f"{name}: spills {element}" for element in page.evaluate(SPILLS)]
            wrong += [f"{name}: {violation}" for violation in violations(page)]
            page.close()
    assert wrong == []


def test_one_tap_tells_the_box_what_the_phone_knows(phone, server):
    page = phone("mr_otieno").new_page()
    page.goto("/teach")
    if kernel_is_synchronised():  # this machine needs nobody, and asks nobody
        assert page.locator("[data-phone-clock]").count() == 0
        return
    page.get_by_role("button", name="Set the box by this phone").click()
    page.get_by_text("has said so since").wait_for()
    told = page.request.get("/api/v1/clock").json()
    assert told["is_sure"]
    assert abs(told["now_ms"] / 1_000 - system_clock() / 1_000) < 60
