"""One process, one event loop, one socket."""

import asyncio
import gc
import signal
import socket
from typing import Final

import uvicorn
import uvloop
from litestar import Litestar

from appliance.notify import (
    notify_ready,
    notify_stopping,
    notify_watchdog,
    watchdog_interval_s,
)
from sync.hub.app import create_app
from sync.hub.keys import claim_code, spoken
from sync.hub.opening import APP_VERSION
from sync.hub.settings import HubSettings

BACKLOG: Final = 1_024
GOODBYE_S: Final = 20  # a segment under way may end
KEEP_ALIVE_S: Final = 75
STARTED_POLL_S: Final = 0.02
GC_OBJECTS: Final = 50_000  # a full segment makes 20,000 tuples and ids; none is in a cycle


def serve(settings: HubSettings) -> None:
    """Serve until told to stop. Raises DarasaError when the hub must not start."""
    listener = listening_socket(settings)
    app = create_app(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has stopped serving; the pools and the
        # hasher still want to be closed in order.
        signal.signal(number, lambda _number, _frame: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(app, listener, settings))


def listening_socket(settings: HubSettings) -> socket.socket:
    """Bind first: a port that is taken is said before anything is opened."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    return listener


async def _serve(app: Litestar, listener: socket.socket, settings: HubSettings) -> None:
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",  # entered here, so that a refusal to start is one sentence
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,  # believed from this machine only: the proxy that ends TLS
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GOODBYE_S,
    )
    server = uvicorn.Server(config)
    async with app.lifespan():
        gc.collect()
        gc.freeze()  # what lives as long as the process is never looked at again
        gc.set_threshold(GC_OBJECTS)
        for line in welcome(settings, listener):
            print(line, flush=True)  # noqa: T201 -- the console is where the claim code belongs
        beating = asyncio.create_task(_tell_systemd(server))
        try:
            await server.serve(sockets=[listener])
        finally:
            beating.cancel()
            notify_stopping()


async def _tell_systemd(server: uvicorn.Server) -> None:
    while not server.started:  # noqa: ASYNC110 -- uvicorn has a flag and no event
        await asyncio.sleep(STARTED_POLL_S)
    notify_ready()
    interval_s = watchdog_interval_s()
    while interval_s is not None:
        notify_watchdog()
        await asyncio.sleep(interval_s)


def welcome(settings: HubSettings, listener: socket.socket) -> list[str]:
    """What the console says: where the hub is and, until it is claimed, the code."""
    address, port = listener.getsockname()[:2]
    host = f"[{address}]" if ":" in address else address
    lines = [f"Darasa hub {APP_VERSION} is ready:", f"  http://{host}:{port}"]
    if settings.claim_file.exists():
        lines += [
            "This hub has no district yet. To claim it, open",
            f"  http://{host}:{port}/claim",
            "and type this code:",
            f"  {spoken(claim_code(settings.claim_file))}",
        ]
    return lines
