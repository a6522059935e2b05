"""`python -m demo`: a district from nothing, a school day with the link cut in the middle.

Prints where to look, then compares every synced table of every box with the hub's copy.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Final

import asyncpg

from appliance.district.models import SyncStatus
from demo.compare import Verdict, compare
from demo.day import (
    HUMAN,
    HURRIED,
    Classroom,
    afternoon,
    fill_classroom,
    hang_up,
    middle,
    morning,
)
from demo.material import find_material
from demo.people import Pace
from demo.phone import Unexpected, Unreachable
from demo.processes import ProcessDied
from demo.stage import Stage, district_stage
from demo.tables import comparison, places, verdict_line

PUPILS: Final = 40
SCHOOLS: Final = 2
DRAIN_S_MAX: Final = 90.0  # the agent's wait after a long cut, and what it has to carry
LOOK_S: Final = 0.5
NOTICE_S_MAX: Final = 60.0  # the agent looks every second and lets a burst settle for two
SEED: Final = 1


def main() -> None:
    """Play the demo; exit status 1 means that something was lost or differs."""
    told = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as well as Ctrl-C
    try:
        is_good = asyncio.run(play(told))
    except KeyboardInterrupt:
        say("stopped; no process is left behind")
        sys.exit(0)
    except (ProcessDied, Unexpected, Unreachable, TimeoutError) as error:
        traceback.print_exception(error)
        sys.exit(f"demo FAIL: the day was broken off: {error}")
    sys.exit(0 if is_good else 1)


async def play(told: argparse.Namespace) -> bool:
    """Set the stage, play the day, compare. Without --check, stay up until Ctrl-C."""
    began = time.monotonic()
    materials = find_material(os.environ, pupils=told.pupils)[: told.schools]
    say(f"material: {materials[0].source}")
    async with district_stage(materials, say) as stage:
        rooms = [fill_classroom(school, seed=SEED) for school in stage.schools]
        await play_day(stage, rooms, HURRIED if told.hurried else HUMAN)
        verdicts = await drained(stage, rooms)
        show(stage, rooms, verdicts, seconds=time.monotonic() - began)
        if not told.check:
            print(places(stage), flush=True)
            await asyncio.Event().wait()
    return all(verdict.is_equal for verdict in verdicts)


async def play_day(stage: Stage, rooms: Sequence[Classroom], pace: Pace) -> None:
    """Morning, cut, middle, mend, afternoon."""
    say("morning: everybody signs in and reads")
    await morning(rooms, pace)
    await stage.cut()
    say("the link is cut; the lesson goes on: reading, drafts, hand-ins, marks")
    await middle(rooms, pace)
    handed_in = sum(len(room.book.hand_ins) for room in rooms)
    known = sum(verdict.custody.at_hub for verdict in await look(stage, rooms))
    say(f"still cut: {handed_in} hand-ins have a receipt, the district knows of {known}")
    await noticed(rooms)
    await stage.mend()
    say("the link is back: second thoughts, and marks for everybody")
    await afternoon(rooms, pace)
    hang_up(rooms)


async def noticed(rooms: Sequence[Classroom]) -> None:
    """Wait until every box knows that the district is out of reach, and says so."""
    async with asyncio.timeout(NOTICE_S_MAX):
        for room in rooms:
            keeper = room.teachers[0].phone
            while (await keeper.get("/api/v1/box/sync", SyncStatus)).error is None:  # noqa: ASYNC110 -- the box has no event to wait for
                await asyncio.sleep(LOOK_S)
    say("every box says on its district page that the link is down")


async def drained(stage: Stage, rooms: Sequence[Classroom]) -> list[Verdict]:
    """Look until box and hub agree, or until they should have."""
    say("school is out; waiting for the agents to bring the rest")
    deadline = time.monotonic() + DRAIN_S_MAX
    while True:
        verdicts = await look(stage, rooms)
        if all(verdict.is_equal for verdict in verdicts) or time.monotonic() > deadline:
            return verdicts
        await asyncio.sleep(LOOK_S)


async def look(stage: Stage, rooms: Sequence[Classroom]) -> list[Verdict]:
    """Compare every school with the hub, as a superuser whom row security hides nothing from."""
    hub = await asyncpg.connect(stage.postgres.dsn())
    try:
        return [
            await compare(room.school.database, hub, room.school.school_id, room.book)
            for room in rooms
        ]
    finally:
        await hub.close()


def show(
    stage: Stage, rooms: Sequence[Classroom], verdicts: Sequence[Verdict], *, seconds: float
) -> None:
    """Print the tables and the one line that counts."""
    for room, link, verdict in zip(rooms, stage.links, verdicts, strict=True):
        print(comparison(room.school, verdict, bytes_up=link.bytes_up, bytes_down=link.bytes_down))
    print(verdict_line(verdicts, seconds=seconds), flush=True)


def say(words: str) -> None:
    """One line of progress."""
    print(f"· {words}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit by itself; 1 on any difference")
    parser.add_argument("--pupils", type=int, default=PUPILS, help="in each school")
    parser.add_argument("--hurried", action="store_true", help="nobody stops to think")
    parser.add_argument("--schools", type=int, choices=(1, 2), default=SCHOOLS)
    return parser


if __name__ == "__main__":
    main()
