"""The Prometheus text format, version 0.0.4, from our own counters."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Literal

from appliance.telemetry.meter import BUCKETS_S, Route

Kind = Literal["counter", "gauge"]


def metric(name: str, kind: Kind, what: str, value: float) -> Iterator[str]:
    """One metric without labels."""
    yield f"# HELP {name} {what}"
    yield f"# TYPE {name} {kind}"
    yield f"{name} {value}"


def requests(routes: Mapping[tuple[str, str], Route]) -> Iterator[str]:
    """How many answers by route and status, and a histogram of how long they took."""
    yield "# HELP darasa_requests_total Answers by route and status."
    yield "# TYPE darasa_requests_total counter"
    for (method, path), route in routes.items():
        for status, count in route.statuses.items():
            labels = f'method="{method}",route="{path}",status="{status}"'
            yield f"darasa_requests_total{{{labels}}} {count}"
    yield "# HELP darasa_request_seconds Time until the first byte of the answer."
    yield "# TYPE darasa_request_seconds histogram"
    for (method, path), route in routes.items():
        yield from _histogram(f'method="{method}",route="{path}"', route)


def _histogram(labels: str, route: Route) -> Iterator[str]:
    edges = [*map(str, BUCKETS_S), "+Inf"]
    counts = list(accumulate(route.buckets))
    for edge, count in zip(edges, counts, strict=True):
        yield f'darasa_request_seconds_bucket{{{labels},le="{edge}"}} {count}'
    yield f"darasa_request_seconds_sum{{{labels}}} {route.seconds}"
    yield f"darasa_request_seconds_count{{{labels}}} {counts[-1]}"
