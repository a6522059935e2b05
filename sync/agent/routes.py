"""Whether there is a way out of this box: its default routes, as the kernel lists them.

Two small files, read once a second while a box waits: a modem that has dialled in wakes the
agent at once instead of a quarter of an hour later. A route that stays while the far side is
gone shows nothing here; then the agent's own patience counts.
"""

from pathlib import Path
from typing import Final

IPV4: Final = Path("/proc/net/route")
IPV6: Final = Path("/proc/net/ipv6_route")
ANYWHERE: Final = "00000000"
ANYWHERE_V6: Final = "0" * 32


def default_routes(ipv4: Path = IPV4, ipv6: Path = IPV6) -> frozenset[str]:
    """Name each interface and gateway that leads anywhere."""
    found = {
        f"{interface} {gateway}"
        for interface, destination, gateway, *rest in _lines(ipv4)
        if destination == ANYWHERE and rest[4] == ANYWHERE
    }
    found |= {
        f"{rest[-1]} {rest[2]}"
        for destination, length, *rest in _lines(ipv6)
        if (destination, length) == (ANYWHERE_V6, "00") and rest[-1] != "lo"
    }
    return frozenset(found)


def _lines(file: Path) -> list[list[str]]:
    try:
        return [line.split() for line in file.read_text().splitlines() if line]
    except OSError:
        return []  # no such protocol on this machine
