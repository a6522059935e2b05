"""The line itself, over real sockets: what it costs, whom it believes, what it survives."""

import asyncio
import re
import ssl
import subprocess
from contextlib import asynccontextmanager, closing

import httpx
import msgspec
import pytest
from nacl.signing import SigningKey

from appliance import clock
from sync.agent import link
from sync.agent.agent import Agent, Seams
from sync.agent.budget import Bounds
from sync.agent.faults import BudgetSpent, ClockDoubted, HubUntrusted, Unreachable
from sync.agent.hubtime import HubClock, ask_time, undated
from sync.agent.line import QUIET_S, Line
from sync.agent.link import ask, open_client
from sync.agent.meter import HEADERS_BYTES
from sync.agent.pace import Pace
from sync.agent.routes import default_routes
from sync.agent.store import identity
from sync.protocol import HubTime, SignedTime, encode, time_message
from tests.sync.web import NOW_MS, add_group, claim, wish

pytestmark = pytest.mark.anyio

HUB_KEY = SigningKey(bytes(range(32)))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
LATER = "20500101000000Z"
DATES = {
    "of today": ("20200101000000Z", LATER),
    "not valid yet": ("20490101000000Z", LATER),
    "run out": ("20200101000000Z", "20210101000000Z"),
}


@asynccontextmanager
async def a_hub(answer, certificate=None):
    """Answer every request with what `answer(path, body)` returns; None hangs up."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: (\d+)", head.lower())
                body = await reader.readexactly(int(length[1]) if length else 0)
                said = answer(head.split()[1].decode(), body)
                if said is None:
                    return
                writer.write(said)
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        scheme = "http" if context is None else "https"
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Self-signed, of three ages; whoever trusts the file trusts its key."""
    folder = tmp_path_factory.mktemp("certificates")
    return {name: make_certificate(folder, *dates) for name, dates in DATES.items()}


def make_certificate(folder, first, last):
    """Only `openssl ca` sets both dates."""
    path, config = folder / f"{first}-{last}.pem", folder / "openssl.cnf"
    config.write_text(OPENSSL.format(folder=folder))
    (folder / "index.txt").write_text("")
    key, wanted, signed = (path.with_suffix(end) for end in (".key", ".csr", ".crt"))
    run = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    run += ["-nodes", "-subj", "/CN=hub", "-config", config, "-keyout", key, "-out", wanted]
    subprocess.run(run, check=True, capture_output=True)
    run = ["openssl", "ca", "-batch", "-selfsign", "-config", config, "-keyfile", key, "-notext"]
    run += ["-in", wanted, "-out", signed, "-startdate", first, "-enddate", last]
    subprocess.run(run, check=True, capture_output=True)
    path.write_bytes(key.read_bytes() + signed.read_bytes())
    return path


OPENSSL = """
[ca]
default_ca = all
[all]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = with
[any]
commonName = supplied
[with]
subjectAltName = IP:127.0.0.1
basicConstraints = critical,CA:true
[req]
distinguished_name = any_name
[any_name]
"""


def the_time(path, hub_ms=NOW_MS, key=HUB_KEY, nonce=None):
    """What a hub answers to a question about the time."""
    asked = bytes.fromhex(path.partition("nonce=")[2])
    body = encode(HubTime(nonce=nonce or asked, hub_time_ms=hub_ms))
    said = encode(SignedTime(body=body, signature=key.sign(time_message(body)).signature))
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(said) + said


@pytest.fixture
def me(box, db):
    claim(box)
    known = (bytes(HUB_KEY.verify_key),)
    box.execute("UPDATE sync_identity SET hub_id = node_id, hub_key = ?1", known)
    return identity(db)


@pytest.fixture
def heard(settings):
    """The clock both processes share; no test may leave it set."""
    clock.listen(settings.clock_file)
    yield settings.clock_file
    clock.listen(None)


def new_line(db, settings, quality=lambda: clock.SINCE_BOOT, **bounds):
    its_clock = HubClock(settings.clock_file, clock.system_clock, quality)
    return Line(db, lambda: Bounds(**bounds), its_clock, None)


# What it costs.


async def test_every_byte_that_crossed_is_counted_also_of_what_broke(db, settings):
    """A megabyte is offered, and the far side hangs up after a little of it."""
    line = new_line(db, settings, day_bytes=10**9)
    async with a_hub(lambda _path, _body: OK) as url, line.opened(url) as client:
        await ask(client, "PUT", "/", bytes(100_000))
    up, down = db.tuples("SELECT up_bytes, down_bytes FROM sync_budget")[0]
    assert 100_000 < up < 115_000
    assert len(OK) + HEADERS_BYTES < down < 10_000

    async def take_a_little(reader, writer):
        await reader.readexactly(20_000)
        writer.transport.abort()

    server = await asyncio.start_server(take_a_little, "127.0.0.1", 0, limit=4_096)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(Unreachable):
            async with line.opened(url) as client:
                await ask(client, "PUT", "/", bytes(64 << 20))
    more = db.value("SELECT up_bytes FROM sync_budget") - up
    assert 20_000 < more < 32 << 20


async def test_a_spent_bound_says_so_and_hand_ins_have_a_share_of_their_own(db, settings, me, box):
    line = new_line(db, settings, lambda: clock.CERTAIN, day_bytes=1_000, reserve=0.5)
    assert line.is_worth_it(me)
    line.budget.count(500, 0)
    assert line.is_worth_it(me)  # nobody has heard of this box for an hour
    line._used_s = line._monotonic()
    assert not line.is_worth_it(me)
    box.execute(
        "INSERT INTO sync_stream (lane, epoch, cur_hash) VALUES (0, ?1, zeroblob(32))", (me.epoch,)
    )
    box.execute("INSERT INTO sync_dirty VALUES (16, zeroblob(16), 0, 0, 1, 1, 1)")
    assert line.is_worth_it(me)
    line.budget.count(500, 0)
    with pytest.raises(BudgetSpent):
        line.is_worth_it(me)


async def test_courses_and_files_stop_where_the_part_of_hand_ins_begins(db, settings):
    line = new_line(db, settings, lambda: clock.CERTAIN, day_bytes=1_000, reserve=0.5)
    with line.bulk():
        line.allow()
        line.budget.count(600, 0)
        with pytest.raises(BudgetSpent):
            line.allow()
    line.allow()
    line.budget.count(0, 400)
    with pytest.raises(BudgetSpent):
        line.allow()


# Whose time it believes.


async def test_a_box_in_1970_learns_the_time_and_then_trusts_the_certificate(
    db, settings, me, heard, certificates, monkeypatch
):
    """Its own clock is before the certificate's first day: as if it stood in 1970."""
    certificate = certificates["not valid yet"]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    in_2049 = 2_500_000_000_000

    def answer(path, _body):
        return the_time(path, in_2049) if "/time" in path else OK

    line = new_line(db, settings)
    async with a_hub(answer, certificate) as url:
        me = replace_url(me, url)
        with pytest.raises(ClockDoubted):
            await hello(line, url)
        assert await line.learn_time(me)
        assert await hello(line, url) == b"hello"
        assert not await line.learn_time(me)  # once; it would not help again
    assert abs(clock.system_clock() - in_2049) < 5_000
    assert clock.clock_quality() in {clock.TOLD, clock.CERTAIN}


async def test_a_box_that_knows_the_time_does_not_excuse_a_certificate(
    db, settings, me, certificates, monkeypatch
):
    certificate = certificates["run out"]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    line = new_line(db, settings, lambda: clock.CERTAIN)
    async with a_hub(lambda _path, _body: OK, certificate) as url:
        with pytest.raises(ClockDoubted):
            await hello(line, url)
        assert not await line.learn_time(replace_url(me, url))


async def test_a_certificate_that_is_old_by_the_hubs_own_clock_stays_refused(
    certificates, monkeypatch
):
    certificate = certificates["run out"]
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with (
        a_hub(lambda path, _body: the_time(path), certificate) as url,
        open_client(url, verify=undated()) as client,
    ):
        with pytest.raises(ClockDoubted):
            await ask_time(client, bytes(HUB_KEY.verify_key), bytes(16))


async def test_a_stranger_with_no_trusted_name_is_not_even_asked(certificates):
    async with (
        a_hub(lambda path, _body: the_time(path), certificates["of today"]) as url,
        open_client(url, verify=undated()) as client,
    ):
        with pytest.raises(Unreachable):
            await ask_time(client, bytes(HUB_KEY.verify_key), bytes(16))


@pytest.mark.parametrize(
    "answer",
    [
        lambda path, _body: the_time(path, key=SigningKey(bytes(32))),
        lambda path, _body: the_time(path, nonce=bytes(15) + b"1"),
        lambda _path, _body: OK,
    ],
    ids=["another key", "an old answer", "nonsense"],
)
async def test_nobody_else_sets_the_clock(answer):
    async with a_hub(answer) as url, open_client(url) as client:
        with pytest.raises(HubUntrusted):
            await ask_time(client, bytes(HUB_KEY.verify_key), bytes(16))


@pytest.mark.parametrize(
    ("quality", "hub_ms", "delay_s", "is_taken"),
    [
        (clock.UNKNOWN, NOW_MS, 0.1, True),
        (clock.SINCE_BOOT, NOW_MS, 0.1, True),
        (clock.TOLD, NOW_MS, 0.1, True),
        (clock.CERTAIN, NOW_MS, 0.1, False),  # the kernel knows better
        (clock.UNKNOWN, 0, 0.1, False),  # a hub in 1970 helps nobody
        (clock.UNKNOWN, NOW_MS, 50.0, False),  # too long under way
    ],
)
def test_when_the_hubs_time_is_taken(settings, heard, quality, hub_ms, delay_s, is_taken):
    HubClock(settings.clock_file, clock.system_clock, lambda: quality).hear(hub_ms, delay_s=delay_s)
    assert settings.clock_file.exists() is is_taken


async def hello(line, url):
    async with line.opened(url) as client:
        return await ask(client, "GET", "/", b"")


def replace_url(me, url):
    return msgspec.structs.replace(me, hub_url=url)


# What it survives.


@pytest.mark.parametrize(
    "answer",
    [
        lambda _path, _body: None,
        lambda _path, _body: b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhel",
        lambda _path, _body: b"SSH-2.0-dropbear\r\n\r\n",
        lambda _path, _body: b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
        lambda _path, _body: b"HTTP/1.1 302 Found\r\nlocation: /p\r\ncontent-length: 0\r\n\r\n",
    ],
    ids=["hangs up", "stops in the middle", "speaks another language", "500", "a portal"],
)
async def test_whoever_misbehaves_is_only_out_of_reach(answer, monkeypatch):
    monkeypatch.setattr(link, "SILENCE_S", 0.5)
    async with a_hub(answer) as url, open_client(url) as client:
        with pytest.raises(Unreachable):
            await ask(client, "GET", "/", b"")


async def test_a_server_that_drips_bytes_does_not_hold_the_agent_for_ever(monkeypatch):
    monkeypatch.setattr(link, "EXCHANGE_S_MAX", 0.6)
    ended = asyncio.Event()

    async def drip(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b".")
            await asyncio.sleep(0.05)
        writer.close()
        ended.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with open_client(url) as client:
            with pytest.raises(Unreachable):
                await ask(client, "GET", "/", b"")
        await ended.wait()


# A way out.

V4 = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
MODEM = "wwan0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n"
CLASSROOM = "wlan0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n"


def test_only_a_route_to_anywhere_is_a_way_out(tmp_path):
    v4, v6 = tmp_path / "route", tmp_path / "ipv6_route"
    assert default_routes(v4, v6) == frozenset()
    v4.write_text(V4 + CLASSROOM)
    v6.write_text(" ".join(["0" * 32, "00", "0" * 32, "00", "0" * 32, "1", "2", "0", "0", "lo"]))
    assert default_routes(v4, v6) == frozenset()
    v4.write_text(V4 + MODEM + CLASSROOM)
    assert default_routes(v4, v6) == {"wwan0 0100A8C0"}
    v6.write_text(" ".join(["0" * 32, "00", "0" * 32, "00", "fe80", "1", "2", "0", "0", "eth0"]))
    assert default_routes(v4, v6) == {"wwan0 0100A8C0", "eth0 fe80"}
    assert isinstance(default_routes(), frozenset)


@pytest.fixture
def ways_out():
    return set()


@pytest.fixture
def cut_agent(settings, box, web, ways_out):
    """An agent that has just heard nothing from its hub, and would wait a quarter of an hour."""
    claim(box)
    wish(box)
    transport = httpx.MockTransport(web)
    seams = Seams(lambda: NOW_MS, transport, "", "", routes=lambda: frozenset(ways_out))
    agent = Agent(settings, seams, schema_version=2)
    agent._pace = Pace(lambda: 0.0)
    yield agent
    agent.close()


@pytest.mark.parametrize(
    ("trouble", "wakes"),
    [
        (httpx.ConnectError("no route"), True),
        (httpx.Response(503, headers={"retry-after": "900"}), False),  # the hub's word stands
    ],
)
async def test_a_new_way_out_wakes_whoever_was_cut_off(cut_agent, web, ways_out, trouble, wakes):
    def fail(_request):
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    web.trouble = fail
    await cut_agent.one_try()
    waiting = asyncio.create_task(cut_agent._wait(900.0, cut_agent._db.data_version))
    await asyncio.sleep(0)
    assert not waiting.done()
    ways_out.add("wwan0 0100A8C0")
    done, _ = await asyncio.wait([waiting], timeout=2.0)
    assert bool(done) is wakes
    waiting.cancel()


@pytest.mark.parametrize(("quality", "arrives"), [(clock.UNKNOWN, True), (clock.CERTAIN, False)])
async def test_an_agent_in_1970_asks_for_the_time_and_goes_on(settings, box, web, quality, arrives):
    claim(box)
    wish(box)
    transport = httpx.MockTransport(web)
    agent = Agent(
        settings,
        Seams(lambda: NOW_MS, transport, "", "", quality=lambda: quality),
        schema_version=2,
    )
    with closing(agent):
        await agent.one_try()
        add_group(box, 10)
        asked = []

        def too_new(request):
            asked.append(request.url.path)
            if request.url.path.endswith("/time"):
                said = the_time(str(request.url), key=web.hub.key).partition(b"\r\n\r\n")[2]
                return httpx.Response(200, content=said)
            if len(asked) > 1:
                return None
            error = httpx.ConnectError("certificate verify failed")
            error.__cause__ = ssl.SSLCertVerificationError(1, "certificate is not yet valid")
            error.__cause__.verify_code = 9
            raise error

        web.trouble = too_new
        wait_s = await agent.one_try()
        assert (wait_s == QUIET_S) is arrives
        assert ("/sync/v1/time" in asked) is arrives
        assert settings.clock_file.exists() is arrives
