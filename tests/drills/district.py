"""The district of a drill: a PostgreSQL that can be put back, and the hub as a process."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import asyncpg
from msgspec import Struct

from demo.district import District, NewToken, claim_hub
from demo.phone import Phone
from demo.postgres import SETTINGS, postgres
from demo.processes import PYTHON, Process, free_port, until_healthy
from demo.school import sign_in_staff
from demo.stage import open_folder
from sync.hub.launcher import PostgresServer, give_to_server_user, run_program, running
from tests.drills.board import Board, wait_quiet
from tests.drills.lineage import Found, judge

SETTLE_S_MAX: Final = 20.0  # one conversation of an agent, its start included, takes one
SETTLE_ROUNDS: Final = 4
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Listed(Struct, frozen=True):
    """What the district's list says of one school; the rest is left unread."""

    has_two_live_epochs: bool


class Hub:
    """PostgreSQL and `darasa-hub serve` on it; both may be stopped and put back."""

    def __init__(self, folder: Path, *, env: Mapping[str, str] = NOTHING) -> None:
        self.folder: Final = folder
        self.cluster: Final = folder / "postgres"
        self.data: Final = folder / "hub"
        self.port: Final = free_port()
        self.env: Final = dict(env)
        self.server: PostgresServer | None = None
        self.dsn_of_hub = ""  # where it is not simply the one server
        self._servers: Final = ExitStack()
        self._process: Process | None = None
        self.district: District | None = None

    def start_database(self) -> None:
        """Run PostgreSQL on the cluster as it lies there."""
        self.server = self._servers.enter_context(postgres(self.cluster))

    @property
    def dsn(self) -> str:
        """The database, as its superuser."""
        assert self.server is not None
        return self.server.dsn()

    def command(self, *words: str) -> str:
        """Run one command of `darasa-hub`."""
        ran = subprocess.run(
            [PYTHON, "-m", "sync.hub", *words],
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"darasa-hub {words[0]}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    async def serve(self) -> None:
        """Start the hub and wait until it answers."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        log = self.folder / "hub.log"
        command = [PYTHON, "-m", "sync.hub", "serve"]
        self._process = Process("hub", command, env=self._environment(), log=log).start()
        await until_healthy(self._process, self.port)

    def stop_serving(self) -> None:
        """Stop the hub; the database stays up."""
        if self._process is not None:
            self._process.stop()

    def stop(self) -> None:
        """Stop the hub and every PostgreSQL."""
        self.stop_serving()
        self._servers.close()

    def copy_cluster(self, there: Path, *words: str) -> None:
        """Take a base backup while the hub goes on serving."""
        assert self.server is not None
        there.mkdir(mode=0o700)
        give_to_server_user(there)
        backup = [str(self.server.bin_dir / "pg_basebackup"), "-d", self.dsn, "-D", str(there)]
        run_program([*backup, "-c", "fast", *words], failed="pg_basebackup")

    def put_back(self, copy: Path) -> None:
        """Put a copied cluster where the present one lies; both must be stopped."""
        shutil.rmtree(self.cluster)
        copy.rename(self.cluster)

    def start_standby(self, copy: Path) -> PostgresServer:
        """Run PostgreSQL on a copy that follows the first."""
        assert self.server is not None
        return self._servers.enter_context(running(copy, self.server.bin_dir, SETTINGS))

    async def token(self, mode: str, **wish: Any) -> str:
        """Make a one-time token at the hub, as its administrator."""
        assert self.district is not None
        async with Phone(self.port) as office:
            await sign_in_staff(office, self.district.admin)
            made = {"mode": mode, "hours": 24, **wish}
            return (await office.post("/api/v1/enrolment-tokens", made, NewToken)).token

    async def has_two_boards(self) -> bool:
        """Whether the district's list says so, as its administrator reads it."""
        assert self.district is not None
        async with Phone(self.port) as office:
            await sign_in_staff(office, self.district.admin)
            return any(
                school.has_two_live_epochs
                for school in await office.get("/api/v1/schools", list[Listed])
            )

    async def join(self, board: Board) -> None:
        """Let a board in by the real command."""
        board.command("enrol", self.url, await self.token("adopt"))

    @property
    def url(self) -> str:
        """Where boards find it."""
        return f"http://127.0.0.1:{self.port}"

    async def ask(self, sql: str, *args: Any) -> Any:
        """One value from the database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetchval(sql, *args)
        finally:
            await connection.close()

    def _environment(self) -> dict[str, str]:
        return {
            "DARASA_HUB_DSN": self.dsn_of_hub or self.dsn,
            "DARASA_HUB_DATA": str(self.data),
            "DARASA_HUB_HOST": "127.0.0.1",
            "DARASA_HUB_PORT": str(self.port),
            **self.env,
        }


@asynccontextmanager
async def open_district(*, env: Mapping[str, str] = NOTHING) -> AsyncIterator[Hub]:
    """A claimed hub in a temporary folder; everything is stopped and removed afterwards."""
    with open_folder() as folder:
        hub = Hub(folder, env=env)
        hub.start_database()
        try:
            hub.command("migrate")
            await hub.serve()
            hub.district = await claim_hub(hub.port, hub.data)
            yield hub
        finally:
            hub.stop()


async def settled(hub: Hub, boards: Sequence[Board]) -> Found:
    """Let every board say all it has until both sides are alike; then judge."""
    for _ in range(SETTLE_ROUNDS):
        is_quiet = await asyncio.to_thread(wait_quiet, boards, within_s=SETTLE_S_MAX)
        found = await judge_all(hub, boards)
        if is_quiet and found.is_good:
            break
    for board in boards:
        board.agent.stop()
    return found


async def judge_all(hub: Hub, boards: Sequence[Board]) -> Found:
    """Judge every school; a board's school is known by its lineage."""
    total = Found()
    connection = await asyncpg.connect(hub.dsn)
    try:
        for book in {id(board.book): board.book for board in boards}.values():
            cards = [board for board in boards if board.book is book]
            assert cards[0].school is not None
            paths = [board.database for board in cards]
            total.add(await judge(book, connection, cards[0].school.school_id, paths))
    finally:
        await connection.close()
    return total
