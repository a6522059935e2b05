"""`python -m bench.sync`: the way to the district, measured by the agent's and the hub's own code.

Results are printed and kept in bench/results/sync.json. As in `make bench`, ratios and
correctness decide the exit status; absolute times do so only with --strict.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

import uvloop

from appliance.clock import system_clock
from appliance.database.agent import AgentDatabase
from bench.classroom import Bench, bench_box
from bench.dataset import write_day
from bench.district import Hub, bench_hub, bytes_per_change, ingest_ratio
from bench.fleet import fleet
from bench.machine import uss_mib
from bench.results import Figure, at_most, is_good, known, line, write_results
from bench.sealing import class_writes, cpu_of_pushing, cpu_of_sealing
from demo.link import Link, Weather
from demo.processes import agent_process
from demo.stage import open_folder
from sync.agent import store

HISTORY: Final = 0.05
ROUNDS: Final = 9
KBPS: Final = 256
DRAINED: Final = 2_000_000
DAY_PUPILS: Final = 50
DAYS: Final = 6  # of fifty pupils: 20,000 changes in the mixture of a school day
DRAIN_S_MAX: Final = 120.0
LOOK_S: Final = 0.1

FOLLOW: Final[LiteralString] = "UPDATE sync_identity SET hub_url = ?1"


def main() -> None:
    """Measure; exit status 1 when a budget that counts is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.sync", description=__doc__)
    parser.add_argument("--strict", action="store_true", help="absolute times count, too")
    told = parser.parse_args()
    began = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(measure())
    path = write_results(figures, now_ms=system_clock(), name="sync.json")
    good = is_good(figures, is_strict=told.strict)
    missed = [figure for figure in figures if not figure.is_met]
    print(
        f"\nbench-sync {'PASS' if good else 'FAIL'}: figures {len(figures)}, missed {len(missed)}"
        f" (counting: ratios and correctness{', times' if told.strict else ''});"
        f" {time.monotonic() - began:.0f} s; {path}"
    )
    sys.exit(0 if good else 1)


async def measure() -> list[Figure]:
    """Run every measurement and print each as it is known."""
    figures: list[Figure] = []
    with open_folder() as folder:
        async for heading, found in measurements(folder):
            print(f"\n{heading}")
            print("\n".join(map(line, found)), flush=True)
            figures += found
    return figures


async def measurements(folder: Path) -> AsyncIterator[tuple[str, Sequence[Figure]]]:
    """Yield headings and figures, from quiet to loud."""
    async with bench_box(folder, history=HISTORY) as bench, bench_hub(bench) as hub:
        await hub.courier.carry()
        yield "Bytes", await bytes_per_change(bench, hub.courier)
        yield "Hub ingest", await ingest_ratio(bench, hub, rounds=ROUNDS)
        yield "CPU of the board", [*cpu_of_sealing(bench), *await cpu_of_pushing(hub.courier)]
        yield "What the class notices", await class_writes(bench)
        await hub.courier.carry()
        yield f"A link of {KBPS} kbit/s", await drain(bench, hub)
        yield "The morning the link comes back", await fleet(hub.port, hub.district)


async def drain(bench: Bench, hub: Hub) -> list[Figure]:
    """Bring some school days over an emulated link by the real agent, and extrapolate.

    The whole of it would take half an hour; bytes and time for each change do not depend on
    how many there are, because a segment holds 5,000 at most.
    """
    for _ in range(DAYS):
        write_day(bench.school, DAY_PUPILS, now_ms=system_clock())
    with closing(AgentDatabase(bench.school.database)) as db:
        me = store.identity(db)
        assert me is not None
        changes = store.backlog(db, me.epoch).waiting
        async with Link(hub.port) as relay:
            await relay.set_weather(Weather(bytes_s=KBPS * 125))
            with db.changing() as tx:
                tx.run(FOLLOW, (f"http://127.0.0.1:{relay.port}",))
            with agent_process(bench.school.data_dir) as agent:
                while not relay.bytes_up:  # noqa: ASYNC110 -- the relay only counts
                    await asyncio.sleep(LOOK_S)
                began = time.monotonic()
                memory = await until_drained(db, lambda: uss_mib(agent))
                took, size = time.monotonic() - began, relay.bytes_up + relay.bytes_down
                line_s = relay.bytes_up / (KBPS * 125)
    share = DRAINED / changes
    return [
        known("changes carried, the mixture of a school day", changes, ""),
        known("bytes both ways for each, everything counted", size / changes, "B"),
        known("time from the first byte", took, "s"),
        known("of which the line was busy", line_s, "s"),
        at_most("2 million changes, extrapolated", took * share / 60, "min", 40),
        known("2 million changes, the line alone, extrapolated", line_s * share / 60, "min"),
        at_most("the agent's memory meanwhile, at most (USS)", memory, "MiB", 60),
    ]


async def until_drained(db: AgentDatabase, memory_mib: Callable[[], float]) -> float:
    """Wait until everything is at the hub; return the most memory seen."""
    me = store.identity(db)
    assert me is not None
    most, deadline = 0.0, time.monotonic() + DRAIN_S_MAX
    while store.backlog(db, me.epoch).waiting:
        assert time.monotonic() < deadline, "the agent does not get on"
        most = max(most, memory_mib())
        await asyncio.sleep(LOOK_S)
    return most


if __name__ == "__main__":
    main()
