"""The hub's settings: from the environment, and from the file that systemd hands over."""

import pytest

from appliance.errors import Invalid
from sync.hub.settings import load_settings

DSN = "postgresql://darasa_owner:secret@/darasa"


@pytest.fixture
def handed_over(tmp_path):
    """What systemd makes of LoadCredential=hub.env:…, given the words in it."""

    def handed_over(text):
        (tmp_path / "hub.env").write_bytes(text if isinstance(text, bytes) else text.encode())
        return {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    return handed_over


@pytest.mark.parametrize(
    "text",
    [
        f"DARASA_HUB_DSN={DSN}",
        f'# the district\n\n; old\n DARASA_HUB_DSN="{DSN}"  \nDARASA_HUB_PORT=9\n',
        f"DARASA_HUB_DSN='{DSN}'\r\nPGAPPNAME=ours\nno line at all\n",
    ],
)
def test_the_file_of_the_unit_is_read_as_systemd_read_it(handed_over, text):
    assert load_settings(handed_over(text)).dsn == DSN


def test_a_variable_wins_over_the_file(handed_over):
    environ = handed_over(f"DARASA_HUB_DSN={DSN}\nDARASA_HUB_PORT=9\n") | {"DARASA_HUB_PORT": "10"}
    settings = load_settings(environ)
    assert (settings.dsn, settings.port) == (DSN, 10)


def test_without_a_file_there_are_variables_only(tmp_path):
    environ = {"DARASA_HUB_DSN": DSN, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load_settings(environ).dsn == DSN
    assert load_settings({"DARASA_HUB_DSN": DSN}).dsn == DSN


@pytest.mark.parametrize("text", [b"\xff\xfe", "DARASA_HUB_DSN=\n", ""])
def test_a_file_that_says_nothing_is_one_sentence_without_the_secret(handed_over, text):
    with pytest.raises(Invalid) as refused:
        load_settings(handed_over(text))
    assert "secret" not in str(refused.value)
