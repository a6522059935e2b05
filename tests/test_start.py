"""A start after a power cut, on a full card, on a dying card, and beside another start."""

import asyncio
import secrets
import time
from contextlib import closing

import httpx
import pytest
from litestar.testing import TestClient

from appliance.__main__ import run
from appliance.__main__ import run as box
from appliance.accounts.keys import NODE_KEY, PIN_PEPPER, SEALING_KEY
from appliance.backups.journal import repairs
from appliance.database.agent import AgentDatabase
from appliance.database.lock import only_box
from appliance.database.writer import Writer
from appliance.lessons_only.pages import create_reading_app
from appliance.maintenance.stops import noting_the_stop
from appliance.repair import LOST_LOG, ONLY_LESSONS, find_footing
from appliance.room import can_start, card_of, keep_reserve
from appliance.settings import Settings
from demo.processes import PYTHON, Process, box_process, free_port, until_healthy
from sync.agent.__main__ import run as agent
from tests.cast import NOW_MS
from tests.drills.small_school import make_small_school
from tests.full_disk import delete_films, fill, small_card, small_files, wear_out, why_no_card

CARD_MIB = 64
WHY_NO_CARD = why_no_card()
NEEDS_A_CARD = pytest.mark.skipif(bool(WHY_NO_CARD), reason=WHY_NO_CARD)
RENAME = "UPDATE person SET display_name = 'نور الهدى', version = version + 1"


@pytest.fixture
def settings(database, monkeypatch):
    """A claimed school."""
    made = Settings(data_dir=database.parent)
    give_keys(made)
    monkeypatch.setenv("DARASA_DATA_DIR", str(database.parent))
    return made


def give_keys(settings):
    settings.keys.mkdir()
    for name in (NODE_KEY, PIN_PEPPER, SEALING_KEY):
        (settings.keys / name).write_bytes(secrets.token_bytes(32))


def log_of(settings):
    return settings.database.with_name("school.db-wal")


def work(settings):
    """Somebody writes while the box runs."""
    with closing(AgentDatabase(settings.database)) as db, db.changing() as tx:
        tx.run(RENAME)


def a_migration(_settings):
    """The unit that runs before the box at every start of the machine."""
    assert run(["migrate"]) == 0


def the_agent(settings):
    """It ends after a box that was killed."""
    with closing(AgentDatabase(settings.database)) as db:
        assert db.data_version


def a_writer(settings):
    """The box's own, when the program is killed between closing and taking its mark away."""
    writer = Writer(settings.database)
    writer.start()
    writer.stop()


def two_starts(settings):
    """The first was refused before it served."""
    find_footing(settings, now_ms=NOW_MS)
    a_writer(settings)


CLOSERS = [a_migration, the_agent, a_writer, two_starts]


@pytest.mark.parametrize("closes", CLOSERS)
def test_whoever_closes_the_file_last_takes_no_log_away(settings, closes):
    work(settings)
    settings.running.write_bytes(b"running\n")
    closes(settings)
    assert find_footing(settings, now_ms=NOW_MS).words == []
    assert repairs(settings) == []


@pytest.mark.parametrize("closes", CLOSERS)
def test_a_log_that_the_card_has_lost_is_missed_whoever_closed_last(settings, closes):
    work(settings)
    settings.running.write_bytes(b"running\n")
    closes(settings)
    log_of(settings).unlink()
    assert find_footing(settings, now_ms=NOW_MS).words == [LOST_LOG]


@pytest.mark.system
@pytest.mark.parametrize("is_log_lost", [False, True])
def test_a_killed_box_that_the_units_start_again_tells_a_lost_log_from_none(settings, is_log_lost):
    port = free_port()
    box = box_process(settings.data_dir, port, host_name="darasa-start")
    with box:
        asyncio.run(until_healthy(box, port))
        work(settings)
        box.kill()
        if is_log_lost:
            log_of(settings).unlink()
        a_migration(settings)
        box.start()
        asyncio.run(until_healthy(box, port))
    assert [each.words for each in repairs(settings)] == ([[LOST_LOG]] if is_log_lost else [])
    assert not settings.running.exists()


@pytest.fixture
def on_a_card(tmp_path):
    """A school on a small card of its own, and some room kept."""
    folder = tmp_path / "card"
    folder.mkdir()
    with small_card(folder, mib=CARD_MIB):
        made = Settings(data_dir=folder)
        make_small_school(made.database, pupils=2)
        give_keys(made)
        assert keep_reserve(made.reserve, card_of(folder), made.reserve_bytes)
        yield made


def damage(settings):
    """Every page of it; only a repair or a backup would help."""
    settings.running.write_bytes(b"running\n")
    size = settings.database.stat().st_size
    with settings.database.open("r+b") as file:
        for at in range(8 * 4_096, size, 4_096):
            file.seek(at)
            file.write(secrets.token_bytes(4_096))


def shows_lessons(settings, footing):
    """The small box serves, and says what has happened."""
    with TestClient(create_reading_app(settings, footing.words)) as phone:
        page, refused = phone.get("/"), phone.post("/api/v1/sessions", json={})
    assert (page.status_code, refused.status_code) == (200, 503)
    return page.text


@NEEDS_A_CARD
@pytest.mark.parametrize("mark", [None, b"running\n"])
def test_a_full_card_gives_its_reserve_up_and_the_box_starts(on_a_card, mark):
    if mark:
        on_a_card.running.write_bytes(mark)
    fill(on_a_card.data_dir)
    assert find_footing(on_a_card, now_ms=NOW_MS).state == "sound"
    assert not on_a_card.reserve.exists()
    with noting_the_stop(on_a_card.running):
        a_writer(on_a_card)
    assert not on_a_card.running.exists()


@NEEDS_A_CARD
def test_a_log_that_no_longer_fits_into_the_file_keeps_no_box_from_starting(on_a_card):
    with closing(AgentDatabase(on_a_card.database)) as db:
        with db.changing() as tx:
            tx.run("CREATE TABLE big (x BLOB) STRICT")
            tx.run("INSERT INTO big VALUES (zeroblob(2000000))")
        log = log_of(on_a_card).read_bytes()
        file = on_a_card.database.read_bytes()
    on_a_card.database.write_bytes(file)
    log_of(on_a_card).write_bytes(log)
    on_a_card.running.write_bytes(b"running\n")
    fill(on_a_card.data_dir)
    assert find_footing(on_a_card, now_ms=NOW_MS).state == "sound"
    a_writer(on_a_card)
    assert len(log_of(on_a_card).read_bytes()) == len(log)


@NEEDS_A_CARD
def test_a_card_that_is_full_to_the_last_block_still_shows_lessons(on_a_card):
    on_a_card.reserve.unlink()
    fill(on_a_card.data_dir)
    footing = find_footing(on_a_card, now_ms=NOW_MS)
    assert footing.state == "reading"
    assert footing.words[:2] == ["The storage card is full to the last block.", ONLY_LESSONS]
    assert "Hisabati" in shows_lessons(on_a_card, footing)


@NEEDS_A_CARD
def test_damage_on_a_full_card_is_said_and_nothing_of_it_is_touched(on_a_card):
    damage(on_a_card)
    fill(on_a_card.data_dir)
    damaged = on_a_card.database.read_bytes()
    footing = find_footing(on_a_card, now_ms=NOW_MS)
    assert footing.state == "reading"
    assert "could not be repaired" in footing.words[0]
    assert on_a_card.database.read_bytes() == damaged
    assert "needs help" in shows_lessons(on_a_card, footing)


@NEEDS_A_CARD
@pytest.mark.parametrize("mark", [None, b"running\n", b"damaged\n"])
def test_a_card_that_can_only_be_read_shows_lessons(on_a_card, mark):
    if mark:
        on_a_card.running.write_bytes(mark)
    wear_out(on_a_card.data_dir)
    with only_box(on_a_card.data_dir):
        footing = find_footing(on_a_card, now_ms=NOW_MS)
    assert footing.state == "reading"
    assert footing.words[0] == "The storage card can only be read: it wears out."
    assert "Hisabati" in shows_lessons(on_a_card, footing)


# What the program does, looking a hundred times as often.
HASTY = """
import appliance.__main__ as box
from functools import partial
box.serve_lessons = partial(box.serve_lessons, look_every_s=0.05)
box.main()
"""


def status(port):
    return httpx.get(f"http://127.0.0.1:{port}/health").json()["status"]


@NEEDS_A_CARD
@pytest.mark.system
def test_a_box_that_found_a_full_card_comes_back_when_there_is_room(on_a_card):
    """Once the unit starts it anew; it ends well for that, and not before."""
    on_a_card.reserve.unlink()
    port = free_port()
    box = box_process(on_a_card.data_dir, port, host_name="darasa-full")
    env = {"DARASA_DATA_DIR": str(on_a_card.data_dir), "DARASA_PORT": str(port)}
    hasty = Process("hasty", [PYTHON, "-c", HASTY, "serve"], env=env, log=box.log)
    fill(on_a_card.data_dir)
    with hasty:
        asyncio.run(until_healthy(hasty, port))
        assert status(port) == "reading"
        delete_films(on_a_card.data_dir)
        wait_for_end(hasty)
    assert "started anew" in hasty.tail()
    with box:
        asyncio.run(until_healthy(box, port))
        assert status(port) in {"ok", "degraded"}


@NEEDS_A_CARD
def test_a_start_may_pass_when_the_card_can_be_written_and_damage_does_not(on_a_card):
    folder, was_free = on_a_card.data_dir, can_start(on_a_card.data_dir)
    on_a_card.reserve.unlink()
    fill(folder)
    footing = find_footing(on_a_card, now_ms=NOW_MS)
    assert (was_free, footing.may_pass, can_start(folder)) == (True, True, False)
    delete_films(folder)
    wear_out(folder)
    assert find_footing(on_a_card, now_ms=NOW_MS).may_pass
    assert not can_start(folder)


def test_a_card_that_takes_no_byte_more_shows_lessons(settings):
    with small_files(0):
        footing = find_footing(settings, now_ms=NOW_MS)
    assert footing.state == "reading"
    assert footing.words[0].startswith("The storage card refuses to be written")
    shows_lessons(settings, footing)


def test_a_second_box_of_a_folder_touches_nothing_and_says_so(settings, capsys):
    upload = settings.blobs / "incoming" / "half"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"half a photo")
    settings.running.write_bytes(b"running\n")
    with only_box(settings.data_dir):
        for command in ("serve", "migrate"):
            assert run([command]) == 1
            told = capsys.readouterr().err
            assert "This school's box runs already" in told
            assert "There is nothing to do" in told
            assert "Stop darasa-box" not in told
    assert upload.exists()
    assert settings.running.read_bytes() == b"running\n"
    assert repairs(settings) == []


@pytest.mark.parametrize(
    ("command", "todo"),
    [
        ([box, "status"], "`darasa-box migrate` once"),
        ([box, "doctor"], "`darasa-box migrate` once"),
        ([box, "backup"], "`darasa-box migrate` once"),
        ([agent, "status"], "`darasa-box migrate` once"),
    ],
)
def test_a_command_in_the_wrong_folder_says_so(command, todo, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path))
    program, *words = command
    assert program(words) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"There is no school in this folder: {tmp_path}/school.db is not there")
    assert todo in told


@pytest.mark.system
def test_of_two_boxes_on_two_ports_the_first_goes_on_and_stops_well(settings):
    port = free_port()
    first = box_process(settings.data_dir, port, host_name="darasa-first")
    second = box_process(settings.data_dir, free_port(), host_name="darasa-second")
    with first:
        asyncio.run(until_healthy(first, port))
        second.start()
        wait_for_end(second)
        assert "This school's box runs already" in second.tail()
        asyncio.run(until_healthy(first, port))
    assert "FileNotFoundError" not in first.tail()
    assert not settings.running.exists()


def wait_for_end(process):
    deadline = time.monotonic() + 30
    while process.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.05)
