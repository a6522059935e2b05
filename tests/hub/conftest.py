"""A real PostgreSQL per run (15 from Debian and 18 from the wheel, where they exist), one
migrated database per server, copied for each test."""

import pathlib
import uuid
from contextlib import ExitStack

import asyncpg
import pytest

from demo.postgres import postgres, wheel_bin_dir
from sync.hub.migrate import migrate

SYSTEM_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
NOW_MS = 1_760_000_000_000


def servers():
    """15 where Debian's package is there, 18 always."""
    found = [("18", None)]
    if (SYSTEM_BIN / "postgres").exists():
        found.append(("15", SYSTEM_BIN))
    return found


@pytest.fixture(scope="session", params=servers(), ids=lambda server: f"postgres-{server[0]}")
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"pg{request.param[0]}")
    with postgres(folder / "data", bin_dir=request.param[1] or wheel_bin_dir(), fsync=False) as up:
        yield up


@pytest.fixture
def anyio_backend():
    return "asyncio"
