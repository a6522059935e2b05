"""A PostgreSQL server on a directory of our own, for as long as one block of code runs.

PostgreSQL refuses to run as root, so as root it is started as `nobody`, on a directory given to
that user; otherwise as whoever we are.

It listens on a socket in a directory that only its user and root can enter: no port to collide on
and no password to keep. Nothing is left running: the kernel stops the server when the thread that
started it ends (PR_SET_PDEATHSIG, by way of util-linux's setpriv), however that thread ended.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Final
from urllib.parse import quote, urlencode

SUPERUSER: Final = "postgres"
UNPRIVILEGED: Final = "nobody"
START_S_MAX: Final = 30.0  # 0.3 s alone; a loaded machine of two cores has taken 6 s
START_STEP_S: Final = 0.02
STOP_S_MAX: Final = 10.0  # a fast shutdown writes one checkpoint
STATUS_LINE: Final = 7  # of postmaster.pid, where it says "ready"; pg_ctl --wait reads it too
LOG_CHARS: Final = 2_000
PORT: Final = 5432  # only part of the socket's name; said aloud so that PGPORT does not matter

ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


class PostgresUnavailable(RuntimeError):
    """The server could not be made or started; the text says what to do."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server: where it listens, and the programs of its release (pg_dump, psql, …)."""

    socket_dir: Path
    bin_dir: Path
    pid: int

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Return what asyncpg and libpq connect to."""
        options = urlencode({"host": str(self.socket_dir), "port": PORT})
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{options}"


@contextmanager
def running(data_dir: Path, bin_dir: Path, settings: Mapping[str, str]) -> Iterator[PostgresServer]:
    """Run a server on an initialised `data_dir`, which is kept afterwards.

    Call it on a thread that outlives the block: the server ends with its thread. Raises
    PostgresUnavailable when the server cannot be started, with the end of its log.
    """
    with ExitStack() as stack:
        socket_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="darasa-pg-")))
        give_to_server_user(socket_dir)
        own = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": str(socket_dir),
        }
        process = _start(data_dir, bin_dir, {**settings, **own})
        stack.callback(_stop, process)
        _wait_until_ready(process, data_dir)
        yield PostgresServer(socket_dir=socket_dir, bin_dir=bin_dir, pid=process.pid)


def run_program(command: Sequence[str | Path], *, failed: str) -> None:
    """Run one of PostgreSQL's programs as the server's user. Raises PostgresUnavailable."""
    made = subprocess.run(  # noqa: S603 -- our own programs and options
        [*as_server_user(), *command], capture_output=True, env=ENVIRONMENT, cwd="/", check=False
    )
    if made.returncode != 0:
        raise PostgresUnavailable(f"{failed}: {made.stderr.decode(errors='replace')[-LOG_CHARS:]}")


def _start(data_dir: Path, programs: Path, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    options = [f"--{name}={value}" for name, value in settings.items()]
    with (data_dir / "server.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 -- our own programs and options
            [*as_server_user(), programs / "postgres", "-D", data_dir, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            cwd=data_dir,
            start_new_session=True,  # Ctrl-C is for us; we stop the server when we are done
        )


def _wait_until_ready(process: subprocess.Popen[bytes], data_dir: Path) -> None:
    deadline = monotonic() + START_S_MAX
    while not _says_ready(process.pid, data_dir):
        if process.poll() is not None or monotonic() > deadline:
            log = (data_dir / "server.log").read_text(errors="replace")[-LOG_CHARS:]
            raise PostgresUnavailable(f"the server on {data_dir} did not start:\n{log}")
        sleep(START_STEP_S)


def _says_ready(pid: int, data_dir: Path) -> bool:
    """Tell whether this very process is up; the file of one that was killed names another pid."""
    try:
        lines = (data_dir / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE][:5] == "ready"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the server: sessions are cut, what was committed is checkpointed."""
    for wish in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, by force
        process.send_signal(wish)
        try:
            process.wait(timeout=STOP_S_MAX)
        except subprocess.TimeoutExpired:
            continue
        return


def as_server_user() -> list[str]:
    """Return the words before a command that bind it to our life and, as root, give up root."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PostgresUnavailable("setpriv is missing: install util-linux")
    if os.geteuid() != 0:
        return [setpriv, "--pdeathsig=INT"]
    user = pwd.getpwnam(UNPRIVILEGED)
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [setpriv, "--pdeathsig=INT", *ids]


def give_to_server_user(directory: Path) -> None:
    """Let the server's user own it. Raises PostgresUnavailable where that user cannot go."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(UNPRIVILEGED)
    os.chown(directory, user.pw_uid, user.pw_gid)
    if not may_enter(directory):
        raise PostgresUnavailable(
            f"PostgreSQL runs as {UNPRIVILEGED}, who cannot enter {directory}: choose a directory "
            "whose parents everybody may enter, for instance below /tmp"
        )


def may_enter(directory: Path) -> bool:
    """Ask the kernel rather than read permission bits: access lists and mounts count too."""
    if os.geteuid() != 0:
        return os.access(directory, os.X_OK)
    test = [*as_server_user(), "test", "-x", str(directory)]
    return subprocess.run(test, env=ENVIRONMENT, cwd="/", check=False).returncode == 0  # noqa: S603
