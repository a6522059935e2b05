"""A pupil's phone, as the box sees it: one connection, one cookie, patience.

A tiny HTTP/1.1 client over asyncio streams: eighty phones share two cores with the
programs they measure, and a full client library costs 4 ms of CPU a request.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import msgspec
from msgspec import Struct

ANSWER_S_MAX: Final = 30.0
PATIENCE_S: Final = 30.0  # how long a phone repeats one request before it gives up
PAUSE_S: Final = 0.05  # between two tries of one request
BODY_BYTES_MAX: Final = 8 << 20
JSON: Final = "application/json"
RETRY_STATUSES: Final = frozenset({502, 503, 504})

T = TypeVar("T")
Watch = Callable[[str, str, float], None]  # method, path and seconds of one answered request
_encoder: Final = msgspec.json.Encoder()


class Unreachable(Exception):
    """No answer: refused, cut off, or too slow. The request may or may not have been served."""


class Unexpected(Exception):
    """The box answered, and not what the contract says."""


class Answer(Struct, frozen=True):
    """One HTTP answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def read(self, shape: type[T]) -> T:
        """Decode a JSON body."""
        return msgspec.json.decode(self.body, type=shape)

    def must(self, *statuses: int) -> Self:
        """Return itself, or raise when the status is none of `statuses` (2xx by default)."""
        good = self.status in statuses if statuses else 200 <= self.status < 300
        if not good:
            raise Unexpected(f"status {self.status}: {self.body[:600].decode(errors='replace')}")
        return self


class Phone:
    """One keep-alive connection to one server, with its session cookie."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self.host: Final = host
        self.port: Final = port
        self.cookies: Final[dict[str, str]] = {}
        self.watch: Watch | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()

    async def get(self, path: str, shape: type[T]) -> T:
        """Read one JSON resource, patiently."""
        return (await self.send_patiently("GET", path)).must().read(shape)

    async def post(self, path: str, body: Any, shape: type[T]) -> T:
        """Send JSON and decode the answer, patiently: `body` carries its own ids."""
        return (await self.send_patiently("POST", path, body)).must().read(shape)

    async def send_patiently(self, method: str, path: str, body: Any = None) -> Answer:
        """Repeat one and the same request until somebody answers it, as outbox.js does."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = await self.send(method, path, body)
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
            else:
                if answer.status not in RETRY_STATUSES or time.monotonic() > deadline:
                    return answer
            await asyncio.sleep(PAUSE_S)

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request once. Raises Unreachable when no whole answer comes back."""
        request = self._request(method, path, body, headers or {})
        began = time.perf_counter()
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                answer = await self._exchange(request)
        except (OSError, EOFError, TimeoutError) as error:
            self.hang_up()
            raise Unreachable(f"{method} {path} on port {self.port}: {error!r}") from error
        except asyncio.CancelledError:
            self.hang_up()  # the answer still comes; the next request must not take it for its own
            raise
        if self.watch is not None:
            self.watch(method, path, time.perf_counter() - began)
        if answer.headers.get("connection") == "close":
            self.hang_up()
        self._keep_cookie(answer)
        return answer

    def hang_up(self) -> None:
        """Close the connection; the next request opens another one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> bytes:
        content = body if isinstance(body, bytes) else _encoder.encode(body)
        if body is None:
            content = b""
        lines = [f"{method} {path} HTTP/1.1", f"host: {self.host}:{self.port}"]
        if self.cookies:
            lines.append("cookie: " + "; ".join(f"{k}={v}" for k, v in self.cookies.items()))
        if content or method != "GET":
            kind = headers.pop("content-type", JSON)
            lines += [f"content-type: {kind}", f"content-length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self.host, self.port, limit=BODY_BYTES_MAX
            )
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(_header(line) for line in head[1:] if line)
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await _chunks(reader) if "transfer-encoding" in headers else b""
        return Answer(status=int(head[0].split(" ", 2)[1]), headers=headers, body=body)

    def _keep_cookie(self, answer: Answer) -> None:
        if "set-cookie" in answer.headers:
            name, _, value = answer.headers["set-cookie"].split(";", 1)[0].partition("=")
            self.cookies[name.strip()] = value.strip()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readline()
    return bytes(body)
