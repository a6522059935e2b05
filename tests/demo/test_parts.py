"""The simulator's own parts: a phone with patience, a link that can be cut, a ledger."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest

from demo.ledger import content_hash
from demo.link import Link
from demo.material import find_material
from demo.phone import Phone, Unexpected, Unreachable

pytestmark = pytest.mark.anyio

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nset-cookie: seat=7; Path=/\r\n\r\nhello"
BUSY = b"HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
CUT_OFF = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhel"


@pytest.fixture
def anyio_backend():
    return "asyncio"


@asynccontextmanager
async def a_server(*answers):
    """Give the answers in turn, the last one for ever; hang up after one that is cut off."""
    left, heard = list(answers), []

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head)
                heard.append(head + await reader.readexactly(int(length[1]) if length else 0))
                answer = left.pop(0) if len(left) > 1 else left[0]
                writer.write(answer)
                if answer == CUT_OFF:
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


@pytest.mark.parametrize("answer", [HELLO, CHUNKED])
async def test_a_phone_reads_an_answer_in_either_form(answer):
    async with a_server(answer) as (port, _), Phone(port) as phone:
        assert (await phone.send("GET", "/")).body == b"hello"


async def test_a_phone_keeps_its_cookie_on_one_connection():
    async with a_server(HELLO) as (port, heard), Phone(port) as phone:
        await phone.send("GET", "/")
        await phone.send("POST", "/", {"name": "José Álvarez-Núñez"})
    assert b"cookie: seat=7" in heard[1]
    assert heard[1].endswith('{"name":"José Álvarez-Núñez"}'.encode())


@pytest.mark.parametrize("trouble", [BUSY, CUT_OFF])
async def test_a_phone_sends_the_very_same_request_until_it_is_answered(trouble):
    async with a_server(trouble, trouble, HELLO) as (port, heard), Phone(port) as phone:
        answer = await phone.send_patiently("PUT", "/drafts/1", {"edit_no": 1})
    assert answer.status == 200
    assert len(heard) == 3
    assert len(set(heard)) == 1


async def test_half_an_answer_is_no_answer():
    async with a_server(CUT_OFF) as (port, _), Phone(port) as phone:
        with pytest.raises(Unreachable):
            await phone.send("GET", "/")


async def test_an_answer_outside_the_contract_is_told_with_its_words():
    async with a_server(BUSY) as (port, _), Phone(port) as phone:
        with pytest.raises(Unexpected, match="status 503"):
            (await phone.send("GET", "/")).must()


async def test_a_cut_link_refuses_and_a_mended_one_carries_on_the_same_port():
    async with a_server(HELLO) as (port, _), Link(port) as link, Phone(link.port) as phone:
        assert (await phone.send("GET", "/")).status == 200
        await link.cut()
        assert not link.is_up
        with pytest.raises(Unreachable):
            await phone.send("GET", "/")
        await link.mend()
        assert (await phone.send("GET", "/")).status == 200
        assert link.bytes_down == 2 * len(HELLO)


def test_equal_words_have_one_hash_however_their_accents_are_typed():
    assert content_hash("Jos\u00e9") == content_hash("Jose\u0301")
    assert content_hash("José") != content_hash("Jose")


def test_the_project_brings_a_school_of_its_own(tmp_path):
    first, second = find_material({"DARASA_TEST_DATA": str(tmp_path)}, pupils=40)
    assert len(set(first.names)) == len(set(second.names)) == 40
    assert "نور الهدى" in first.names
    assert sum(path.endswith(".md") for path in first.course) == 5
