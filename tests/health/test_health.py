"""The keeper's page, the doctor on the console, and a support file nobody is in."""

import io
import json
import os
import re
import zipfile
from pathlib import Path
from random import Random

import msgspec
import pytest

from appliance.__main__ import run
from appliance.access.commands import put_password, put_pin
from appliance.access.hashing import pin_hash
from appliance.backups.journal import Run, note_run
from appliance.backups.nightly import copy_tonight
from appliance.clock import kernel_is_synchronised, system_clock
from appliance.database.writer import Writer
from appliance.health.bundle import log_lines, plain_settings, write_bundle
from appliance.health.doctor import answers, diagnose
from appliance.health.faults import BundleFailed
from appliance.health.poster import address_of, lasting, ways_in
from appliance.health.redaction import Redactor
from appliance.maintenance.commands import record_run
from appliance.maintenance.stops import Mark, note_lessons, note_start, note_trouble
from appliance.repair import find_footing
from appliance.settings import Settings
from appliance.submissions.commands import hand_in
from appliance.submissions.models import HandIn, Stamp
from tests.cast import NOW_MS, new_id

NOISE = Random(1).randbytes(4_096)
STORY = "My grandmother buys tilapia from the fishermen by the lake."
PIN = "4071"
NAMES = ("Amina", "Otieno", "José", "Álvarez", "نور", "الهدى", "Nguyễn", "Ánh", "Jomo", "Fatou")


def test_the_page_answers_in_one_word_and_says_what_to_do(as_):
    text = as_("keeper").get("/box").text
    assert "Look soon" in text
    assert "on this box only" in text
    assert "Free on the card" in text
    health = as_("keeper").get("/api/v1/box/health").json()
    assert health["status"] == "soon"
    assert {"work"} <= {each["about"] for each in health["findings"]}
    assert health["figures"]["Phones signed in"].isdecimal()


def test_damage_is_said_first_and_in_red(as_, box):
    writer = box.app.state.writer
    failure = ("quick-check", "failed", "row 7 of an index is missing")
    writer.write_blocking(record_run, *failure, started_at_ms=NOW_MS, took_ms=1)
    text = as_("keeper").get("/box").text
    assert "Act now" in text
    assert text.index("row 7") < text.index("on this box only")


def test_the_poster_shows_every_way_in(as_):
    text = as_("mr_otieno").get("/box/poster").text
    assert "http://darasa.local/" in text
    assert "<svg" in text
    # Nobody announces in a test; whether this machine has a number decides which it is.
    assert ("no network now" in text) != ("do not find the name yet" in text)


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [("darasa.local", 80, "http://darasa.local/"), ("10.0.0.5", 8000, "http://10.0.0.5:8000/")],
)
def test_nobody_types_a_port_that_browsers_know(host, port, url):
    assert address_of(host, port) == url


@pytest.mark.parametrize(
    ("addresses", "printed"),
    [
        (("10.42.0.1", "169.254.8.1", "192.168.1.20"), ("10.42.0.1", "192.168.1.20")),
        (("169.254.8.1",), ("169.254.8.1",)),
        ((), ()),
    ],
)
def test_the_poster_prints_a_number_that_somebody_gave_if_there_is_one(addresses, printed):
    assert lasting(addresses) == printed


def test_each_way_has_a_code_of_its_own():
    ways = ways_in("darasa", ("10.0.0.5",), 80)
    assert [way.url for way in ways] == ["http://darasa.local/", "http://10.0.0.5/"]
    assert ways[0].code != ways[1].code
    assert 'style="' not in ways[0].code, "the page allows no styles inside it"


@pytest.fixture
def settings(database):
    return Settings(data_dir=database.parent)


def test_the_doctor_says_that_no_box_runs(settings, capsys, monkeypatch):
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    assert run(["doctor"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("ACT NOW")
    assert "The box is not running." in told
    assert "It was stopped as it should be." in told
    assert "Last copy on this card: never" in told
    assert "Last backup away: There is no backup away" in told
    assert run(["doctor", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["status"] == "now"


def test_the_doctor_asks_the_box_that_runs(settings):
    note_start(settings.running, port=9)  # discard: nobody answers there
    assert not answers(9)
    assert diagnose(settings).findings[0].words == "The box runs and does not answer."
    note_start(settings.running, port=None)
    assert diagnose(settings).status == "soon"


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({}, "The power went or it was killed"),
        ({"trouble": "refused"}, "ended with an error"),
        ({"serves": "lessons", "trouble": "damaged"}, "could only show lessons"),
    ],
)
def test_the_doctor_says_how_a_box_that_does_not_run_has_ended(settings, left, words):
    settings.running.write_bytes(msgspec.json.encode(Mark(**left)))
    assert words in diagnose(settings).findings[0].words


def test_the_doctor_says_what_a_check_has_found(settings):
    note_start(settings.running, port=None)
    note_trouble(settings.running, "damaged")
    found = diagnose(settings)
    assert (found.status, found.findings[0].about) == ("now", "damage")
    assert "repairs itself" in found.findings[0].todo


@pytest.mark.parametrize("content", [None, b"", NOISE * 20])
def test_the_doctor_of_a_box_that_only_shows_lessons_asks_no_damaged_database(
    settings, tmp_path, monkeypatch, capsys, content
):
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    settings.keys.mkdir()
    settings.database.unlink() if content is None else settings.database.write_bytes(content)
    found = find_footing(settings, now_ms=NOW_MS)
    assert found.state == "reading"
    note_lessons(settings.running, port=9)
    settings.running.write_bytes(settings.running.read_bytes().replace(b'"port":9', b'"port":null'))
    target = tmp_path / "support.zip"
    assert run(["doctor", "--bundle", str(target)]) == 1
    told = capsys.readouterr().out
    assert "only shows lessons" in told
    assert "The database cannot be read. The school's database is damaged" in told
    assert "Free on the card" in told
    with zipfile.ZipFile(target) as file:
        assert "nobody knows which names" in file.read("log.txt").decode()
    assert settings.database.exists() is (content is not None)


def test_the_bundle_of_a_damaged_box_takes_the_names_to_hide_from_a_copy(full, settings, tmp_path):
    settings.keys.mkdir()
    copy_tonight(settings, now_ms=NOW_MS)
    settings.database.write_bytes(NOISE * 20)
    note_lessons(settings.running, port=9)
    log, target = tmp_path / "box.log", tmp_path / "support.zip"
    log.write_text("WARNING appliance.app kept name=Amina\n")
    write_bundle(settings, diagnose(settings), target, [log])
    with zipfile.ZipFile(target) as file:
        assert "kept name=[name]" in file.read("log.txt").decode()


def test_sticks_and_drills_are_told_beside_the_lights(settings):
    note_start(settings.running, port=None)
    at_ms = system_clock() - 20 * 86_400_000
    made = {"is_verified": True, "place": "/media/stick", "words": "read back", "file": "a"}
    note_run(settings, Run(at_ms=at_ms, kind="backup", **made))
    note_run(settings, Run(at_ms=at_ms, kind="drill", **made | {"is_verified": False}))
    found = diagnose(settings)
    assert "20 days ago" in found.figures["Last backup away"]
    assert "failed" in found.figures["Last restore drill"]
    assert {each.about for each in found.findings} <= {"backup", "backups", "clock", "room"}
    told = " ".join(each.words for each in found.findings if each.about == "backups")
    assert "drill: The one of" in told
    assert ("20 days ago" in told) is kernel_is_synchronised(), "its age somebody must vouch for"
    assert found.status == "now"


def test_the_doctor_needs_a_database(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path))
    assert run(["doctor"]) == 1
    assert "darasa-box serve" in capsys.readouterr().err


def log_of(school):
    """Lines a box writes, and lines no box should write and some library may."""
    return [
        f"2026-11-21T07:00:01+0300 box darasa-box[9]: INFO appliance.app started id={school.amina}",
        f"INFO appliance.orders.watch order done person={school.amina.hex} address=192.168.4.17",
        "WARNING appliance.courses.disk course read name=Amina Otieno",
        f"ERROR appliance.orders.watch order failed cause=ValueError('{STORY}')",
        "Traceback (most recent call last):",
        '  File "/opt/darasa/lib/appliance/app.py", line 12, in create_app',
        f"    raise ValueError({STORY!r})",
        f"ValueError: {STORY}",
        f"appliance.errors.NotFound: person {school.amina}",
        "This box does not belong to a school yet. To claim it, type this code:",
        "  ABCD-EFGH",
        f"{PIN}",
        "نور الهدى",
    ]


@pytest.fixture
def full(database, school):
    """Everybody has a PIN, somebody a password, and there is work."""
    writer = Writer(database)
    writer.start()
    for name in ("amina", "jose", "noor", "anh", "jomo"):
        person = getattr(school, name)
        writer.write_blocking(put_pin, person, pin_hash(b"pepper", person, PIN))
    writer.write_blocking(put_password, school.keeper, "fatou.diop", b"$argon2id$hash")
    writer.write_blocking(
        hand_in,
        school.amina,
        new_id(),
        HandIn(assessment_id=school.village, body=STORY),
        submission_id=new_id(),
        stamp=Stamp(NOW_MS, 3),
    )
    effect = f"failed on {school.jose} of Nguyễn Thị Ánh: '{STORY}'"
    writer.write_blocking(record_run, "backup", "failed", effect, started_at_ms=NOW_MS, took_ms=1)
    writer.stop()
    return school


def test_no_name_pin_text_or_id_of_a_pupil_is_in_a_support_file(full, settings, tmp_path):
    log = tmp_path / "box.log"
    log.write_text("\n".join(log_of(full)), encoding="utf-8")
    target = tmp_path / "support.zip"
    assert write_bundle(settings, diagnose(settings), target, [log]) < 200_000
    with zipfile.ZipFile(target) as file:
        parts = {name: file.read(name).decode() for name in file.namelist()}
    everything = "\n".join(parts.values())
    for word in (*NAMES, "fatou.diop", STORY, "tilapia", "Shule ya Mfano", "192.168.4.17", "ABCD"):
        assert word not in everything, word
    assert re.search(rf"\b{PIN}\b", everything) is None
    for name in full.__struct_fields__:
        for form in (str(getattr(full, name)), getattr(full, name).hex):
            assert form not in everything.lower(), name
    assert "order failed cause=ValueError([quoted])" in parts["log.txt"]
    assert "  ValueError\n" in parts["log.txt"]
    assert "app.py, line 12, in create_app" in parts["log.txt"]
    assert json.loads(parts["rows.json"])["submission"] == 1
    assert json.loads(parts["settings.json"])["port"] == "8000"
    assert json.loads(parts["versions.json"])["schema"] > 0
    assert "The box is not running." in parts["doctor.txt"]


def test_the_keeper_takes_the_support_file_from_the_page(as_, box, full):
    keeper = as_("keeper")
    assert 'href="/box/support-file"' in keeper.get("/box").text
    answer = keeper.get("/box/support-file")
    assert "darasa-support.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        everything = "\n".join(file.read(name).decode() for name in file.namelist())
    for word in (*NAMES, STORY, "Shule ya Mfano"):
        assert word not in everything, word
    assert as_("mr_otieno").get("/box/support-file").status_code == 403


def test_the_same_id_is_the_same_word_in_one_file_and_no_word_in_the_next(school):
    one, other = Redactor([], b"one"), Redactor([], b"other")
    told = one.text(f"{school.amina} {school.amina.hex} {school.jose}").split()
    assert told[0] == told[1] != told[2]
    assert other.text(str(school.amina)) != told[0]


def test_what_could_be_a_secret_is_only_named(settings):
    shown = plain_settings(settings, Redactor([], b"one"))
    assert shown["lesson_hours"] == "7-17"
    assert set(shown) == set(Settings.__struct_fields__)
    hidden = {name for name, value in shown.items() if value == "[not shown]"}
    assert hidden == {name for name in shown if "key" in name or "code" in name}


def test_a_long_log_is_cut_at_its_beginning(tmp_path):
    log = tmp_path / "log"
    log.write_text("\n".join(f"INFO appliance.app n={n}" for n in range(9_000)))
    lines = list(log_lines([log]))
    assert lines[-1].endswith("n=8999")
    assert "INFO appliance.app n=0" not in lines


def test_a_file_that_cannot_be_written_is_one_sentence(settings, tmp_path):
    with pytest.raises(BundleFailed, match="No such file"):
        write_bundle(settings, diagnose(settings), tmp_path / "nowhere" / "support.zip")


def test_the_command_writes_it(settings, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    note_start(settings.running, port=None)
    target = tmp_path / "support.zip"
    assert run(["doctor", "--bundle", str(target)]) == 0
    assert "no names in it" in capsys.readouterr().err
    assert zipfile.is_zipfile(target)
    assert msgspec.json.decode(settings.running.read_bytes())["pid"] == os.getpid()
    assert Path(target).stat().st_size < 200_000
