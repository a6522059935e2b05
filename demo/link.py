"""The district's link: a relay between an agent and the hub that can be cut and mended.

Cutting drops the connections under way in the middle of whatever they were saying, as
a lost antenna does, and refuses new ones until it is mended. In bad weather the link is
slow, breaks connections by itself, and is cut again and again.
"""

import asyncio
import contextlib
import math
import socket
from random import Random
from typing import Final, Self

from msgspec import Struct

CHUNK_BYTES: Final = 65_536
PIECE_S: Final = 0.02  # of a slow link, carried at once
LATE_S: Final = 0.1
PIECE_BYTES_MIN: Final = 128
BUFFER_BYTES: Final = 4_096  # what a slow link's modem holds
CUT_S: Final = 0.5


class Weather(Struct, frozen=True):
    """How bad it is. `loss`: the share of connections that break in the middle."""

    bytes_s: float = math.inf
    loss: float = 0.0
    cut_every_s: float = math.inf

    @property
    def piece_bytes(self) -> int:
        """What crosses at once."""
        return int(min(max(self.bytes_s * PIECE_S, PIECE_BYTES_MIN), CHUNK_BYTES))


CALM: Final = Weather()


class Link:
    """A TCP relay on a port of its own. Counts what went up and down."""

    def __init__(self, target_port: int, *, dice: Random | None = None) -> None:
        self.target_port: Final = target_port
        self.port = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.cuts = 0
        self.broken = 0
        self.weather = CALM
        self._dice: Final = dice or Random(1)
        self._free_at: Final = {True: 0.0, False: 0.0}  # when each direction is free again
        self._storm: asyncio.Task[None] | None = None
        self._server: asyncio.Server | None = None
        self._open: Final[set[asyncio.StreamWriter]] = set()
        self._relays: Final[set[asyncio.Task[None]]] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.set_weather(CALM)
        await self.cut()

    async def set_weather(self, weather: Weather) -> None:
        """Change it for connections to come; those under way are dropped. Counts from zero."""
        if self._storm is not None:
            self._storm.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._storm
            self._storm = None
        await self.cut()
        self.weather, self.bytes_up, self.bytes_down, self.cuts, self.broken = weather, 0, 0, 0, 0
        await self.mend()
        if weather.cut_every_s < math.inf:
            self._storm = asyncio.get_running_loop().create_task(self._cut_again_and_again())

    async def _cut_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self.weather.cut_every_s)
            await self.cut()
            self.cuts += 1
            await asyncio.sleep(CUT_S)
            await self.mend()

    @property
    def is_up(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    async def cut(self) -> None:
        """Refuse new connections and drop those under way. Safe to repeat."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for writer in tuple(self._open):
            writer.transport.abort()
        await asyncio.gather(*self._relays)

    async def mend(self) -> None:
        """Accept connections again, on the same port as before. Safe to repeat."""
        if self._server is not None:
            return
        limit = CHUNK_BYTES
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.weather.bytes_s < math.inf:
            limit = BUFFER_BYTES
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        listener.bind(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._take, sock=listener, limit=limit)
        self.port = self._server.sockets[0].getsockname()[1]

    def _take(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """Keep the task: whoever cuts the link waits until nothing of it is left."""
        task = asyncio.get_running_loop().create_task(self._relay(near_in, near_out))
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)

    async def _relay(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        self._open.add(near_out)
        try:
            far_in, far_out = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            self._drop(near_out)
            return
        self._open.add(far_out)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(near_in, far_out, is_up=True, last=self._last_byte()))
                both.create_task(self._pump(far_in, near_out, is_up=False, last=math.inf))
        finally:
            self._drop(near_out)
            self._drop(far_out)

    def _last_byte(self) -> float:
        """Where this connection breaks, going up: within what the link carries between cuts."""
        if self._dice.random() >= self.weather.loss:
            return math.inf
        return self._dice.random() * self.weather.bytes_s * self.weather.cut_every_s

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_up: bool, last: float
    ) -> None:
        """Carry bytes one way until either end hangs up; then hang up on the other."""
        try:
            while chunk := await source.read(self.weather.piece_bytes):
                await self._cross(len(chunk), is_up=is_up)
                last -= len(chunk)
                if last < 0:
                    self.broken += 1
                    raise ConnectionResetError("the weather")
                if sink.is_closing():
                    return  # the other way has ended meanwhile; uvloop would not take it kindly
                sink.write(chunk)
                await sink.drain()
        except OSError:
            pass  # a cut: the agent's own repeats are what is being tried here
        finally:
            sink.close()

    async def _cross(self, size: int, *, is_up: bool) -> None:
        """Take the time it takes: all connections share one line."""
        if is_up:
            self.bytes_up += size
        else:
            self.bytes_down += size
        if self.weather.bytes_s < math.inf:
            now = asyncio.get_running_loop().time()
            since = max(self._free_at[is_up], now - LATE_S)  # woken late: the line was not idle
            self._free_at[is_up] = since + size / self.weather.bytes_s
            await asyncio.sleep(self._free_at[is_up] - now)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.close()
