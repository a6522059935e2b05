"""One card image in two boards: both classes work on for weeks, then one becomes its own.

    python -m tests.drills.clone [WRITES] [SEED]

Both agents speak as one node until the district's administrator makes a token for a second
board, and one of the two takes it with `darasa-agent new-identity`. Everything both classes
wrote must be at the hub and on both boards; where they changed one and the same class, one
value is current and the other is kept beside it.
"""

import asyncio
import sys
from random import Random
from typing import Final

from msgspec import Struct

from tests.drills.board import Board, wait_quiet
from tests.drills.district import SETTLE_S_MAX, Hub, open_district, settled
from tests.drills.hub_rollback import new_school
from tests.drills.lineage import Found

WRITES: Final = 120
WEEKS: Final = 3
SEED: Final = 1
NODES: Final = "SELECT count(*) FROM node WHERE school_id = $1 AND state = 'active'"


class Outcome(Struct, frozen=True):
    """What became of the two boards."""

    found: Found
    committed: int
    was_noticed: bool  # the district's list said "Two boards"
    is_settled: bool  # and no longer says it
    nodes: int

    @property
    def is_good(self) -> bool:
        """Both kept their work, and the district could tell them apart in the end."""
        parted = self.was_noticed and self.is_settled and self.nodes == 2
        return self.found.is_good and parted


async def drill(writes: int, seed: int, *, weeks: int = WEEKS) -> Outcome:
    """Copy the card, let both work, give one an identity of its own, let both work on."""
    dice = Random(seed)
    async with open_district() as hub:
        first = await new_school(hub, 1, dice, writes)
        second = first.clone(hub.folder / "copied-card")
        for _ in range(weeks):
            await a_week([first, second], dice, writes)
        was_noticed = await hub.has_two_boards()
        await part(hub, second)
        await a_week([first, second], dice, writes)
        found = await settled(hub, [first, second])
        assert first.school is not None
        nodes = await hub.ask(NODES, first.school.school_id)
        is_settled = not await hub.has_two_boards()
        return Outcome(found, first.book.committed, was_noticed, is_settled, nodes)


async def a_week(boards: list[Board], dice: Random, writes: int) -> None:
    """Both classes work without a link; then both send."""
    for board in boards:
        board.agent.stop()
        board.work(dice, writes)
    await asyncio.to_thread(wait_quiet, boards, within_s=SETTLE_S_MAX)


async def part(hub: Hub, board: Board) -> None:
    """One action at the district, one command at the board."""
    assert board.school is not None
    token = await hub.token("adopt", school_id=str(board.school.school_id))
    board.agent.stop()
    board.command("new-identity", token)


def main() -> int:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else WRITES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = asyncio.run(drill(writes, seed))
    more = f"two boards, {result.nodes} nodes in the end"
    if not result.was_noticed:
        more += ", THE DISTRICT WAS NOT TOLD"
    if not result.is_settled:
        more += ", THE LIST STILL SAYS TWO BOARDS"
    told = result.found.verdict("clone", result.committed, more, is_good=result.is_good)
    print(told, flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
