"""The board burns after a school day; a backup on a stick, the printed code, and the hub remain.

    python -m tests.drills.restore [WRITES] [SEED]

In the night a sealed backup is made by the real command. Then there is a day: some of it reaches
the hub, the last of it does not. A new board gets the stick and the code, `darasa-box restore`, and
its agent speaks with the hub. Everything the hub has acknowledged and everything in the backup
must be there again, nothing twice, and both sides must be alike.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct

from appliance.accounts.keys import NODE_KEY, SchoolKeys, new_recovery_code, write_keys
from demo.processes import PYTHON, box_process, free_port, until_healthy
from tests.drills.board import Board
from tests.drills.corrupt import facts_at
from tests.drills.district import Hub, open_district, settled
from tests.drills.lineage import Found, Lineage

WRITES: Final = 150
SEED: Final = 1


class Outcome(Struct, frozen=True, kw_only=True):
    """What the new board has. `only_there`: committed on the lost card and nowhere else."""

    found: Found
    at_hub: int
    missing: int
    only_there: int
    is_locked: bool
    opens_by_hub: bool
    is_served: bool
    said: str

    @property
    def is_good(self) -> bool:
        """Whole, readable by nobody without the code, and serving."""
        is_opened = self.is_locked and self.opens_by_hub
        return self.found.is_good and not self.missing and is_opened and self.is_served


async def drill(writes: int, seed: int) -> Outcome:
    """Back up, work, lose the board, restore on another."""
    dice = Random(seed)
    async with open_district() as hub:
        lost, code = await school_with_keys(hub, dice, writes)
        stick = hub.folder / "stick"
        stick.mkdir()
        box(lost.data_dir, "backup", str(stick))
        in_backup = set(lost.book.facts) | set(lost.book.writes)
        lost.work(dice, writes)
        await settled(hub, [lost])
        known = in_backup | set(lost.book.facts) | set(lost.book.writes)
        lost.work(dice, writes // 3)  # nobody has seen this, and nobody ever will
        only_there = forget_unseen(lost.book, known)
        at_hub = await facts_at(hub, lost)
        (backup,) = (stick / "darasa-backup").glob("*.backup")
        new = Board(hub.folder / "new-board", lost.book)
        new.school = lost.school
        is_locked = "does not open" in box(new.data_dir, "restore", str(backup), typed="WRONG")
        said = box(new.data_dir, "restore", str(backup), typed=code)
        other = hub.folder / "other-board"
        from_hub = hub.command("backup-code", str(backup)).splitlines()[-1]
        opens = "is in place" in box(other, "restore", str(backup), typed=from_hub)
        port = free_port()
        with box_process(new.data_dir, port, host_name="darasa-restore") as serving:
            await until_healthy(serving, port)
            new.work(dice, writes // 3)
            found = await settled(hub, [new])
        missing = at_hub - await facts_at(hub, new)
        return Outcome(
            found=found,
            at_hub=len(at_hub),
            missing=len(missing),
            only_there=only_there,
            is_locked=is_locked,
            opens_by_hub=opens,
            is_served=True,
            said=said,
        )


async def school_with_keys(hub: Hub, dice: Random, writes: int) -> tuple[Board, str]:
    """A school whose keys are sealed to a printed code, as a claim leaves them."""
    board = Board(hub.folder / "school", Lineage())
    board.make_school()
    code, folder = new_recovery_code(), board.data_dir / "keys"
    node_key = (folder / NODE_KEY).read_bytes()
    write_keys(folder, SchoolKeys(node_key, secrets.token_bytes(32), secrets.token_bytes(32)), code)
    board.work(dice, writes)
    await hub.join(board)
    await settled(hub, [board])
    return board, code


def forget_unseen(book: Lineage, known: set[object]) -> int:
    """Take what only the burnt card held out of the book; return how much that was."""
    before = book.committed
    book.facts = {pk: said for pk, said in book.facts.items() if pk in known}
    book.writes = {name: write for name, write in book.writes.items() if name in known}
    return before - book.committed


def box(data_dir: Path, *words: str, typed: str = "") -> str:
    """Run one command of `darasa-box`, with what somebody types; return what it said."""
    ran = subprocess.run(
        [PYTHON, "-m", "appliance", *words],
        env={**os.environ, "DARASA_DATA_DIR": str(data_dir)},
        input=f"{typed}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


def verdict(result: Outcome) -> str:
    """One line with all figures."""
    more = (
        f"acknowledged at the hub {result.at_hub}, of these missing {result.missing}; "
        f"only on the burnt card {result.only_there}; "
        f"{'locked without the code' if result.is_locked else 'OPEN WITHOUT THE CODE'}, "
        f"{'opened by' if result.opens_by_hub else 'NOT OPENED BY'} the district's code"
    )
    committed = result.at_hub
    return result.found.verdict("restore", committed, more, is_good=result.is_good)


def main() -> int:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else WRITES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = asyncio.run(drill(writes, seed))
    print(result.said.strip(), file=sys.stderr)  # noqa: T201 -- what the keeper saw
    print(verdict(result), flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
