"""The hub's database is put back to a backup while schools go on sending.

    python -m tests.drills.hub_rollback [WRITES] [SEED]

Real processes: PostgreSQL, the hub, the agents of two schools. A base backup is taken, the
schools send on and hold receipts for it, the cluster is replaced by the backup. Once with the
runbook's `darasa-hub restored`, once as if nobody had read it: then the hub must notice by
itself, from the receipts it signed and no longer remembers.
"""

import asyncio
import sys
from random import Random
from typing import Final

from msgspec import Struct

from tests.drills.board import Board, wait_quiet
from tests.drills.district import SETTLE_S_MAX, Hub, open_district, settled
from tests.drills.lineage import Found, Lineage

WRITES: Final = 150
SEED: Final = 1
INCARNATION: Final = "SELECT incarnation FROM hub_identity"


class Outcome(Struct, frozen=True):
    """What one roll-back ended in."""

    found: Found
    committed: int
    forgotten: int  # rows the hub had acknowledged and then no longer had
    has_new_incarnation: bool

    @property
    def is_good(self) -> bool:
        """Everything is back, and the hub has said that it was away."""
        return self.found.is_good and self.has_new_incarnation and self.forgotten > 0


async def drill(writes: int, seed: int, *, by_the_runbook: bool, schools: int = 2) -> Outcome:
    """Play one accident."""
    dice = Random(seed)
    async with open_district() as hub:
        boards = [await new_school(hub, number, dice, writes) for number in range(schools)]
        return await roll_back(hub, boards, dice, writes, by_the_runbook=by_the_runbook)


async def new_school(hub: Hub, number: int, dice: Random, writes: int) -> Board:
    """A school with work in it that has joined."""
    board = Board(hub.folder / f"school-{number}", Lineage())
    board.make_school()
    board.work(dice, writes)
    await hub.join(board)
    return board


async def roll_back(
    hub: Hub, boards: list[Board], dice: Random, writes: int, *, by_the_runbook: bool
) -> Outcome:
    """Back up, work, put back, work, and look."""
    before = await hub.ask(INCARNATION)
    backup = hub.folder / "backup"
    await asyncio.to_thread(hub.copy_cluster, backup)
    for board in boards:
        board.work(dice, writes)
    await asyncio.to_thread(wait_quiet, boards, within_s=SETTLE_S_MAX)
    known = await segments(hub)
    for board in boards:
        board.work(dice, writes // 2)  # on its way when the hub goes down
    hub.stop()
    hub.put_back(backup)
    hub.start_database()
    forgotten = known - await segments(hub)
    if by_the_runbook:
        hub.command("restored")
    await hub.serve()
    for board in boards:
        board.work(dice, writes // 2)
    found = await settled(hub, boards)
    committed = sum(board.book.committed for board in boards)
    return Outcome(found, committed, forgotten, before != await hub.ask(INCARNATION))


async def segments(hub: Hub) -> int:
    """How many segments the hub remembers."""
    count: int = await hub.ask("SELECT count(*) FROM sync_inbox")
    return count


def main() -> int:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else WRITES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    results = []
    for by_the_runbook, how in ((True, "by the runbook"), (False, "without the runbook")):
        result = asyncio.run(drill(writes, seed, by_the_runbook=by_the_runbook))
        more = f"{how}: {result.forgotten} acknowledged segments forgotten and sent again"
        if not result.has_new_incarnation:
            more += ", THE HUB DID NOT NOTICE"
        told = result.found.verdict("hub-rollback", result.committed, more, is_good=result.is_good)
        print(told, flush=True)  # noqa: T201 -- the verdict is the whole purpose
        results.append(result.is_good)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
