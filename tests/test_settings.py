from pathlib import Path

import pytest

from appliance.settings import Settings, SettingWrong, load_settings


def test_without_a_file_the_appliance_defaults_hold():
    settings = load_settings(None, {})
    assert settings == Settings()
    assert settings.database == Path("/var/lib/darasa/school.db")
    assert settings.keys == Path("/var/lib/darasa/keys")
    assert settings.backups == Path("/var/lib/darasa/backups")


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / "darasa.toml"
    file.write_text('data_dir = "~/school"\nport = 8001\nhost_name = "kisumu"\n')
    settings = load_settings(file, {"DARASA_PORT": "80", "DARASA_HUB_DSN": "not ours", "PORT": "1"})
    assert settings.port == 80
    assert settings.host_name == "kisumu"
    assert settings.data_dir == Path.home() / "school"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prot = 80", "unknown field `prot`"),
        ("port = 70000", r"port"),
        ("port = 'eighty'", r"port"),
        ('host_name = "Darasa.local"', "host_name"),
        ("port = ", "darasa.toml"),
        ("lesson_days = 'mo-fr'", "lesson_days"),
        ("data_dir = 7", "data_dir"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, complaint):
    file = tmp_path / "darasa.toml"
    file.write_text(text)
    with pytest.raises(SettingWrong, match=complaint):
        load_settings(file, {})


def test_a_file_in_another_encoding_is_refused(tmp_path):
    file = tmp_path / "darasa.toml"
    file.write_bytes('host_name = "é"'.encode("latin-1"))
    with pytest.raises(SettingWrong, match="utf-8"):
        load_settings(file, {})


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_cannot_be_read_is_a_sentence_too(tmp_path, name):
    with pytest.raises(SettingWrong, match=r"No such file|Is a directory"):
        load_settings(tmp_path / name, {})
