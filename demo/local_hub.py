"""`make run-hub`: the hub with a PostgreSQL of its own, both in one folder that is kept.

With DARASA_HUB_DSN set, that server is used and none is started.
"""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from demo.postgres import postgres
from sync.hub.launcher import PostgresUnavailable

# setpriv: the hub ends with us, however we are ended.
HUB: Final = ("setpriv", "--pdeathsig=TERM", sys.executable, "-m", "sync.hub")


def main() -> int:
    """Migrate, then serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo.local_hub", description=__doc__)
    parser.add_argument("folder", type=Path, help="keeps the database and the hub's key")
    folder: Path = parser.parse_args().folder.resolve()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _database(folder) as dsn:
            return _run_hub(folder, dsn)
    except PostgresUnavailable as error:
        print(error, file=sys.stderr)
        return 1


@contextmanager
def _database(folder: Path) -> Iterator[str]:
    given = os.environ.get("DARASA_HUB_DSN", "")
    if given:
        yield given
        return
    with postgres(folder / "postgres") as server:
        yield server.dsn()


def _run_hub(folder: Path, dsn: str) -> int:
    keys = folder / "hub"
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    environment = os.environ | {"DARASA_HUB_DSN": dsn, "DARASA_HUB_DATA": str(keys)}
    migrated = subprocess.run([*HUB, "migrate"], env=environment, check=False)  # noqa: S603 -- ours
    if migrated.returncode != 0:
        return migrated.returncode
    with subprocess.Popen([*HUB, "serve"], env=environment) as serving:  # noqa: S603 -- ours
        with suppress(KeyboardInterrupt):
            serving.wait()
        serving.terminate()
        return serving.wait()


if __name__ == "__main__":
    sys.exit(main())
