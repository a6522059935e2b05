"""`darasa-agent verify`: done here, or by the agent that runs; told table by table."""

import asyncio
import fcntl
from uuid import UUID

import httpx
import pytest

from sync.agent import __main__ as command
from sync.agent import verifying
from sync.agent.agent import Agent
from tests.sync.web import add_group, claim, wish

SCHOOL = UUID(int=2)
MANY = 60  # more than a page of every bucket the tests' hub gives


@pytest.fixture
def here(settings, monkeypatch):
    monkeypatch.setenv("DARASA_DATA_DIR", str(settings.data_dir))
    return settings


@pytest.fixture
def joined(here, agent, web, box, monkeypatch):
    """A school whose rows all end in one of two bytes, at the tests' hub."""
    claim(box)
    for number in range(1, MANY):
        add_group(box, (number << 8) + number % 2 + 5)
    wish(box)
    asyncio.run(agent.one_try())
    seams = agent._seams
    monkeypatch.setattr(
        command, "_agent", lambda settings: Agent(settings, seams, schema_version=2)
    )
    return here


def lose(web, number):
    """The hub forgets some classes."""
    rows = web.hub.schools[SCHOOL].rows
    lost = [key for key in sorted(rows) if key[0] == "class_group"][:number]
    for key in lost:
        del rows[key]


def test_it_says_what_agrees_and_until_when(joined, capsys):
    assert command.run(["verify"]) == 0
    told = capsys.readouterr().out
    assert "class_group                    59          0         0          0" in told
    assert "Verified up to change" in told


def test_it_mends_both_ways_and_says_how_much(joined, web, db, capsys):
    lose(web, 7)
    with db.changing() as tx:
        tx.run("UPDATE sync_identity SET applying = 1")
        for number in range(50, 60):
            pk = UUID(int=(number << 8) + number % 2 + 5)
            assert tx.run("DELETE FROM class_group WHERE id = ?1", (pk,))
        tx.run("UPDATE sync_identity SET applying = 0")
    assert command.run(["verify"]) == 0
    assert "class_group                    49         17        17          0" in (
        capsys.readouterr().out
    )
    assert db.value("SELECT count(*) FROM class_group") == MANY - 1
    assert len([key for key in web.hub.schools[SCHOOL].rows if key[0] == "class_group"]) == MANY - 1


def test_what_cannot_be_mended_is_said_and_is_a_failure(joined, web, capsys, monkeypatch):
    lose(web, 2)
    monkeypatch.setattr(verifying, "_mark", lambda *_args, **_rest: None)
    assert command.run(["verify"]) == 1
    told = capsys.readouterr().out
    assert "2 rows differ from the district's copy and could not be mended" in told
    assert "Both last agreed at change" in told  # before that


def test_a_running_agent_does_it_and_is_waited_for(joined, capsys, monkeypatch):
    async def soon(_seconds):
        """The other process is done by the time this one looks again."""
        agent = command._agent(joined)
        await agent.one_try()
        agent.close()

    with (joined.data_dir / command.AGENT_LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        monkeypatch.setattr(command, "_wait_for_check", lambda _db: soon(1))
        assert command.run(["verify"]) == 0
    assert "Verified up to change" in capsys.readouterr().out


def test_without_a_link_it_is_kept_for_later(joined, web, db, capsys):
    def cut(request):
        raise httpx.ConnectError("no link", request=request)

    web.trouble = cut
    assert command.run(["verify"]) == 1
    assert "The last try did not work" in capsys.readouterr().out
    assert verifying.is_asked(db)
