"""A board is lost; a new one becomes the same school with one command. Then the old one is found.

    python -m tests.drills.box_replace [WRITES] [SEED]

The new board runs the real box. It refuses pupils until everything has come and somebody has
taken over; then a pupil signs in with a new PIN. The old board, switched on again, is told
that it was replaced, and what it had not sent arrives all the same.
"""

import asyncio
import sys
from contextlib import closing
from random import Random
from typing import Final

from msgspec import Struct

from appliance.accounts.models import ClaimProgress, NewPin
from appliance.database.agent import AgentDatabase
from demo.phone import Phone
from demo.processes import box_process, free_port, until_healthy
from demo.school import new_staff, sign_in_staff
from tests.drills.board import Board
from tests.drills.district import Hub, open_district, settled
from tests.drills.hub_rollback import new_school
from tests.drills.lineage import Found

WRITES: Final = 150
SEED: Final = 1
SERVED: Final = 201
NODE_STATE: Final = "SELECT node_state FROM sync_identity"


class Outcome(Struct, frozen=True):
    """What became of the school and of both boards."""

    found: Found
    committed: int
    refused_before: bool
    is_served: bool
    said: str
    old_is_told: bool

    @property
    def is_good(self) -> bool:
        """The school is whole on the new board, and the old one knows."""
        return self.found.is_good and self.refused_before and self.is_served and self.old_is_told


async def drill(writes: int, seed: int) -> Outcome:
    """Lose a board with unsent work on it, replace it, and find it again."""
    dice = Random(seed)
    async with open_district() as hub:
        old = await new_school(hub, 1, dice, writes)
        old.work(dice, writes)  # nobody has seen this yet
        new, port = Board(hub.folder / "new-board", old.book), free_port()
        new.take_school(old)
        with box_process(new.data_dir, port, host_name="darasa-drill") as box:
            await until_healthy(box, port)
            refused_before = not await signs_in(port, new, pin="123456")
            said = await become(hub, new)
            is_served = await signs_in(port, new, pin=await take_over(port, new))
            new.work(dice, writes)
            old.agent.start()  # it was behind the cupboard
            found = await settled(hub, [new, old])
        return Outcome(
            found, old.book.committed, refused_before, is_served, said, state_of(old) == "replaced"
        )


async def become(hub: Hub, board: Board) -> str:
    """One token at the district, one command at the board; return what the command said."""
    assert board.school is not None
    token = await hub.token("replace", school_id=str(board.school.school_id))
    return await asyncio.to_thread(board.command, "enrol", hub.url, token)


async def take_over(port: int, board: Board) -> str:
    """The administrator chooses a password and gives the first pupil a new PIN."""
    keeper = new_staff("Grace Wambui", "grace")
    async with Phone(port) as phone:
        progress = await phone.get("/api/v1/claim", ClaimProgress)
        body = {
            "code": (board.data_dir / "claim-code").read_text().strip(),
            "person_id": progress.admins[0].id,
            "sign_in_name": keeper.sign_in_name,
            "password": keeper.password,
        }
        (await phone.send_patiently("POST", "/api/v1/claim/take-over", body)).must()
        await sign_in_staff(phone, keeper)
        assert board.school is not None
        pupil = board.school.pupils[0].person_id
        return (await phone.post(f"/api/v1/people/{pupil}/pin", None, NewPin)).pin


async def signs_in(port: int, board: Board, *, pin: str) -> bool:
    """Whether a pupil gets in with a PIN."""
    assert board.school is not None
    body = {"person_id": board.school.pupils[0].person_id, "pin": pin}
    async with Phone(port) as phone:
        return (await phone.send_patiently("POST", "/api/v1/sessions", body)).status == SERVED


def state_of(board: Board) -> object:
    """What the district last told a board about itself."""
    with closing(AgentDatabase(board.database)) as db:
        return db.value(NODE_STATE)


def main() -> int:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else WRITES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = asyncio.run(drill(writes, seed))
    more = "a pupil signs in on the new board" if result.is_served else "NO PUPIL GETS IN"
    if not result.refused_before:
        more += ", PUPILS WERE LET IN TOO EARLY"
    if not result.old_is_told:
        more += ", THE OLD BOARD WAS NOT TOLD"
    print(result.said.strip(), file=sys.stderr)  # noqa: T201 -- what the keeper saw
    told = result.found.verdict("box-replace", result.committed, more, is_good=result.is_good)
    print(told, flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
