"""The way to the hub: HTTP, and how its answers are sorted.

A request either brings an answer or raises one of four faults: Unreachable and HubBusy are
normal, Refused and HubUntrusted need a person. A token that has run out is renewed once,
in silence.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

import httpx
import msgspec
from msgspec import Struct
from nacl.signing import SigningKey

from sync.agent.faults import ClockDoubted, HubBusy, HubUntrusted, Refused, Unreachable
from sync.agent.meter import Meter
from sync.agent.session import Fetch, Greet, Send
from sync.agent.store import Identity
from sync.protocol import (
    CONTENT_TYPE,
    SEGMENT_CONTENT_TYPE,
    Challenge,
    ChallengeRequest,
    EnrolAnswer,
    EnrolRequest,
    NewKeyAnswer,
    NewKeyRequest,
    PullPage,
    SegmentAnswer,
    SignedHello,
    Token,
    TokenRequest,
    UploadStart,
    decode,
    encode,
    new_key_message,
    sign_in_message,
)

T = TypeVar("T")

CONNECT_S: Final = 20.0  # satellite and 2G take seconds to say hello
SILENCE_S: Final = 60.0  # between two pieces; a whole segment may take longer
EXCHANGE_S_MAX: Final = 1_800.0  # a server that drips bytes must not hold the agent for ever
PIECE_BYTES: Final = 8 << 10  # a body is handed over in pieces: each has SILENCE_S
ANSWER_BYTES_MAX: Final = 16 << 20
RETRY_AFTER_S: Final = 30.0  # where a busy hub does not say
RETRY_AFTER_S_MAX: Final = 3_600.0
RESUMED_BYTES_MIN: Final = 8 << 10  # asking costs as much as sending less than this again
UPLOAD_GONE: Final = "upload-gone"
PASS_SHARE: Final = 0.9  # of a token's life; a slow segment must still arrive with it
BUSY: Final = frozenset({429, 503})
OUT_OF_DATE: Final = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED


class Problem(Struct, frozen=True):
    """What a problem+json says that matters here."""

    code: str = "unknown"
    title: str = ""
    detail: str = ""
    hint: str = ""


def open_client(
    hub_url: str,
    transport: httpx.AsyncBaseTransport | None = None,
    *,
    meter: Meter | None = None,
    verify: ssl.SSLContext | None = None,
) -> httpx.AsyncClient:
    """One client for one hub; `transport` is the seam for tests. Redirects are not followed."""

    async def watched(request: httpx.Request) -> None:
        if meter is not None:
            request.extensions["trace"] = meter.watch

    return httpx.AsyncClient(
        base_url=hub_url,
        timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
        transport=transport,
        verify=True if verify is None else verify,
        event_hooks={"request": [watched]},
    )


async def enrol(client: httpx.AsyncClient, request: EnrolRequest) -> EnrolAnswer:
    """Redeem a token. Safe to repeat with the same key."""
    answer = await ask(client, "POST", "/sync/v1/enrol", encode(request))
    return _read(answer, EnrolAnswer)


async def change_key(
    client: httpx.AsyncClient, me: Identity, old: SigningKey, new: SigningKey
) -> NewKeyAnswer:
    """Let the hub know this box by another key. Safe to repeat with the same new one."""
    assert me.hub_id is not None
    asked = encode(ChallengeRequest(node_id=me.node_id))
    given = _read(await ask(client, "POST", "/sync/v1/challenge", asked), Challenge)
    public = new.verify_key.encode()
    words = new_key_message(me.hub_id, me.node_id, public, given.challenge)
    request = NewKeyRequest(
        node_id=me.node_id,
        challenge=given.challenge,
        new_key=public,
        old_signature=old.sign(words).signature,
        new_signature=new.sign(words).signature,
    )
    answer = await ask(client, "POST", "/sync/v1/node-key", encode(request))
    return _read(answer, NewKeyAnswer)


class Pass(Struct):
    """What outlives a conversation: the bearer token, and which segment was cut on its way."""

    token: str = ""
    until_s: float = 0.0
    cut_path: str = ""
    start: int = 0  # how much of it the hub had kept


class Link:
    """Talks as one node."""

    @property
    def has_begun(self) -> bool:
        """Whether the hub keeps the beginning of what was being sent."""
        return self._held.start > 0

    def __init__(
        self,
        client: httpx.AsyncClient,
        me: Identity,
        key: SigningKey,
        held: Pass,
        monotonic: Callable[[], float],
        allow: Callable[[], None] = lambda: None,
    ) -> None:
        self._client: Final = client
        self._me: Final = me
        self._key: Final = key
        self._held: Final = held
        self._monotonic: Final = monotonic
        self._allow: Final = allow  # asked before each request; may raise BudgetSpent

    async def greet(self, request: Greet) -> SignedHello:
        """Say hello."""
        answer = await self._call("POST", "/sync/v1/hello", encode(request.hello))
        return _read(answer, SignedHello)

    async def send(self, request: Send) -> SegmentAnswer:
        """Put a segment."""
        path = (
            f"/sync/v1/streams/{request.node_id}/{request.epoch}"
            f"/{request.lane}/segments/{request.n}"
        )
        start = self._held.start = await self._start(path, request.payload)
        if len(request.payload) >= RESUMED_BYTES_MIN:
            self._held.cut_path = path
        answer = await self._put(path, request.payload, start)
        self._held.cut_path = ""
        return _read(answer, SegmentAnswer)

    async def _put(self, path: str, payload: bytes, start: int) -> bytes:
        """Send what the hub does not have yet; all of it when the hub has forgotten."""
        if start:
            rest = f"{path}?offset={start}"
            try:
                return await self._call("PATCH", rest, payload[start:], SEGMENT_CONTENT_TYPE)
            except Refused as error:
                if error.reason != UPLOAD_GONE:
                    raise
        return await self._call("PUT", path, payload, SEGMENT_CONTENT_TYPE)

    async def _start(self, path: str, payload: bytes) -> int:
        """Ask how much arrived of a segment that was cut; 0 for any other."""
        if self._held.cut_path != path:
            return 0
        try:
            found = _read(await self._call("GET", f"{path}/start", b""), UploadStart)
        except Refused:
            return 0  # a hub of an earlier release
        is_ours = hashlib.sha256(payload[: found.offset]).digest() == found.sha256
        return found.offset if is_ours and found.offset < len(payload) else 0

    async def fetch(self, request: Fetch) -> PullPage:
        """Get a page."""
        path = f"/sync/v1/pull?epoch={request.epoch}&cursor={request.cursor}&limit={request.limit}"
        return await self.get(path, PullPage)

    async def get(self, path: str, shape: type[T]) -> T:
        """Get any message."""
        return _read(await self._call("GET", path, b""), shape)

    async def post(self, path: str, message: object, shape: type[T]) -> T:
        """Post one message and read another."""
        return _read(await self._call("POST", path, encode(message)), shape)

    async def _call(
        self, method: str, path: str, body: bytes, content_type: str = CONTENT_TYPE
    ) -> bytes:
        self._allow()
        for is_last in (False, True):
            headers = {"authorization": f"Bearer {await self._signed_in()}"}
            try:
                return await ask(self._client, method, path, body, content_type, headers)
            except Refused as error:
                if error.http_status != httpx.codes.UNAUTHORIZED or is_last:
                    raise
                self._held.until_s = 0.0  # the hub was restarted, or clocks disagree
        raise AssertionError("unreachable")

    async def _signed_in(self) -> str:
        if self._monotonic() < self._held.until_s:
            return self._held.token
        assert self._me.hub_id is not None
        asked = encode(ChallengeRequest(node_id=self._me.node_id))
        given = _read(await ask(self._client, "POST", "/sync/v1/challenge", asked), Challenge)
        words = sign_in_message(self._me.hub_id, given.challenge)
        proof = TokenRequest(
            node_id=self._me.node_id,
            challenge=given.challenge,
            signature=self._key.sign(words).signature,
        )
        token = _read(await ask(self._client, "POST", "/sync/v1/token", encode(proof)), Token)
        self._held.token = token.token
        self._held.until_s = self._monotonic() + token.expires_in_s * PASS_SHARE
        return token.token


async def ask(
    client: httpx.AsyncClient,
    method: str,
    path: str,
    body: bytes,
    content_type: str = CONTENT_TYPE,
    headers: dict[str, str] | None = None,
) -> bytes:
    told = {"content-type": content_type, "accept": CONTENT_TYPE} | (headers or {})
    told["content-length"] = str(len(body))
    try:
        async with (
            asyncio.timeout(EXCHANGE_S_MAX),
            client.stream(method, path, content=pieces(body), headers=told) as answer,
        ):
            content = await body_of(answer)
    except (httpx.TransportError, httpx.InvalidURL, TimeoutError) as error:
        fault = ClockDoubted if is_out_of_date(error) else Unreachable
        raise fault(f"{method} {path}: {type(error).__name__} {error}") from error
    if answer.is_success:
        return content
    raise _fault(method, path, answer, content)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    """Hand a body over bit by bit: a slow link is silent only when none of it moves."""
    for start in range(0, len(body), PIECE_BYTES):
        yield body[start : start + PIECE_BYTES]


def is_out_of_date(error: BaseException | None) -> bool:
    """Whether a certificate's dates, and nothing else, ended a connection."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_code in OUT_OF_DATE
        error = error.__cause__ or error.__context__
    return False


async def body_of(answer: httpx.Response) -> bytes:
    """Read no more than a page may be: whoever sits at that address is not trusted yet."""
    parts = bytearray()
    async for part in answer.aiter_bytes():
        parts += part
        if len(parts) > ANSWER_BYTES_MAX:
            raise HubUntrusted(f"{answer.url}: an answer of more than {ANSWER_BYTES_MAX} bytes")
    return bytes(parts)


def _fault(
    method: str, path: str, answer: httpx.Response, content: bytes
) -> HubBusy | Refused | Unreachable:
    """Sort an answer that is none. A gateway's error page is no word of the hub."""
    where = f"{method} {path}: {answer.status_code}"
    if answer.status_code in BUSY:
        return HubBusy(where, retry_after_s=_retry_after(answer))
    problem = _problem(content)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or problem is None:
        return Unreachable(where)
    words = [words.rstrip(".") for words in (problem.title, problem.detail, problem.hint) if words]
    return Refused(". ".join(words) + ".", reason=problem.code, http_status=answer.status_code)


def _problem(content: bytes) -> Problem | None:
    try:
        return msgspec.json.decode(content, type=Problem)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def _retry_after(answer: httpx.Response) -> float:
    told: Any = answer.headers.get("retry-after", "")
    return min(float(told), RETRY_AFTER_S_MAX) if told.isdecimal() else RETRY_AFTER_S


def _read(content: bytes, shape: type[T]) -> T:
    try:
        return decode(content, shape)
    except msgspec.DecodeError as error:
        raise HubUntrusted(f"an answer that is no {shape.__name__}: {error}") from error
