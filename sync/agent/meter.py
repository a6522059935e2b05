"""How many bytes crossed the link, as the kernel counted them for each connection.

With TLS, headers, acknowledgements and everything that had to be sent twice: what a provider
bills. Read through TCP_INFO (tcp(7)), because what the HTTP library was given to send is not
what was sent when a link breaks in the middle.
"""

import os
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

INFO_BYTES: Final = 256
HEADERS_BYTES: Final = 52  # IPv4, TCP and its timestamps, with every packet
# struct tcp_info of linux/tcp.h: bytes_received, segs_out and segs_in; bytes_sent.
RECEIVED_AND_PACKETS: Final = struct.Struct("=QII")
RECEIVED_AT: Final = 128
SENT: Final = struct.Struct("=Q")
SENT_AT: Final = 200


class Crossed(Struct, frozen=True):
    """Bytes that left and came."""

    up_bytes: int = 0
    down_bytes: int = 0


class Meter:
    """Watches the connections of one client; httpx calls `watch` at every step of theirs.

    Each socket is held by a second descriptor, so that it can still be asked when the
    library has let it go; `close` hangs up.
    """

    def __init__(self) -> None:
        self._held: Final[list[socket.socket]] = []
        self._taken = Crossed()

    async def watch(self, step: str, told: Mapping[str, Any]) -> None:
        """Take note of a new connection (an httpcore trace)."""
        if step == "connection.connect_tcp.complete":
            opened = told["return_value"].get_extra_info("socket")
            self._held.append(socket.socket(fileno=os.dup(opened.fileno())))

    def take(self) -> Crossed:
        """Return what has crossed since the last look."""
        found = [crossed(each) for each in self._held]
        up, down = sum(it.up_bytes for it in found), sum(it.down_bytes for it in found)
        since = Crossed(up - self._taken.up_bytes, down - self._taken.down_bytes)
        self._taken = Crossed(up, down)
        return since

    def close(self) -> None:
        """Let go of every connection; what was counted stays counted."""
        for each in self._held:
            each.close()
        self._held.clear()
        self._taken = Crossed()


def crossed(connection: socket.socket) -> Crossed:
    """Ask the kernel about one connection."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
    received, packets_out, packets_in = RECEIVED_AND_PACKETS.unpack_from(info, RECEIVED_AT)
    (sent,) = SENT.unpack_from(info, SENT_AT)
    return Crossed(sent + packets_out * HEADERS_BYTES, received + packets_in * HEADERS_BYTES)
