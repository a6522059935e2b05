"""The school's keys: made once, sealed to a printed code, missed loudly."""

import stat

import pytest

from appliance.accounts.faults import KeysMissing, NotClaimed, WrongRecoveryCode
from appliance.accounts.keyring import Keyring
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


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


def test_the_printed_code_opens_the_sealed_keys(folder):
    keys, code = new_keys(), new_recovery_code()
    write_keys(folder, keys, code)
    sealed = (folder / SEALED).read_bytes()
    assert open_sealed_keys(sealed, code) == keys == read_keys(folder)
    assert open_sealed_keys(sealed, f" {code.lower().replace('-', ' ')} ") == keys
    assert keys.pin_pepper not in sealed


def test_another_code_does_not(folder):
    write_keys(folder, new_keys(), new_recovery_code())
    with pytest.raises(WrongRecoveryCode):
        open_sealed_keys((folder / SEALED).read_bytes(), new_recovery_code())


def test_nobody_else_on_the_machine_can_read_them(folder):
    write_keys(folder, new_keys(), new_recovery_code())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    names = {path.name for path in folder.iterdir()}
    assert names == {NODE_KEY, PIN_PEPPER, SEALING_KEY, SEALED}
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_of_an_unfinished_claim_are_replaced_whole(folder):
    write_keys(folder, new_keys(), new_recovery_code())
    second = new_keys()
    write_keys(folder, second, new_recovery_code())
    assert read_keys(folder) == second
    assert not folder.with_name("keys.new").exists()


@pytest.mark.parametrize("name", [NODE_KEY, PIN_PEPPER, SEALING_KEY])
@pytest.mark.parametrize("damage", ["gone", "short"])
def test_a_claimed_box_without_its_keys_does_not_start(folder, name, damage):
    write_keys(folder, new_keys(), new_recovery_code())
    (folder / name).unlink()
    if damage == "short":
        (folder / name).write_bytes(b"short")
    with pytest.raises(KeysMissing, match=name):
        Keyring(folder, is_claimed=True)


def test_an_unclaimed_box_has_no_pepper(folder):
    with pytest.raises(NotClaimed):
        _ = Keyring(folder, is_claimed=False).pin_pepper


def test_codes_have_no_letters_that_look_alike():
    letters = {letter for _ in range(200) for letter in new_recovery_code()} - {"-"}
    assert letters.isdisjoint("01ILO")
    assert len(letters) > 25
