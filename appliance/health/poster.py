"""The poster for the classroom wall: two ways in, each as words and as a code to scan.

By name, which new phones find, and by number, which every phone finds.
"""

from typing import Final

import segno
from markupsafe import Markup
from msgspec import Struct

from appliance.health.network import OWN_CHOICE

HTTP_PORT: Final = 80
MODULE_PIXELS: Final = 8


class Way(Struct, frozen=True):
    """One address of the box, and its code."""

    url: str
    code: Markup


def ways_in(host_name: str, addresses: tuple[str, ...], port: int) -> list[Way]:
    """The name first, then the numbers."""
    hosts = (f"{host_name}.local", *addresses)
    return [_way(address_of(host, port)) for host in hosts]


def lasting(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """The numbers worth printing: one of our own choosing only where nobody gave another."""
    given = tuple(each for each in addresses if not each.startswith(OWN_CHOICE))
    return given or addresses


def address_of(host: str, port: int) -> str:
    """What to type; nobody types a port that every browser knows."""
    return f"http://{host}/" if port == HTTP_PORT else f"http://{host}:{port}/"


def _way(url: str) -> Way:
    drawn = segno.make_qr(url, error="q")  # a quarter may be torn or written over
    svg = drawn.svg_inline(scale=MODULE_PIXELS, border=4, dark="#000", light="#fff", omitsize=True)
    return Way(url, Markup(svg))  # noqa: S704 -- drawn by us from an address of ours
