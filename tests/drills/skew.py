"""Boxes and hubs of different releases: the real code of 0.1.0 against this one, both ways.

    python -m tests.drills.skew [WRITES] [SEED]

"Old" is no imitation: the last commit before 0.2.0's first migration is unpacked from the
repository's history, and its agent and hub run as processes, on databases its own migrations
made. First an old box and today's hub; then the box is updated. Then today's box, with rows
of tables that 0.1.0 has never heard of, and an old hub; then the hub is updated.
"""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from demo.processes import PYTHON
from sync.agent.keys import make_node_key
from tests.drills.board import PUPILS, Board, wait_quiet
from tests.drills.district import SETTLE_S_MAX, Hub, open_district, settled
from tests.drills.hub_rollback import new_school
from tests.drills.lineage import Found, Lineage
from tests.drills.small_school import SmallSchool
from tests.sources import ROOT

WRITES: Final = 100
SEED: Final = 1
FIRST_OF_LATER: Final = "migrations/edge/0004_orders.sql"
MAKE_SCHOOL: Final = """
import sys, msgspec
from pathlib import Path
from tests.drills.small_school import make_small_school
school = make_small_school(Path(sys.argv[1]), int(sys.argv[2]))
sys.stdout.buffer.write(msgspec.json.encode(school))
"""
PARKED: Final = """
SELECT count(*) FROM sync_quarantine WHERE reason = 'unknown-table' AND resolved_at_ms IS NULL
"""
MIGRATION: Final = "SELECT max(number) FROM schema_migration"


class NoHistory(Exception):
    """The repository does not hold the old release, as in a shallow clone."""


class Outcome(Struct, frozen=True):
    """What one pairing ended in."""

    found: Found
    committed: int
    more: str
    is_real: bool  # the old side was old, and what it could not take waited

    @property
    def is_good(self) -> bool:
        """Nothing lost on either side of the update."""
        return self.found.is_good and self.is_real


@contextmanager
def old_release() -> Iterator[dict[str, str]]:
    """Unpack 0.1.0; yield the environment in which its programs are started."""
    with tempfile.TemporaryDirectory(prefix="darasa-0.1.0-") as folder:
        Path(folder).chmod(0o755)
        archive = _git("archive", f"{_first_commit()}^")
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield {"PYTHONPATH": folder, "PYTHONSAFEPATH": "1"}


def _first_commit() -> str:
    found = _git("log", "--diff-filter=A", "--format=%H", "--", FIRST_OF_LATER).decode().split()
    if not found:
        raise NoHistory("the history of 0.1.0 is not in this clone")
    return found[-1]


def _git(*words: str) -> bytes:
    ran = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False)
    if ran.returncode != 0:
        raise NoHistory(ran.stderr.decode(errors="replace"))
    return ran.stdout


def old_school(board: Board, old: dict[str, str]) -> None:
    """Have 0.1.0's own code make the school."""
    make_node_key(board.data_dir / "keys")
    command = [PYTHON, "-c", MAKE_SCHOOL, str(board.database), str(PUPILS)]
    made = subprocess.run(command, env=old, capture_output=True, check=True)
    board.school = msgspec.json.decode(made.stdout, type=SmallSchool)
    board.note_school()


async def old_box(writes: int, seed: int, old: dict[str, str]) -> Outcome:
    """An old box sends to today's hub, is updated, and goes on."""
    dice = Random(seed)
    async with open_district() as hub:
        before = Board(hub.folder / "school", Lineage(), env=old)
        old_school(before, old)
        before.work(dice, writes)
        await hub.join(before)
        version = await hub.ask("SELECT max(schema_version) FROM node")
        before.work(dice, writes)
        await asyncio.to_thread(wait_quiet, [before], within_s=SETTLE_S_MAX)
        while_old = await settled(hub, [before])
        today = updated(before)
        today.work(dice, writes)
        today.propose(3)
        found = await settled(hub, [today])
        found.add(while_old)
        more = f"box of 0.1.0 (schema {version}) and today's hub, then the box updated"
        return Outcome(found, today.book.committed, more, is_real=version == 3)


def updated(board: Board) -> Board:
    """The same card after an update of the software."""
    today = Board(board.data_dir, board.book)
    today.school = board.school
    ran = [PYTHON, "-m", "appliance", "migrate"]
    subprocess.run(
        ran, env={"DARASA_DATA_DIR": str(board.data_dir)}, capture_output=True, check=True
    )
    return today


async def old_hub(writes: int, seed: int, old: dict[str, str]) -> Outcome:
    """Today's box sends to an old hub, the hub is updated, and what waited finds its place."""
    dice = Random(seed)
    async with open_district(env=old) as hub:
        board = await new_school(hub, 1, dice, writes)
        migration = await hub.ask(MIGRATION)
        board.propose(5)
        board.work(dice, writes)
        await asyncio.to_thread(wait_quiet, [board], within_s=SETTLE_S_MAX)
        board.agent.stop()
        parked = await hub.ask(PARKED)
        await update(hub)
        board.work(dice, writes)
        found = await settled(hub, [board])
        left = await hub.ask(PARKED)
        more = (
            f"today's box and a hub of 0.1.0 (migration {migration}), then the hub updated: "
            f"{parked} rows of unknown tables parked, {left} left"
        )
        is_real = migration == 1 and parked >= 5 and left == 0
        return Outcome(found, board.book.committed, more, is_real)


async def update(hub: Hub) -> None:
    """Install today's release on the hub."""
    hub.stop_serving()
    hub.env.clear()
    hub.command("migrate")
    await hub.serve()


def main() -> int:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else WRITES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    results = []
    try:
        with old_release() as old:
            for play in (old_box, old_hub):
                result = asyncio.run(play(writes, seed, old))
                told = result.found.verdict(
                    "skew", result.committed, result.more, is_good=result.is_good
                )
                print(told, flush=True)  # noqa: T201 -- the verdict is the whole purpose
                results.append(result.is_good)
    except NoHistory as error:
        print(f"skew FAIL: {error}")  # noqa: T201 -- as above
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
