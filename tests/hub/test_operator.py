"""Settings, keys and commands, without a server process."""

import stat
from functools import partial

import anyio
import pytest

from appliance.errors import Invalid
from sync.hub.__main__ import run
from sync.hub.faults import NotReady
from sync.hub.keys import claim_code, is_claim_code, load_key, read_code, spoken
from sync.hub.settings import load_settings


def test_settings_come_from_the_environment():
    found = load_settings({"DARASA_HUB_DSN": "postgresql://x", "DARASA_HUB_PORT": "99", "X": "y"})
    assert (found.dsn, found.port, found.host) == ("postgresql://x", 99, "127.0.0.1")


@pytest.mark.parametrize(
    "environ", [{}, {"DARASA_HUB_DSN": ""}, {"DARASA_HUB_DSN": "x", "DARASA_HUB_PORT": "70000"}]
)
def test_a_setting_that_is_missing_or_out_of_range_is_named(environ):
    with pytest.raises(Invalid, match=r"dsn|port"):
        load_settings(environ)


def test_a_key_is_made_once_and_only_for_us(tmp_path):
    path = tmp_path / "keys" / "hub.key"
    first = load_key(path)
    assert load_key(path).public == first.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_damaged_key_is_not_used(tmp_path):
    path = tmp_path / "hub.key"
    path.write_bytes(b"short")
    with pytest.raises(NotReady):
        load_key(path)


def test_a_mark_is_ours_for_these_words_only(tmp_path):
    key, other = load_key(tmp_path / "a"), load_key(tmp_path / "b")
    mark = key.mark(b"words")
    assert key.is_ours(b"words", mark)
    assert not key.is_ours(b"other", mark)
    assert not other.is_ours(b"words", mark)


def test_a_code_is_read_back_however_it_is_typed(tmp_path):
    code = claim_code(tmp_path / "code")
    assert claim_code(tmp_path / "code") == code
    for typed in (code, spoken(code), f" {code.lower()} ", " ".join(code)):
        assert is_claim_code(tmp_path / "code", typed)
    assert not is_claim_code(tmp_path / "code", code[:-1])
    assert read_code(spoken(code)) == code


@pytest.mark.anyio
@pytest.mark.postgres
async def test_commands_answer_in_sentences(empty_dsn, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DARASA_HUB_DSN", empty_dsn)
    monkeypatch.setenv("DARASA_HUB_DATA", str(tmp_path))
    for words, told in (
        (["migrate"], "applied 0001 hub"),
        (["migrate"], "nothing to do"),
        (["claim-code"], "no claim code"),
    ):
        assert await anyio.to_thread.run_sync(partial(run, words)) == 0
        assert told in capsys.readouterr().out
    claim_code(tmp_path / "claim-code")
    assert await anyio.to_thread.run_sync(partial(run, ["claim-code"])) == 0
    assert "-" in capsys.readouterr().out


def test_a_refusal_is_one_sentence_and_a_hint(monkeypatch, capsys):
    monkeypatch.delenv("DARASA_HUB_DSN", raising=False)
    assert run(["migrate"]) == 1
    assert "dsn" in capsys.readouterr().err
