"""One process, one event loop, one socket: from systemd where it gave us one."""

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn
import uvloop
from litestar import Litestar
from litestar.datastructures import State

from appliance.accounts.queries import identity
from appliance.app import APP_VERSION, create_app
from appliance.clock import listen
from appliance.discovery.announcer import Announcer, lan_addresses
from appliance.errors import DarasaError
from appliance.lessons_only.pages import create_reading_app
from appliance.notify import (
    notify_ready,
    notify_stopping,
    notify_watchdog,
    watchdog_interval_s,
)
from appliance.room import can_start
from appliance.settings import Settings

logger = logging.getLogger(__name__)

Ending = Callable[[], Awaitable[None]]

SYSTEMD_FIRST_FD: Final = 3  # man 3 sd_listen_fds
BACKLOG: Final = 1_024  # a class that reloads at once, four times over
GOODBYE_S: Final = 10  # requests under way may end; systemd waits longer than this
KEEP_ALIVE_S: Final = 75  # longer than a pupil reads a page, so that taps reuse connections
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 -- compared with, not bound to
STARTED_POLL_S: Final = 0.02
# Somebody makes room by hand and looks at the page. Asking a full card costs no write.
LOOK_AGAIN_S: Final = 60.0


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until told to stop. Raises DarasaError when the box must not start."""
    listen(settings.clock_file, settings.clock_floor, waits=True)
    port = port_of(listener)
    announcer = Announcer(
        host_name=settings.host_name, port=port, app_version=APP_VERSION, addresses=lan_addresses
    )
    _run(create_app(settings, announcer=announcer, port=port), listener, settings)


def serve_lessons(
    settings: Settings,
    listener: socket.socket,
    words: list[str],
    *,
    may_pass: bool,
    look_every_s: float = LOOK_AGAIN_S,
) -> None:
    """Serve what can be read and nothing else, until a person has helped.

    If it `may_pass`, this ends when the card can be written again: the unit starts the box anew.
    """
    until = partial(_card_can, settings.data_dir, look_every_s) if may_pass else None
    _run(create_reading_app(settings, words), listener, settings, until)


async def _card_can(folder: Path, look_every_s: float) -> None:
    while not can_start(folder):  # noqa: ASYNC110 -- nobody tells us when a file is deleted
        await asyncio.sleep(look_every_s)
    logger.info("the card can be written again; ending, so that the box is started anew")


def port_of(listener: socket.socket) -> int:
    """Where the box is to be found on this machine."""
    port: int = listener.getsockname()[1]
    return port


def _run(
    app: Litestar,
    listener: socket.socket,
    settings: Settings,
    until: Ending | None = None,
) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped serving. By default that
        # would end the process before the writer has finished its queue.
        signal.signal(number, lambda _number, _frame: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_serve(app, listener, settings.host_name, until))
        except ExceptionGroup as group:
            raise refusal_in(group) from group


def refusal_in(group: ExceptionGroup[Exception]) -> Exception:
    """Find why the box must not start: the framework wraps whatever its lifespan raises."""
    refusals = group.subgroup(DarasaError)
    found: ExceptionGroup[Exception] | Exception = refusals or group
    while refusals is not None and isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found


class PortRefused(DarasaError):
    """Another program listens there, or the system lets nobody but itself."""

    code = "port-refused"
    title = "The box cannot open its port"
    hint = (
        "Does another program listen there, or another school's box? End it, or set DARASA_PORT to"
        " another number. Ports below 1024 are opened by darasa-box.socket."
    )


def listening_socket(settings: Settings) -> socket.socket:
    """Take the socket systemd passed, or bind our own. Raises PortRefused."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=SYSTEMD_FIRST_FD)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise PortRefused(f"port {settings.port} of {settings.host}: {error.strerror}") from error
    listener.listen(BACKLOG)  # from here on a phone waits instead of being refused
    return listener


async def _serve(
    app: Litestar,
    listener: socket.socket,
    host_name: str,
    until: Ending | None,
) -> None:
    config = uvicorn.Config(
        app,
        http="httptools",
        lifespan="off",  # entered here, so that a refusal to start is one sentence
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GOODBYE_S,
    )
    server = uvicorn.Server(config)
    async with app.lifespan():
        gc.collect()
        gc.freeze()  # what lives as long as the process is never looked at again
        for line in welcome(app, listener, host_name):
            print(line, flush=True)  # noqa: T201 -- the console is where the claim code belongs
        tasks = [asyncio.create_task(_tell_systemd(server, app.state))]
        if until is not None:
            tasks.append(asyncio.create_task(_end_after(server, until)))
        try:
            await server.serve(sockets=[listener])
        finally:
            for task in tasks:
                task.cancel()
            notify_stopping()


async def _end_after(server: uvicorn.Server, until: Ending) -> None:
    await until()
    server.should_exit = True


async def _tell_systemd(server: uvicorn.Server, state: State) -> None:
    while not server.started:  # noqa: ASYNC110 -- uvicorn has a flag and no event
        await asyncio.sleep(STARTED_POLL_S)
    notify_ready()
    interval_s = watchdog_interval_s()
    while interval_s is not None:
        if can_work(state):
            notify_watchdog()
        await asyncio.sleep(interval_s)


def can_work(state: State) -> bool:
    """Whether the box reads and writes; one that does not is better started again."""
    if "readers" not in state:  # lessons only: another start would find the same
        return True
    identity(state.readers.here)  # raises, and then nobody beats any more
    return bool(state.writer.is_running)


def welcome(app: Litestar, listener: socket.socket, host_name: str) -> list[str]:
    """What the console says: where the box is and, until it is claimed, the code."""
    address, port = listener.getsockname()[:2]
    hosts = [address]
    if address == EVERYWHERE:
        hosts = [f"{host_name}.local", *(lan_addresses() or ("127.0.0.1",))]
    places = [f"http://{host}" if port == 80 else f"http://{host}:{port}" for host in hosts]
    lines = [f"Darasa {APP_VERSION} is ready:", *(f"  {place}" for place in places)]
    code = app.state.claim_desk.code if "claim_desk" in app.state else None
    if code is not None:
        lines += [
            "This box does not belong to a school yet. To claim it, open",
            f"  {places[-1]}/claim",
            "and type this code:",
            f"  {code[:4]}-{code[4:]}",
        ]
    return lines
