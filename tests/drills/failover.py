"""The district's server dies, and a replica that had not heard everything takes its place.

    python -m tests.drills.failover [WRITES] [SEED]

Real streaming replication: the replica loses its connection while schools go on sending and
holding receipts, the primary is killed, the replica is promoted (a new timeline). The hub is
never restarted: it was given both addresses and finds the one that may be written to.
"""

import asyncio
import os
import signal
import sys
from random import Random
from typing import Final
from urllib.parse import quote

import asyncpg
from msgspec import Struct

from sync.hub.launcher import PORT, PostgresServer
from tests.drills.board import wait_quiet
from tests.drills.district import SETTLE_S_MAX, Hub, open_district, settled
from tests.drills.hub_rollback import INCARNATION, new_school, segments
from tests.drills.lineage import Found

WRITES: Final = 150
SEED: Final = 1
CATCH_UP_S_MAX: Final = 20.0
CUT_OFF: Final = ("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
IS_CUT_OFF: Final = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"
HAS_ALL: Final = """
SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn
"""
TIMELINE: Final = "SELECT timeline_id FROM pg_control_checkpoint()"


class Outcome(Struct, frozen=True):
    """What the failover ended in."""

    found: Found
    committed: int
    forgotten: int
    timeline: int
    has_new_incarnation: bool

    @property
    def is_good(self) -> bool:
        """Everything is there again, and the hub has said that it was away."""
        was_real = self.timeline == 2 and self.forgotten > 0
        return self.found.is_good and self.has_new_incarnation and was_real


async def drill(writes: int, seed: int, *, schools: int = 2) -> Outcome:
    """Play one failover."""
    dice = Random(seed)
    async with open_district() as hub:
        copy = hub.folder / "replica"
        await asyncio.to_thread(hub.copy_cluster, copy, "-R")
        replica = hub.start_standby(copy)
        await name_both(hub, replica)
        boards = [await new_school(hub, number, dice, writes) for number in range(schools)]
        before = await hub.ask(INCARNATION)
        await follow(hub, replica)
        for sql in CUT_OFF:
            await ask(replica, sql)
        await until(replica, IS_CUT_OFF)
        for board in boards:
            board.work(dice, writes)
        await asyncio.to_thread(wait_quiet, boards, within_s=SETTLE_S_MAX)
        known = await segments(hub)
        for board in boards:
            board.work(dice, writes // 2)  # on its way when the server dies
        await fail_over(hub, replica)
        forgotten = known - await segments(hub)
        for board in boards:
            board.work(dice, writes // 2)
        found = await settled(hub, boards)
        committed = sum(board.book.committed for board in boards)
        timeline = await hub.ask(TIMELINE)
        return Outcome(found, committed, forgotten, timeline, before != await hub.ask(INCARNATION))


async def name_both(hub: Hub, replica: PostgresServer) -> None:
    """Give the hub both addresses, once; from then on it is left alone."""
    assert hub.server is not None
    hosts = quote(f"{hub.server.socket_dir},{replica.socket_dir}", safe=",")
    hub.dsn_of_hub = (
        f"postgresql://postgres@/postgres?host={hosts}&port={PORT},{PORT}"
        "&target_session_attrs=read-write"
    )
    hub.stop_serving()
    await hub.serve()


async def follow(hub: Hub, replica: PostgresServer) -> None:
    """Wait until the replica has everything the primary has written."""
    written = await hub.ask("SELECT pg_current_wal_lsn()::text")
    await until(replica, HAS_ALL, written)


async def fail_over(hub: Hub, replica: PostgresServer) -> None:
    """Kill the primary, promote the replica."""
    assert hub.server is not None
    os.kill(hub.server.pid, signal.SIGQUIT)  # immediate: no checkpoint, no farewell
    await ask(replica, "SELECT pg_promote(true, 30)")
    hub.server = replica
    await ask(replica, "CHECKPOINT")  # writes the new timeline where TIMELINE reads it


async def until(server: PostgresServer, sql: str, *args: str) -> None:
    """Ask until the answer is yes."""
    async with asyncio.timeout(CATCH_UP_S_MAX):
        while not await ask(server, sql, *args):  # noqa: ASYNC110 -- PostgreSQL has no event for it
            await asyncio.sleep(0.05)


async def ask(server: PostgresServer, sql: str, *args: str) -> object:
    """One value from a server."""
    connection = await asyncpg.connect(server.dsn())
    try:
        found: object = await connection.fetchval(sql, *args)
        return found
    finally:
        await connection.close()


def main() -> int:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else WRITES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = asyncio.run(drill(writes, seed))
    more = (
        f"timeline {result.timeline}, {result.forgotten} acknowledged segments had not reached"
        " the replica and were sent again"
    )
    if not result.has_new_incarnation:
        more += ", THE HUB DID NOT NOTICE"
    told = result.found.verdict("failover", result.committed, more, is_good=result.is_good)
    print(told, flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
