"""Starting the real programs as real processes, and never leaving one behind.

A process that dies before it answers is an error with the end of its log in the
message; nobody should have to look for a log file in a temporary directory.
"""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from demo.phone import Phone, Unreachable

PYTHON: Final = sys.executable
READY_S_MAX: Final = 30.0  # a cold start on two busy cores takes 3 s; 30 s means it hangs
POLL_S: Final = 0.02  # small against the 1 s a start takes, so the figures stay honest
STOP_S_MAX: Final = 10.0
LOG_TAIL_BYTES: Final = 4_000
PR_SET_PDEATHSIG: Final = 1  # prctl(2)
HTTP_OK: Final = 200

_libc: Final = ctypes.CDLL(None)


class ProcessDied(Exception):
    """A program ended, or never answered; the message ends with its own last words."""


class Process:
    """One of our programs, running. Its words go to `log`; it dies with us, however we die."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path
    ) -> None:
        self.name: Final = name
        self.log: Final = log
        self._command: Final = list(command)
        self._env: Final = {**os.environ, "PYTHONUNBUFFERED": "1", **env}
        self._child: subprocess.Popen[bytes] | None = None
        self.started_at: float = 0.0

    def start(self) -> Self:
        """Start it, or start it again after `stop` or `kill`. Its log is continued."""
        assert not self.is_running, self.name
        with self.log.open("ab") as log:
            self.started_at = time.monotonic()
            self._child = subprocess.Popen(  # noqa: S603 -- our own programs, no shell
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is for us; we stop our children in order
                preexec_fn=_die_with_parent,  # noqa: PLW1509 -- one system call, no locks
            )
        return self

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None, self.name
        return self._child.pid

    def stop(self) -> None:
        """Ask it to end; insist after STOP_S_MAX."""
        self._signal(signal.SIGTERM)
        self._reap()

    def kill(self) -> None:
        """End it as a pulled plug would: no warning, no clean-up."""
        self._signal(signal.SIGKILL)
        self._reap()

    def tail(self) -> str:
        """Return the end of what it said."""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")

    def __enter__(self) -> Self:
        return self if self.is_running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            os.killpg(self.pid, number)

    def _reap(self) -> None:
        if self._child is None:
            return
        try:
            self._child.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()


async def until_healthy(process: Process, port: int) -> float:
    """Wait for the first good answer of /health; return the seconds since the start."""
    deadline = process.started_at + READY_S_MAX
    while process.is_running and time.monotonic() < deadline:
        if await _is_healthy(port):
            return time.monotonic() - process.started_at
        await asyncio.sleep(POLL_S)
    raise ProcessDied(f"{process.name} does not answer on port {port}:\n{process.tail()}")


async def _is_healthy(port: int) -> bool:
    try:
        async with Phone(port) as phone:
            return (await phone.send("GET", "/health")).status == HTTP_OK
    except Unreachable:
        return False


def free_port() -> int:
    """Ask the system for a port nobody uses.

    A program restarted on the same port is what the drills need, hence not port 0.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
        return number


def box_process(
    data_dir: Path,
    port: int,
    *,
    host_name: str = "darasa-demo",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Process:
    """Describe `darasa-box serve`; not started yet."""
    env = {
        "DARASA_DATA_DIR": str(data_dir),
        "DARASA_HOST": "127.0.0.1",
        "DARASA_PORT": str(port),
        "DARASA_HOST_NAME": host_name,
        **settings,
    }
    log = _log(data_dir, "box.log")
    return Process(f"box {data_dir.name}", [PYTHON, "-m", "appliance", "serve"], env=env, log=log)


def agent_process(data_dir: Path) -> Process:
    """Describe `darasa-agent run` on the same data; not started yet."""
    env = {"DARASA_DATA_DIR": str(data_dir)}
    log = _log(data_dir, "agent.log")
    return Process(f"agent {data_dir.name}", [PYTHON, "-m", "sync.agent", "run"], env=env, log=log)


def hub_process(data_dir: Path, port: int, dsn: str) -> Process:
    """Describe `darasa-hub serve` on a database that is brought to this release first."""
    env = {
        "DARASA_HUB_DSN": dsn,
        "DARASA_HUB_DATA": str(data_dir),
        "DARASA_HUB_HOST": "127.0.0.1",
        "DARASA_HUB_PORT": str(port),
    }
    log = _log(data_dir, "hub.log")
    command = [PYTHON, "-m", "sync.hub"]
    with log.open("ab") as output:
        subprocess.run(  # noqa: S603 -- our own program, no shell
            [*command, "migrate"],
            env={**os.environ, **env},
            stdout=output,
            stderr=output,
            check=True,
        )
    return Process("hub", [*command, "serve"], env=env, log=log)


def _log(data_dir: Path, name: str) -> Path:
    data_dir.mkdir(parents=True, exist_ok=True)
    return data_dir.parent / f"{data_dir.name}-{name}"


def _die_with_parent() -> None:
    """Have the kernel end this child when its parent is gone, even by SIGKILL."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
