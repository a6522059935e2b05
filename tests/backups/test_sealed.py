"""Nobody reads a backup without a key, and no damaged byte of it passes."""

import os
from random import Random

import pytest
from nacl.signing import SigningKey

from appliance.accounts.keys import new_keys, read_keys
from appliance.backups.envelope import is_sealed, read_label, unseal
from appliance.backups.faults import BackupDamaged, WrongPassphrase
from appliance.backups.label import (
    code_of,
    lock_for_district,
    open_for_box,
    open_for_district,
    secret_of,
)
from appliance.backups.opening import open_label

SECRET = bytes(range(16))


@pytest.fixture
def sealed(make, stick):
    return stick / "darasa-backup" / make().file


def secret(settings, path):
    return open_for_box(read_label(path).for_box, read_keys(settings.keys).sealing_key)


def test_no_word_of_the_school_can_be_read_on_the_stick(sealed, database):
    content = sealed.read_bytes()
    assert is_sealed(sealed)
    assert not is_sealed(database)
    for name in ("Amina", "Otieno", "نور", "SQLite format"):
        assert name.encode() not in content


def test_the_box_opens_its_own_and_gets_back_what_it_gave(settings, sealed, tmp_path):
    keys = unseal(sealed, secret(settings, sealed), tmp_path / "back.db")
    assert keys == read_keys(settings.keys)
    assert (tmp_path / "back.db").read_bytes()[:15] == b"SQLite format 3"
    assert (tmp_path / "back.db").stat().st_mode & 0o777 == 0o600


def test_every_damaged_byte_is_found(settings, sealed, tmp_path):
    """Also one of the label, which anybody can read and nobody can change."""
    whole, opens, dice = sealed.read_bytes(), secret(settings, sealed), Random(1)
    label_end = whole.index(b'"for_district"')
    for place in (20, label_end - 40, *(dice.randrange(len(whole)) for _ in range(30))):
        broken = bytearray(whole)
        broken[place] ^= 1 << dice.randrange(8)
        sealed.write_bytes(broken)
        with pytest.raises(BackupDamaged):
            unseal(sealed, opens, tmp_path / "back.db")


@pytest.mark.parametrize("left", [0, 5, 40, 4_000, -1])
def test_a_file_that_was_cut_off_is_found(settings, sealed, tmp_path, left):
    opens = secret(settings, sealed)
    os.truncate(sealed, left if left >= 0 else sealed.stat().st_size - 1)
    with pytest.raises(BackupDamaged):
        unseal(sealed, opens, tmp_path / "back.db")


def test_the_keys_of_another_school_open_nothing(sealed):
    assert open_for_box(read_label(sealed).for_box, new_keys().sealing_key) is None


@pytest.mark.parametrize("typed", ["", "WRONG", "2222-3333-4444-5555-6666-7777", code_of(SECRET)])
def test_a_wrong_code_is_a_plain_sentence(settings, sealed, tmp_path, typed):
    """On a board without keys. A code for another backup opens another backup only."""
    elsewhere = type(settings)(data_dir=tmp_path / "new")
    label = read_label(sealed)
    if secret_of(typed) is None:
        with pytest.raises(WrongPassphrase, match="it is one of Shule ya Mfano") as refused:
            open_label(elsewhere, label, lambda: typed)
        assert "does not open" in refused.value.title
        return
    opened = open_label(elsewhere, label, lambda: typed)
    with pytest.raises(BackupDamaged):
        unseal(sealed, opened.secret, tmp_path / "back.db")


def test_the_printed_code_opens_it_anywhere_however_it_is_typed(
    settings, sealed, recovery_code, tmp_path
):
    elsewhere = type(settings)(data_dir=tmp_path / "new")
    typed = recovery_code.lower().replace("-", " ")
    opened = open_label(elsewhere, read_label(sealed), lambda: typed)
    assert opened.secret == secret(settings, sealed)


def test_the_district_reads_a_code_out_that_opens_one_backup():
    hub, other = SigningKey.generate(), SigningKey.generate()
    locked = lock_for_district(SECRET, hub.verify_key.encode())
    found = open_for_district(locked, hub.to_curve25519_private_key())
    assert secret_of(code_of(found).lower()) == SECRET
    assert open_for_district(locked, other.to_curve25519_private_key()) is None


@pytest.mark.parametrize("value", [bytes(16), b"\xff" * 16, SECRET])
def test_a_code_is_the_secret_in_letters(value):
    assert secret_of(code_of(value)) == value
