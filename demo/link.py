"""The district's link: a relay between an agent and the hub that can be cut and mended.

Cutting drops the connections under way in the middle of whatever they were saying, as
a lost antenna does, and refuses new ones until it is mended.
"""

import asyncio
from typing import Final, Self

CHUNK_BYTES: Final = 65_536


class Link:
    """A TCP relay on a port of its own. Counts what went up and down."""

    def __init__(self, target_port: int) -> None:
        self.target_port: Final = target_port
        self.port = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self._server: asyncio.Server | None = None
        self._open: Final[set[asyncio.StreamWriter]] = set()
        self._relays: Final[set[asyncio.Task[None]]] = set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

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
        self._server = await asyncio.start_server(
            self._take, "127.0.0.1", self.port, reuse_address=True
        )
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
                both.create_task(self._pump(near_in, far_out, is_up=True))
                both.create_task(self._pump(far_in, near_out, is_up=False))
        finally:
            self._drop(near_out)
            self._drop(far_out)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_up: bool
    ) -> None:
        """Carry bytes one way until either end hangs up; then hang up on the other."""
        try:
            while chunk := await source.read(CHUNK_BYTES):
                if is_up:
                    self.bytes_up += len(chunk)
                else:
                    self.bytes_down += len(chunk)
                sink.write(chunk)
                await sink.drain()
        except OSError:
            pass  # a cut: the agent's own repeats are what is being tried here
        finally:
            sink.close()

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.close()
