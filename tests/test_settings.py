from pathlib import Path

import pytest

from appliance.__main__ import run
from appliance.health.mistakes import setting_findings
from appliance.settings import Settings
from appliance.settings_reading import (
    SettingWrong,
    load_forgivingly,
    load_settings,
    mistakes,
    unknown_variables,
)
from sync.agent.__main__ import run as agent


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
        ("prot = 80", "prot is no setting; is port meant?"),
        ("DARASA_PORT = 80", "DARASA_PORT is no setting; is port meant?"),
        ("colour = 'green'", "colour is no setting; the runbook lists all of them."),
        ("port = 70000", "cannot be `70000`. It takes a whole number from 0 to 65535. What it is"),
        ("port = 'eighty'", "cannot be `eighty`. It takes a whole number from 0 to 65535."),
        ('host_name = "Darasa.local"', "It takes small letters, digits and hyphens, as `darasa`."),
        ("port = ", "Each line is a name, = and a value, such as `port = 80`"),
        ("lesson_days = 'mo-fr'", "It takes the first three letters of English days"),
        ("lesson_hours = 7", "cannot be `7`. It takes hours from 0 to 24, as `7:30-12,13-16`"),
        ("lesson_hours = '25-31'", "cannot be `25-31`. It takes hours from 0 to 24"),
        ("lesson_hours = '7-99'", "It takes hours from 0 to 24"),
        ("lesson_hours = '7-24:30'", "It takes hours from 0 to 24"),
        ("link_hours = '7:30-9'", "It takes hours from 0 to 24, as `18-6,12-13`"),
        ("data_dir = 7", "It takes the name of a folder. What it is for: Holds the database"),
        ("backup_dir = 7", "It takes words, in the file within quotes."),
    ],
)
def test_a_mistake_in_the_file_is_told_with_what_the_setting_takes(tmp_path, text, complaint):
    file = tmp_path / "darasa.toml"
    file.write_text(text)
    with pytest.raises(SettingWrong) as told:
        load_settings(file, {})
    assert str(file) in told.value.detail
    assert complaint in told.value.detail
    assert not any(word in told.value.detail for word in ("Expected", "Object", "$", "^", "regex"))


@pytest.mark.parametrize("hours", ["", "0-24", "7-17", "07:30-12:00,13-16", "22-6", "0-24:00"])
def test_hours_of_a_school_are_taken(hours):
    assert load_settings(None, {"DARASA_LESSON_HOURS": hours}).lesson_hours == hours


def test_a_variable_that_cannot_be_stops_the_agent_and_not_the_school():
    environ = {"DARASA_LINK_HOURS": "18:00-6", "DARASA_QUEUE_MAX": "20", "DARASA_PORT": ""}
    with pytest.raises(SettingWrong, match="The variable DARASA_PORT cannot be empty"):
        load_settings(None, environ)
    found = load_forgivingly(None, environ)
    assert (found.link_hours, found.queue_max, found.port) == ("", 20, 8000)
    hours, port = mistakes(environ)
    assert hours.startswith("The variable DARASA_LINK_HOURS cannot be `18:00-6`. It takes hours")
    assert port.endswith("The usual value counts until it is corrected.")
    assert [each.words for each in setting_findings(environ)] == [hours, port]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DARASA_LESON_HOURS", "is no setting; is DARASA_LESSON_HOURS meant?"),
        ("DARASA_lesson_hours", "is no setting; is DARASA_LESSON_HOURS meant?"),
        ("lesson_hours", "is no setting; is DARASA_LESSON_HOURS meant?"),
        ("DARASA_COLOUR", "is no setting; the runbook lists all of them."),
    ],
)
def test_a_misspelt_variable_is_told_and_the_school_serves(name, words):
    environ = {name: "8-12", "PATH": "x", "DARASA_PORT": "1"}
    assert unknown_variables(environ) == [f"{name} {words} It was passed over."]
    assert load_settings(None, environ).lesson_hours == "7-17"
    (finding,) = setting_findings(environ)
    assert (finding.level, finding.words) == ("soon", f"{name} {words} It was passed over.")


@pytest.mark.parametrize("name", ["DARASA_HUB_DSN", "DARASA_UPDATE_URL", "DARASA_HOST", "HOME"])
def test_what_belongs_to_somebody_else_is_not_misspelt(name):
    assert unknown_variables({name: "x"}) == []


def test_every_command_says_what_it_passed_over(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DARASA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DARASA_LESON_HOURS", "8-12")
    monkeypatch.setenv("DARASA_LESSON_DAYS", "mo-fr")
    assert run(["migrate"]) == 0
    told = capsys.readouterr().err
    assert "DARASA_LESON_HOURS is no setting; is DARASA_LESSON_HOURS meant?" in told
    assert "The variable DARASA_LESSON_DAYS cannot be `mo-fr`. It takes the first three" in told
    assert agent(["status"]) == 1
    assert "A setting is not right: The variable DARASA_LESSON_DAYS" in capsys.readouterr().err


def test_a_file_in_another_encoding_is_refused(tmp_path):
    file = tmp_path / "darasa.toml"
    file.write_bytes('host_name = "é"'.encode("latin-1"))
    with pytest.raises(SettingWrong, match="utf-8"):
        load_settings(file, {})


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_cannot_be_read_is_a_sentence_too(tmp_path, name):
    with pytest.raises(SettingWrong, match=r"No such file|Is a directory"):
        load_settings(tmp_path / name, {})
