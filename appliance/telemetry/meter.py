"""Counts requests by route and how long they took; nothing about who asked.

A route is its template (`/learn/tasks/{assessment_id}`), never the address itself: ids
of children do not belong in a metric.
"""

import time
from bisect import bisect_left
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct, field

# Asked by machines, or by a page that was left open: no class is at work for that.
BY_MACHINES: Final = frozenset({"/health", "/metrics"})
NOT_MODIFIED: Final = 304

# Seconds. The budgets (10, 50, 500 ms) are edges, so a histogram can answer them.
BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Route(Struct):
    """One route's answers: how many by class of status, and how long they took."""

    statuses: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    seconds: float = 0.0

    def note(self, status: int, seconds: float) -> None:
        """Count one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.buckets[bisect_left(BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class RequestMeter(ASGIMiddleware):
    """Litestar middleware that fills `routes`; on the event loop, so it needs no lock."""

    scopes = (ScopeType.HTTP,)

    def __init__(self) -> None:
        self.routes: Final[dict[tuple[str, str], Route]] = {}
        self.last_request_at_s = time.monotonic()

    def idle_for_s(self) -> float:
        """Seconds since anybody sent or was shown something; housekeeping waits for silence."""
        return time.monotonic() - self.last_request_at_s

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Pass the request on and note its answer."""
        began = time.perf_counter()
        if scope["method"] not in {"GET", "HEAD"}:  # type: ignore[typeddict-item]  # http only
            self.last_request_at_s = time.monotonic()  # a long upload is work from its beginning

        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"], time.perf_counter() - began)
            await send(message)

        await next_app(scope, receive, noting_send)

    def _note(self, scope: Any, status: int, seconds: float) -> None:
        key = (scope["method"], scope["path_template"])
        if status != NOT_MODIFIED and scope["path_template"] not in BY_MACHINES:
            self.last_request_at_s = time.monotonic()
        if key not in self.routes:
            self.routes[key] = Route()
        self.routes[key].note(status, seconds)
