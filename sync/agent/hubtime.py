"""What time it is, for a box without a clock: asked of the hub and signed with its pinned key.

With the clock in 1970 every certificate is "not valid yet". Then the chain and the name are
still verified, the dates are not, and nothing secret is said; the answer is believed for its
signature alone. With that time the certificate's dates are looked at after all, and what
follows goes over connections whose dates this box has no better means to judge.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from appliance.clock import BUILD_FLOOR_MS, CERTAIN, TOLD, Clock, tell
from sync.agent.faults import ClockDoubted, HubUntrusted, Unreachable
from sync.agent.link import body_of
from sync.protocol import HubTime, SignedTime, decode, time_message

DELAY_S_MAX: Final = 30.0  # half of it is how wrong the answer may be
NO_CHECK_TIME: Final = 0x200000  # X509_V_FLAG_NO_CHECK_TIME
CLOSE_MS: Final = 2_000  # a clock this near is left alone


def undated() -> ssl.SSLContext:
    """Verify the chain and the name, not the dates."""
    context = httpx.create_ssl_context()
    context.verify_flags |= NO_CHECK_TIME
    return context


async def ask_time(client: httpx.AsyncClient, hub_key: bytes, nonce: bytes) -> int:
    """Return UTC milliseconds. Raises Unreachable, HubUntrusted, ClockDoubted."""
    began = time.monotonic()
    content, certificate = await _fetch(client, f"/sync/v1/time?nonce={nonce.hex()}")
    delay_ms = int((time.monotonic() - began) * 1_000)
    now_ms = read_time(content, hub_key, nonce) + delay_ms // 2
    if certificate is not None and not _is_dated(certificate, now_ms):
        raise ClockDoubted("the certificate is out of date by the hub's own clock, too")
    return now_ms


def read_time(content: bytes, hub_key: bytes, nonce: bytes) -> int:
    """Open the hub's answer. Raises HubUntrusted when it is not the pinned key's, or stale."""
    try:
        signed = decode(content, SignedTime)
        VerifyKey(hub_key).verify(time_message(signed.body), signed.signature)
        told = decode(signed.body, HubTime)
    except (msgspec.DecodeError, BadSignatureError) as error:
        raise HubUntrusted(f"time: {error}") from error
    if told.nonce != nonce:
        raise HubUntrusted("time: the answer is to another question")
    return told.hub_time_ms


async def _fetch(client: httpx.AsyncClient, path: str) -> tuple[bytes, Mapping[str, object] | None]:
    try:
        async with asyncio.timeout(DELAY_S_MAX), client.stream("GET", path) as answer:
            content = await body_of(answer)
    except (httpx.TransportError, TimeoutError) as error:
        raise Unreachable(f"GET time: {type(error).__name__} {error}") from error
    if not answer.is_success:
        raise Unreachable(f"GET time: {answer.status_code}")
    stream = answer.extensions.get("network_stream")
    tls = None if stream is None else stream.get_extra_info("ssl_object")
    return content, None if tls is None else tls.getpeercert()


def _is_dated(certificate: Mapping[str, object], now_ms: int) -> bool:
    first, last = (
        ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter")
    )
    return first <= now_ms / 1_000 <= last


class HubClock:
    """Keeps what the hub says the time is for both processes, wherever nobody knows better."""

    def __init__(self, file: Path, clock: Clock, quality: Callable[[], int]) -> None:
        self._file: Final = file
        self._clock: Final = clock
        self.quality: Final = quality

    @property
    def is_vouched_for(self) -> bool:
        """Whether somebody has said what time it is since this boot."""
        return self.quality() >= TOLD

    def hear(self, hub_ms: int, *, delay_s: float) -> None:
        """Take a signed time, unless the kernel knows better or it says nothing new."""
        is_known = self.quality() == CERTAIN
        is_wild = hub_ms < BUILD_FLOOR_MS or delay_s > DELAY_S_MAX
        is_near = self.is_vouched_for and abs(hub_ms - self._clock()) < CLOSE_MS
        if not (is_known or is_wild or is_near):
            tell(self._file, hub_ms)

    def local(self) -> datetime | None:
        """The local time, or None when nobody vouches for it."""
        if not self.is_vouched_for:
            return None
        return datetime.fromtimestamp(self._clock() / 1_000, UTC).astimezone()
