"""How phones reach the box: what is plugged in, at which address, and how full a radio is."""

import socket
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from appliance.health.radio import Radio, read_radios
from appliance.telemetry.findings import Finding

INTERFACES: Final = Path("/sys/class/net")
OWN_CHOICE: Final = "169.254."  # RFC 3927: an address taken because nobody gave one


class Link(Struct, frozen=True):
    """One socket or radio of the machine."""

    name: str
    is_radio: bool
    is_up: bool
    addresses: tuple[str, ...] = ()


class Network(Struct, frozen=True):
    """All of them."""

    links: list[Link]
    radios: list[Radio]


def read_network(interfaces: Path = INTERFACES) -> Network:
    """Look at what this machine has; what has no hardware behind it does not count."""
    addresses = {
        name: tuple(each.address for each in entries if each.family == socket.AF_INET)
        for name, entries in psutil.net_if_addrs().items()
    }
    links = [
        Link(each.name, (each / "phy80211").exists(), _is_up(each), addresses.get(each.name, ()))
        for each in sorted(interfaces.glob("*"))
        if (each / "device").exists()
    ]
    return Network(links, read_radios() if any(each.is_radio for each in links) else [])


def network_figures(network: Network) -> dict[str, str]:
    """A line for the cable and one for the radio."""
    cables = [link for link in network.links if not link.is_radio]
    return {
        "Cable": "; ".join(_cable(link) for link in cables) or "no socket for one",
        "Radio": "; ".join(_radio(network, each) for each in network.radios) or "none fitted",
    }


def network_findings(network: Network) -> list[Finding]:
    """What keeps phones out. Never red: whoever reads it by phone has come in."""
    return [*_reached(network.links), *_full(network.radios)]


def _reached(links: list[Link]) -> list[Finding]:
    up = [link for link in links if link.is_up]
    addresses = [address for link in up for address in link.addresses]
    if links and not up:
        words = "No cable is plugged in and no radio is on: phones cannot reach the box."
        todo = "Plug in the cable of the access point. The light beside the socket must be on."
        return [Finding("soon", "network", words, todo)]
    if links and not addresses:
        words = "The box has no address on the network."
        todo = "Wait a minute. If it stays so, switch the access point off and on, then the box."
        return [Finding("soon", "network", words, todo)]
    if addresses and all(each.startswith(OWN_CHOICE) for each in addresses):
        words = "Nobody on the network gives out addresses: the box has chosen one itself."
        todo = (
            "Switch the access point on, or join one that gives out addresses:"
            " most phones find the box only then."
        )
        return [Finding("soon", "network", words, todo)]
    return []


def _full(radios: list[Radio]) -> list[Finding]:
    todo = "Hang an access point on the cable for a whole class; phones beyond this are kept out."
    return [
        Finding("soon", "network", f"The box's radio is full: {each.phones} phones.", todo)
        for each in radios
        if each.phones is not None and each.phones >= each.room
    ]


def _cable(link: Link) -> str:
    if not link.is_up:
        return f"{link.name} not plugged in"
    return f"{link.name} plugged in, {', '.join(link.addresses) or 'no address yet'}"


def _radio(network: Network, radio: Radio) -> str:
    addresses = [
        each for link in network.links if link.name == radio.name for each in link.addresses
    ]
    return f"{radio.name} {', '.join([radio.words(), *addresses])}"


def _is_up(interface: Path) -> bool:
    try:
        return (interface / "carrier").read_text().strip() == "1"
    except OSError:  # asked of one that is switched off
        return False
