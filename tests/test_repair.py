"""A box that lost its card has its school again: the backup, and the printed code."""

import asyncio
import io
import re

import pytest

from appliance.__main__ import run
from appliance.accounts.keys import (
    NODE_KEY,
    PIN_PEPPER,
    SEALED,
    SEALING_KEY,
    new_keys,
    new_recovery_code,
    open_sealed_keys,
    read_keys,
    write_keys,
)
from appliance.database.lock import shared_lock
from appliance.database.readers import Readers
from appliance.settings import Settings
from demo.phone import Phone
from demo.processes import box_process, free_port, until_healthy
from tests.cast import new_id

NAMES = "SELECT group_concat(display_name, ', ' ORDER BY display_name) FROM person"
RENAME = "UPDATE person SET display_name = 'nobody', version = version + 1"


@pytest.fixture
def settings(database, monkeypatch):
    monkeypatch.setenv("DARASA_DATA_DIR", str(database.parent))
    return Settings(data_dir=database.parent)


@pytest.fixture
def recovery_code(settings):
    code = new_recovery_code()
    write_keys(settings.keys, new_keys(), code)
    return code


@pytest.fixture
def stick(settings, tmp_path):
    return tmp_path / "stick" / "school.db"


def names(settings):
    readers = Readers(settings.database)
    try:
        return readers.here.value(NAMES)
    finally:
        readers.close()


def type_in(monkeypatch, words):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{words}\n"))


def test_a_backup_comes_back_and_what_was_there_is_kept(settings, writer, stick, capsys):
    before = names(settings)
    assert run(["backup", "--plain", str(stick)]) == 0
    writer.write_blocking(lambda tx: tx.run(RENAME))
    writer.stop()
    assert names(settings) != before
    assert run(["restore", str(stick)]) == 0
    assert names(settings) == before
    (aside,) = settings.data_dir.glob("before-restore-*")
    assert (aside / "school.db").exists()
    assert str(aside) in capsys.readouterr().out
    assert run(["check"]) == 0


def test_a_database_too_broken_to_open_is_replaced(settings, stick):
    before = names(settings)
    assert run(["backup", "--plain", str(stick)]) == 0
    settings.database.write_bytes(b"\xa5" * 8_192)
    assert run(["restore", str(stick)]) == 0
    assert names(settings) == before


@pytest.mark.parametrize("content", [b"", b"\xa5" * 8_192, None])
def test_what_is_no_sound_backup_changes_nothing(settings, stick, content, capsys):
    before = names(settings)
    assert run(["backup", "--plain", str(stick)]) == 0
    if content is None:
        stick.unlink()
    else:
        stick.write_bytes(content)
    assert run(["restore", str(stick)]) == 1
    assert "Nothing was changed" in capsys.readouterr().err
    assert names(settings) == before
    assert list(settings.data_dir.glob("*restore*")) == []


def test_a_running_box_is_not_restored_under_its_feet(settings, stick, capsys):
    assert run(["backup", "--plain", str(stick)]) == 0
    with shared_lock(settings.data_dir):
        assert run(["restore", str(stick)]) == 1
    assert "in use" in capsys.readouterr().err


def test_the_printed_code_opens_the_keys_on_another_board(
    settings, recovery_code, stick, tmp_path, monkeypatch
):
    keys = read_keys(settings.keys)
    assert run(["backup", "--plain", str(stick)]) == 0
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path / "new"))
    type_in(monkeypatch, recovery_code.lower().replace("-", " "))
    assert run(["open-keys", f"{stick}.keys"]) == 0
    folder = tmp_path / "new" / "keys"
    assert read_keys(folder) == keys
    assert (folder / SEALED).exists()
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_another_code_opens_nothing(settings, recovery_code, stick, tmp_path, monkeypatch, capsys):
    assert run(["backup", "--plain", str(stick)]) == 0
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path / "new"))
    type_in(monkeypatch, new_recovery_code())
    assert run(["open-keys", f"{stick}.keys"]) == 1
    assert "recovery code" in capsys.readouterr().err
    assert not (tmp_path / "new" / "keys").exists()


def test_where_nobody_types_a_code_nothing_is_opened(settings, stick, monkeypatch, capsys):
    assert run(["backup", "--plain", str(stick)]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(["open-keys", f"{stick}.keys"]) == 1
    assert "nothing was typed" in capsys.readouterr().err


def test_keys_that_are_there_are_not_replaced(settings, recovery_code, stick, monkeypatch):
    assert run(["backup", "--plain", str(stick)]) == 0
    keys = read_keys(settings.keys)
    type_in(monkeypatch, recovery_code)
    assert run(["open-keys", f"{stick}.keys"]) == 1
    assert read_keys(settings.keys) == keys


@pytest.mark.parametrize(
    "lost",
    [(PIN_PEPPER,), (NODE_KEY, PIN_PEPPER, SEALING_KEY, SEALED), (SEALING_KEY, SEALED)],
    ids=["one", "all", "two"],
)
def test_keys_that_were_lost_from_their_folder_come_back_and_the_others_stay(
    settings, recovery_code, stick, monkeypatch, lost
):
    assert run(["backup", "--plain", str(stick)]) == 0
    keys = read_keys(settings.keys)
    (settings.keys / NODE_KEY).write_bytes(bytes(32))  # changed since
    (settings.keys / "else").write_bytes(b"kept")
    for name in lost:
        (settings.keys / name).unlink()
    type_in(monkeypatch, recovery_code)
    assert run(["open-keys", f"{stick}.keys"]) == 0
    found = read_keys(settings.keys)
    assert (found.pin_pepper, found.sealing_key) == (keys.pin_pepper, keys.sealing_key)
    assert found.node_key == (keys.node_key if NODE_KEY in lost else bytes(32))
    assert (settings.keys / "else").read_bytes() == b"kept"
    assert open_sealed_keys((settings.keys / SEALED).read_bytes(), recovery_code) == keys


def test_what_is_left_of_another_schools_keys_is_not_mixed(
    settings, recovery_code, stick, monkeypatch, capsys
):
    assert run(["backup", "--plain", str(stick)]) == 0
    (settings.keys / PIN_PEPPER).unlink()
    (settings.keys / SEALING_KEY).write_bytes(bytes(32))
    type_in(monkeypatch, recovery_code)
    assert run(["open-keys", f"{stick}.keys"]) == 1
    assert "is of other keys" in capsys.readouterr().err
    assert not (settings.keys / PIN_PEPPER).exists()


def test_a_file_that_holds_no_keys_is_said_to_hold_none(settings, tmp_path, monkeypatch, capsys):
    (tmp_path / "other").write_bytes(b"not keys")
    type_in(monkeypatch, new_recovery_code())
    assert run(["open-keys", str(tmp_path / "other")]) == 1
    assert "does not hold sealed keys" in capsys.readouterr().err


@pytest.mark.system
def test_a_school_and_its_pins_come_back_on_another_board(tmp_path, stick, monkeypatch):
    recovery_code, pupil = asyncio.run(a_school_with_a_pupil(tmp_path / "lost", stick, monkeypatch))
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path / "new"))
    assert run(["restore", str(stick)]) == 0
    type_in(monkeypatch, recovery_code)
    assert run(["open-keys", f"{stick}.keys"]) == 0
    assert [path.name for path in (tmp_path / "new").glob("before*")] == []
    assert asyncio.run(sign_in_status(tmp_path / "new", pupil)) == 201


async def a_school_with_a_pupil(folder, stick, monkeypatch):
    """Claim a real box, give Amina a PIN, make a backup, and pull the plug."""
    admin = {"sign_in_name": "grace", "password": new_id().hex}
    claim = {"school_name": "Shule", "locale": "sw", "admin_name": "Grace Wanjiru"}
    port = free_port()
    with box_process(folder, port) as box:
        await until_healthy(box, port)
        code = re.search(r"^  (\w{4}-\w{4})$", box.tail(), re.MULTILINE)[1]
        async with Phone(port) as phone:
            claimed = await phone.post("/api/v1/claim", {"code": code, **claim, **admin}, dict)
            await phone.post("/api/v1/sessions", admin, dict)
            group = await phone.post("/api/v1/classes", {"name": "6A"}, dict)
            names = {"text": "Amina Otieno", "class_group_id": group["id"]}
            await phone.post("/api/v1/people/import", names, dict)
            (pupil,) = await phone.post(f"/api/v1/classes/{group['id']}/pins", {}, list)
        monkeypatch.setenv("DARASA_DATA_DIR", str(folder))
        assert run(["backup", "--plain", str(stick)]) == 0  # while the box runs
        box.kill()
    return claimed["recovery_code"], {key: pupil[key] for key in ("person_id", "pin")}


async def sign_in_status(folder, pupil):
    port = free_port()
    with box_process(folder, port) as box:
        await until_healthy(box, port)
        async with Phone(port) as phone:
            return (await phone.send("POST", "/api/v1/sessions", pupil)).status
