"""Instants as people read them on a page.

The box keeps UTC milliseconds and has no idea of its country's clock but the system's
time zone, which the image sets; pages show that zone.
"""

from datetime import UTC, datetime


def moment(at_ms: int) -> str:
    """`Tue 3 Jun 2025, 14:05`."""
    return f"{day(at_ms)}, {clock_time(at_ms)}"


def day(at_ms: int) -> str:
    """`Tue 3 Jun 2025`."""
    local = _local(at_ms)
    return f"{local:%a} {local.day} {local:%b %Y}"


def clock_time(at_ms: int) -> str:
    """`14:05`."""
    return f"{_local(at_ms):%H:%M}"


def iso_moment(at_ms: int) -> str:
    """`2025-06-03T11:05:00Z`, for the datetime attribute of <time>."""
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
