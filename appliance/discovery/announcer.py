"""Tells the classroom network the box's name, so that `http://darasa.local` opens it.

Two services are announced, `_http._tcp` and `_darasa._tcp`, on our own host name; if
another machine already answers to that name, the next free one is taken
(`darasa-2.local`). A box whose network is down serves on: the cable comes back later,
and the announcer looks again. What has changed is added or left out; nothing is withdrawn from
the interfaces that stay, where a phone would forget the box for it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

import psutil
from msgspec import Struct
from zeroconf import (  # type: ignore[attr-defined]  # AddressResolverIPv4 is left out of __all__
    AddressResolverIPv4,
    IPVersion,
    NonUniqueNameException,
)
from zeroconf import Error as ZeroconfError
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

logger = logging.getLogger(__name__)

SERVICE_TYPES: Final = ("_http._tcp.local.", "_darasa._tcp.local.")
INSTANCE_NAME: Final = "Darasa"
LOOK_EVERY_S: Final = 15.0  # a cable pulled and put back is announced again within this
CONFLICT_WAIT_MS: Final = 750  # RFC 6762 8.1: three probes, 250 ms apart
HOST_NAMES_MAX: Final = 20  # more boxes than this in one room is a loop, not a school

Addresses = Callable[[], tuple[str, ...]]


class Announcement(Struct, frozen=True):
    """What the network has been told; `host_name` is None while it knows nothing."""

    host_name: str | None
    addresses: tuple[str, ...] = ()
    reason: str = ""


NOT_YET: Final = Announcement(None, reason="starting")
NO_NETWORK: Final = Announcement(None, reason="no network interface is up")


class Announcer:
    """Keeps one announcement in step with the machine's addresses."""

    def __init__(
        self, *, host_name: str, port: int, app_version: str, addresses: Addresses
    ) -> None:
        self.announcement = NOT_YET
        self._host_name = host_name
        self._port = port
        self._app_version = app_version
        self._addresses = addresses
        self._zeroconf: AsyncZeroconf | None = None

    async def run(self) -> None:
        """Announce, and again whenever an interface changes, until cancelled."""
        try:
            while True:
                await self.refresh()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            await self._withdraw()

    async def refresh(self) -> None:
        """Announce the present addresses if they are not the ones announced."""
        addresses = self._addresses()
        if addresses and addresses == self.announcement.addresses:
            return
        if not await self._goes_on(addresses):
            await self._withdraw()
            self.announcement = await self._announce(addresses) if addresses else NO_NETWORK
        logger.info(
            "discovery host_name=%s reason=%s",
            self.announcement.host_name,
            self.announcement.reason or "announced",
        )

    async def _goes_on(self, addresses: tuple[str, ...]) -> bool:
        """Follow a change while an interface stays and our name is the wanted one and free."""
        known = self.announcement.addresses
        if not set(addresses) & set(known) or self.announcement.host_name != self._host_name:
            return False
        added = [address for address in addresses if address not in known]
        try:
            if added and not await is_free(self._host_name, added, ours=(*known, *addresses)):
                return False
            await self._follow(addresses, has_added=bool(added))
        except (OSError, ZeroconfError):  # what is the matter, the beginning anew will say
            return False
        self.announcement = Announcement(self._host_name, addresses)
        return True

    async def _follow(self, addresses: tuple[str, ...], *, has_added: bool) -> None:
        assert self._zeroconf is not None
        zeroconf = self._zeroconf
        services = zeroconf.zeroconf.registry.async_get_service_infos()
        for each in services:
            each.addresses = [socket.inet_aton(address) for address in addresses]
        await zeroconf.async_update_interfaces(list(addresses))
        if not has_added:  # then zeroconf itself says nothing of what went
            said = await asyncio.gather(*map(zeroconf.async_update_service, services))
            await asyncio.gather(*said)

    async def _announce(self, addresses: tuple[str, ...]) -> Announcement:
        try:
            # An interface may go down between looking and binding, and a second
            # mDNS daemon may hold the port alone: neither may stop the server.
            self._zeroconf = AsyncZeroconf(interfaces=list(addresses), ip_version=IPVersion.V4Only)
            host_name = await free_host_name(self._zeroconf, self._host_name, addresses)
            await self._register(self._zeroconf, host_name, addresses)
        except (OSError, NonUniqueNameException, ZeroconfError) as error:
            await self._withdraw()
            return Announcement(None, reason=f"mDNS: {error!r}")
        return Announcement(host_name, addresses)

    async def _register(
        self, zeroconf: AsyncZeroconf, host_name: str, addresses: tuple[str, ...]
    ) -> None:
        services = (
            AsyncServiceInfo(
                service_type,
                f"{INSTANCE_NAME}.{service_type}",
                addresses=[socket.inet_aton(address) for address in addresses],
                port=self._port,
                properties={"path": "/", "version": self._app_version},
                server=f"{host_name}.local.",
            )
            for service_type in SERVICE_TYPES
        )
        announcements = await asyncio.gather(
            *(zeroconf.async_register_service(each, allow_name_change=True) for each in services)
        )
        await asyncio.gather(*announcements)

    async def _withdraw(self) -> None:
        if self._zeroconf is not None:
            zeroconf, self._zeroconf = self._zeroconf, None
            await zeroconf.async_unregister_all_services()
            await zeroconf.async_close()


async def free_host_name(zeroconf: AsyncZeroconf, wanted: str, ours: tuple[str, ...]) -> str:
    """The first of `wanted`, `wanted-2`, … that no other machine answers to.

    zeroconf renames a service on conflict, but not the host behind it.
    """
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, HOST_NAMES_MAX + 1))]
    for name in names:
        if not await is_taken(zeroconf, name, ours):
            return name
    raise NonUniqueNameException(f"{wanted} to {names[-1]} are all taken")


async def is_free(name: str, interfaces: list[str], *, ours: tuple[str, ...]) -> bool:
    """Ask these interfaces alone, before anything is announced there."""
    zeroconf = AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
    try:
        return not await is_taken(zeroconf, name, ours)
    finally:
        await zeroconf.async_close()


async def is_taken(zeroconf: AsyncZeroconf, name: str, ours: tuple[str, ...]) -> bool:
    """Whether another machine answers to `name` with an address that is not ours."""
    resolver = AddressResolverIPv4(f"{name}.local.")
    await resolver.async_request(zeroconf.zeroconf, CONFLICT_WAIT_MS)
    return bool(set(resolver.parsed_addresses()) - set(ours))


def lan_addresses() -> tuple[str, ...]:
    """The IPv4 addresses of interfaces that are up, loopback left out."""
    state = psutil.net_if_stats()
    return tuple(
        sorted(
            entry.address
            for name, entries in psutil.net_if_addrs().items()
            if name in state and state[name].isup
            for entry in entries
            if entry.family == socket.AF_INET and not entry.address.startswith("127.")
        )
    )
