"""The way to the district: ingest against raw COPY, bytes for each change, an empty sync.

The agent's own session and link against a real hub process on a real PostgreSQL with
fsync; only the waiting between two rounds is left out.
"""

import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Final, LiteralString

import httpx
from msgspec import Struct

from appliance.clock import clock_quality, system_clock
from appliance.database.agent import AgentDatabase
from appliance.database.migrate import schema_version
from appliance.ids import uuid7
from bench.classroom import Bench
from bench.dataset import write_day, write_facts
from bench.ingest import ROWS as LARGE
from bench.ingest import Turn, copy_once, merge_once, ratio, two_connections
from bench.results import Figure, at_least, at_most, known
from demo.district import District, claim_hub, let_in
from demo.link import Link as Relay
from demo.phone import Phone
from demo.postgres import postgres
from demo.processes import free_port, hub_process, until_healthy
from sync.agent import enrolment, store
from sync.agent.keys import read_node_key
from sync.agent.link import Link, Pass, enrol, open_client
from sync.agent.sealing import Stamp
from sync.agent.session import Chance, Fetch, Greet, Send, Session, Worked
from sync.protocol import SEGMENT_CONTENT_TYPE as CONTENT_TYPE
from sync.protocol import SEGMENT_RAW_BYTES_MAX, SegmentAnswer, decode

ROUNDS: Final = 9
SMALL: Final = 1_000
EMPTY_ROUNDS: Final = 10
KIB: Final = 1 << 10
MIB: Final = 1 << 20
DAY_PUPILS: Final = 40

ROWS_OF_SEGMENT: Final[LiteralString] = """
SELECT rows
  FROM sync_chain
 WHERE lane = ?1 AND epoch = ?2 AND n = ?3
"""


class Carried(Struct, frozen=True):
    """One segment on its way: how many rows, and how long until the answer."""

    rows: int
    payload: bytes
    seconds: float

    @property
    def size_bytes(self) -> int:
        """As sent."""
        return len(self.payload)


class Scales(httpx.AsyncHTTPTransport):
    """Weighs bodies by what both sides say of their length."""

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request."""
        answer = await super().handle_async_request(request)
        self.size_bytes += int(request.headers["content-length"])
        self.size_bytes += int(answer.headers["content-length"])
        return answer


class Courier:
    """Does what the agent does, at once and with a stopwatch."""

    def __init__(self, bench: Bench, hub_port: int) -> None:
        self._bench: Final = bench
        self._url: Final = f"http://127.0.0.1:{hub_port}"
        self._key: Final = read_node_key(bench.school.data_dir / "keys")
        chance = Chance(epoch=lambda: uuid7(system_clock()), nonce=lambda: uuid7(0).bytes)
        self._chance: Final = chance
        self._held: Final = Pass()
        self._phone: Final = Phone(hub_port)
        self._stamp: Final = Stamp(
            system_clock(), clock_quality(), schema_version(bench.school.database), "bench"
        )

    async def join(self) -> None:
        """Redeem the token that stands on the box's district page."""
        with closing(AgentDatabase(self._bench.school.database)) as db:
            asked = enrolment.wish(db)
            assert asked is not None
            request = enrolment.request_for(db, asked, self._key, self._stamp, "bench")
            async with open_client(asked.hub_url) as client:
                answer = await enrol(client, request)
            enrolment.join(db, asked, request, answer, self._chance.epoch)

    async def carry(self, url: str | None = None, scales: "Scales | None" = None) -> list[Carried]:
        """Say hello and bring everything that waits; `url` may lead over a relay."""
        carried = []
        with closing(AgentDatabase(self._bench.school.database)) as db:
            me = store.identity(db)
            assert me is not None
            session = Session(db, self._key, self._chance)
            async with open_client(url or self._url, scales) as client:
                link = Link(client, me, self._key, self._held, time.monotonic)
                while request := session.next_request(self._stamp, SEGMENT_RAW_BYTES_MAX):
                    match request:
                        case Greet():
                            session.take_hello(await link.greet(request), now_ms=system_clock())
                        case Fetch():
                            session.take_page(await link.fetch(request), now_ms=system_clock())
                        case Send():
                            carried.append(await self._send(db, session, request))
                        case Worked():
                            pass
        return carried

    async def _send(self, db: AgentDatabase, session: Session, request: Send) -> Carried:
        """PUT a segment by the light client: the hub is measured, not the agent's library."""
        path = (
            f"/sync/v1/streams/{request.node_id}/{request.epoch}"
            f"/{request.lane}/segments/{request.n}"
        )
        headers = {"authorization": f"Bearer {self._held.token}", "content-type": CONTENT_TYPE}
        began = time.perf_counter()
        answer = (await self._phone.send("PUT", path, request.payload, headers)).must(200)
        took = time.perf_counter() - began
        session.take_segment_answer(request, decode(answer.body, SegmentAnswer))
        rows = db.value(ROWS_OF_SEGMENT, (request.lane, request.epoch, request.n))
        assert isinstance(rows, int)
        return Carried(rows, request.payload, took)


class Hub(Struct, frozen=True):
    """A running hub that has let the box in."""

    courier: Courier
    port: int
    dsn: str
    district: District


async def district(bench: Bench, hub: Hub, *, rounds: int = ROUNDS) -> list[Figure]:
    """Measure everything that needs a hub."""
    return [
        *await first_push(hub.courier),
        *await bytes_per_change(bench, hub.courier),
        *await school_day(bench, hub.courier),
        *await ingest_ratio(bench, hub, rounds=rounds),
        *await empty_sync(hub),
    ]


@asynccontextmanager
async def bench_hub(bench: Bench) -> AsyncIterator[Hub]:
    """Start PostgreSQL and a hub, and let the box in."""
    with postgres(bench.folder / "postgres") as server:
        port = free_port()
        with hub_process(bench.folder / "hub", port, server.dsn()) as hub:
            await until_healthy(hub, port)
            claimed = await claim_hub(port, bench.folder / "hub")
            await let_in(claimed, bench.school, f"http://127.0.0.1:{port}")
            courier = Courier(bench, port)
            await courier.join()
            yield Hub(courier, port, server.dsn(), claimed)


async def first_push(courier: Courier) -> list[Figure]:
    """Bring whatever the measurements before have left: sealing, sending and merging."""
    began = time.perf_counter()
    carried = await courier.carry()
    took = time.perf_counter() - began
    rows = sum(each.rows for each in carried)
    return [
        known("waiting changes brought in one go", rows, ""),
        at_least("sync push: sealed, sent and merged", rows / took, "/s", 5_000),
    ]


async def bytes_per_change(bench: Bench, courier: Courier) -> list[Figure]:
    """Count a segment's bytes for each of its rows."""
    figures = []
    for count, most in ((SMALL, 40), (LARGE, 30)):
        write_facts(bench.school, count, now_ms=system_clock())
        carried = await courier.carry()
        rows, size = sum(each.rows for each in carried), sum(each.size_bytes for each in carried)
        assert rows == count, (rows, count)
        name = f"bytes on the wire for each of {count} changes"
        figures.append(at_most(name, size / rows, "B", most, "correct"))
    return figures


async def school_day(bench: Bench, courier: Courier) -> list[Figure]:
    """Count what one school day of forty pupils sends up."""
    write_day(bench.school, DAY_PUPILS, now_ms=system_clock())
    size = sum(each.size_bytes for each in await courier.carry())
    return [
        at_most(f"a school day of {DAY_PUPILS} pupils, sent up", size / MIB, "MiB", 1, "correct")
    ]


async def ingest_ratio(bench: Bench, hub: Hub, *, rounds: int) -> list[Figure]:
    """Send segments of 5,000 facts; merge and COPY the same rows, turn by turn."""
    turns = []
    async with two_connections(hub.dsn) as (ingesting, copying):
        for _ in range(rounds):
            write_facts(bench.school, LARGE, now_ms=system_clock())
            (sent,) = await hub.courier.carry()
            merge_s, school_id = await merge_once(ingesting, sent.payload)
            turns.append(Turn(sent.seconds, merge_s, await copy_once(copying, school_id)))
    return ratio(turns)


async def empty_sync(hub: Hub) -> list[Figure]:
    """Ask whether there is anything to do when there is nothing, over a relay that counts."""
    taken, bodies = [], 0
    async with Relay(hub.port) as relay:
        for _ in range(EMPTY_ROUNDS):
            scales = Scales()
            began = time.perf_counter()
            carried = await hub.courier.carry(f"http://127.0.0.1:{relay.port}", scales)
            taken.append((time.perf_counter() - began) * 1_000)
            bodies += scales.size_bytes
            assert not carried, carried
        everything = relay.bytes_up + relay.bytes_down
    return [
        at_most("empty sync", statistics.median(taken), "ms", 100),
        at_most("empty sync: bodies both ways", bodies / EMPTY_ROUNDS / KIB, "KiB", 1, "correct"),
        known("empty sync: with all HTTP headers", everything / EMPTY_ROUNDS / KIB, "KiB"),
    ]
