"""Segments that were cut on their way in: kept for a while, so that the rest is enough.

On a link that drops every few seconds, whole segments sent again cost a third more bytes
(docs/decisions/0013), and one that takes longer than the link lasts would never arrive. What
has come of a body is remembered here, in memory: bounded, the oldest forgotten first, gone
with the process. A box that finds nothing sends all of it again; nothing rests on this.
"""

import hashlib
from collections.abc import AsyncIterable, Hashable
from typing import Final

from sync.hub.faults import UploadGone
from sync.protocol import UploadStart

KEPT_BYTES_MAX: Final = 32 << 20  # of all boxes together; a cut segment is 50 KB as a rule
KEPT_MAX: Final = 2_000


class Uploads:
    """One for each process of the hub."""

    def __init__(self) -> None:
        self._parts: Final[dict[Hashable, bytearray]] = {}

    def start(self, address: Hashable) -> UploadStart:
        """Say how much of a segment is here, and which bytes those are."""
        part = bytes(self._parts.get(address, b""))
        return UploadStart(offset=len(part), sha256=hashlib.sha256(part).digest())

    async def take(
        self, address: Hashable, stream: AsyncIterable[bytes], *, offset: int = 0
    ) -> bytes:
        """Read a body after what is here of it already. Raises UploadGone.

        What has come stays here if the stream breaks; another one for the same segment
        begins a copy of its own, because the first may not have noticed yet that it is dead.
        """
        part = self._parts.pop(address, bytearray())[:offset]
        if len(part) < offset:
            raise UploadGone(f"its first {offset} bytes are not here")
        self._parts[address] = part
        self._make_room()
        async for piece in stream:
            part += piece
        if self._parts.get(address) is part:
            del self._parts[address]
        return bytes(part)

    def _make_room(self) -> None:
        kept = sum(map(len, self._parts.values()))
        while kept > KEPT_BYTES_MAX or len(self._parts) > KEPT_MAX:
            kept -= len(self._parts.pop(next(iter(self._parts))))
