"""Five hundred boxes that push at once to one hub: the morning the district's link comes back.

A light client for each, because the hub is measured: sign in, hello, one sealed segment. A box
that is asked to wait does so, as the agent does, and comes again.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from msgspec import Struct, field
from nacl.signing import SigningKey

from appliance.clock import system_clock
from appliance.ids import uuid7
from bench.results import Figure, at_most, known, percentile
from demo.district import District, NewToken
from demo.phone import Answer, Phone
from demo.school import sign_in_staff
from sync.core.columns import Rows
from sync.core.segment import pack_rows, seal
from sync.protocol import (
    CONTENT_TYPE,
    LANES,
    NONCE_BYTES,
    SEGMENT_CONTENT_TYPE,
    Backlog,
    Cell,
    Challenge,
    ChallengeRequest,
    EnrolAnswer,
    EnrolRequest,
    HelloRequest,
    SegmentHeader,
    StreamState,
    Token,
    TokenRequest,
    decode,
    encode,
    genesis,
    sign_in_message,
)
from sync.registry import TABLE

BOXES: Final = 500
ROWS_EACH: Final = 200  # a lesson of one class
JOINING_AT_ONCE: Final = 8
PATIENCE_S: Final = 120.0
BUSY: Final = frozenset({429, 503})
FACTS: Final = TABLE["progress_fact"]
BINARY: Final = {"content-type": CONTENT_TYPE}


class Box(Struct):
    """One school's box, as far as the hub can tell."""

    key: SigningKey
    node_id: UUID
    school_id: UUID
    epoch: UUID
    joined: EnrolAnswer | None = None


class Morning(Struct):
    """What all boxes saw."""

    answers_ms: list[float] = field(default_factory=list)
    done_s: list[float] = field(default_factory=list)
    asked_to_wait: int = 0
    errors: list[str] = field(default_factory=list)


async def fleet(port: int, district: District, *, boxes: int = BOXES) -> list[Figure]:
    """Let them all in, then push all at once."""
    joined = await join_all(port, district, [new_box() for _ in range(boxes)])
    segments = [a_segment(box) for box in joined]
    morning, began = Morning(), time.monotonic()
    await asyncio.gather(
        *(push(port, box, payload, morning) for box, payload in zip(joined, segments, strict=True))
    )
    took = time.monotonic() - began
    return [
        at_most(f"{boxes} boxes at once: errors", len(morning.errors), "", 0, "correct"),
        at_most(f"{boxes} boxes at once: not done", boxes - len(morning.done_s), "", 0, "correct"),
        known(f"{boxes} boxes at once: answers", len(morning.answers_ms), ""),
        known("of these, asked to wait", morning.asked_to_wait, ""),
        known("answer p50", percentile(morning.answers_ms, 0.5), "ms"),
        at_most("answer p99", percentile(morning.answers_ms, 0.99), "ms", 10_000),
        at_most("a box done, waits included: p99", percentile(morning.done_s, 0.99), "s", 60),
        known("changes merged a second, all boxes", boxes * ROWS_EACH / took, "/s"),
    ]


def new_box() -> Box:
    """A box with ids of its own."""
    node, school, epoch = (uuid7(system_clock()) for _ in range(3))
    return Box(SigningKey.generate(), node, school, epoch)


async def join_all(port: int, district: District, boxes: list[Box]) -> list[Box]:
    """Give each a token and redeem it, a few at a time."""
    gate = asyncio.Semaphore(JOINING_AT_ONCE)
    async with Phone(port) as office:
        await sign_in_staff(office, district.admin)
        wish = {"mode": "adopt", "hours": 24}
        tokens = [await office.post("/api/v1/enrolment-tokens", wish, NewToken) for _ in boxes]

    async def join(box: Box, token: str) -> Box:
        async with gate, Phone(port) as phone:
            asked = EnrolRequest(
                token=token,
                mode="adopt",
                node_id=box.node_id,
                node_key=bytes(box.key.verify_key),
                school_id=box.school_id,
                school_name="Bench",
                hardware="bench",
                app_version="bench",
                schema_version=1,
            )
            answer = await phone.send("POST", "/sync/v1/enrol", encode(asked), dict(BINARY))
            box.joined = decode(answer.must().body, EnrolAnswer)
            return box

    pairs = zip(boxes, tokens, strict=True)
    return list(await asyncio.gather(*(join(box, each.token) for box, each in pairs)))


def a_segment(box: Box) -> bytes:
    """A lesson's facts, sealed."""
    assert box.joined is not None
    now_ms = system_clock()
    rows: list[tuple[Cell, ...]] = [
        (uuid7(now_ms).bytes, *(uuid7(now_ms).bytes for _ in range(3)), 50, now_ms, 2)
        for _ in range(ROWS_EACH)
    ]
    columns = tuple(column.name for column in FACTS.columns)
    body, raw_size = pack_rows([Rows(FACTS.name, columns, rows)])
    header = SegmentHeader(
        hub_id=box.joined.hub_id,
        node_id=box.node_id,
        school_id=box.school_id,
        epoch=box.epoch,
        lane=LANES[0],
        n=1,
        prev_hash=genesis(box.joined.hub_id, box.node_id, box.epoch, LANES[0]),
        rows=ROWS_EACH,
        body_size=len(body),
        body_raw_size=raw_size,
        body_sha256=hashlib.sha256(body).digest(),
        schema_version=1,
        app_version="bench",
        sealed_at_ms=now_ms,
        clock_quality=2,
    )
    return seal(header, body, box.key).payload


async def push(port: int, box: Box, payload: bytes, morning: Morning) -> None:
    """Sign in, say hello, send the segment; patient, and never giving up early."""
    began = time.monotonic()
    async with Phone(port) as phone:
        try:
            token = await sign_in(phone, box, morning)
            headers = {**BINARY, "authorization": f"Bearer {token}"}
            await patiently(
                morning,
                lambda: phone.send("POST", "/sync/v1/hello", encode(hello(box)), dict(headers)),
            )
            path = f"/sync/v1/streams/{box.node_id}/{box.epoch}/{LANES[0]}/segments/1"
            sent = {**headers, "content-type": SEGMENT_CONTENT_TYPE}
            await patiently(morning, lambda: phone.send("PUT", path, payload, dict(sent)))
        except Exception as error:  # noqa: BLE001 -- counted, shown and judged
            morning.errors.append(repr(error))
            return
    morning.done_s.append(time.monotonic() - began)


async def sign_in(phone: Phone, box: Box, morning: Morning) -> str:
    """Prove who it is, for a token."""
    assert box.joined is not None
    asked = encode(ChallengeRequest(node_id=box.node_id))
    given = await patiently(
        morning, lambda: phone.send("POST", "/sync/v1/challenge", asked, dict(BINARY))
    )
    challenge = decode(given.body, Challenge).challenge
    signature = box.key.sign(sign_in_message(box.joined.hub_id, challenge)).signature
    proof = encode(TokenRequest(node_id=box.node_id, challenge=challenge, signature=signature))
    told = await patiently(
        morning, lambda: phone.send("POST", "/sync/v1/token", proof, dict(BINARY))
    )
    return decode(told.body, Token).token


def hello(box: Box) -> HelloRequest:
    """The first hello of a box with one segment."""
    assert box.joined is not None
    start = genesis(box.joined.hub_id, box.node_id, box.epoch, LANES[0])
    return HelloRequest(
        node_id=box.node_id,
        epoch=box.epoch,
        streams=[StreamState(lane=LANES[0], cur_n=0, cur_hash=start, trimmed_n=0)],
        incarnation=None,
        self_cursor=0,
        receipt=None,
        nonce=secrets.token_bytes(NONCE_BYTES),
        backlog=Backlog(waiting=ROWS_EACH, oldest_since_ms=system_clock()),
        schema_version=1,
        app_version="bench",
        clock_ms=system_clock(),
        clock_quality=2,
    )


async def patiently(morning: Morning, send: Callable[[], Awaitable[Answer]]) -> Answer:
    """Send until it is answered with anything but "wait"."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        began = time.perf_counter()
        answer = await send()
        morning.answers_ms.append((time.perf_counter() - began) * 1_000)
        if answer.status not in BUSY or time.monotonic() > deadline:
            return answer.must()
        morning.asked_to_wait += 1
        least_s = float(answer.headers.get("retry-after", "1"))
        await asyncio.sleep(least_s * (1 + secrets.randbelow(500) / 1_000))
