"""`python -m bench`: measure the box and the hub against their budgets.

Results are printed and kept in bench/results/latest.json. Ratios and correctness decide
the exit status; absolute times do so only with --strict, because machines differ.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Sequence
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from appliance.clock import system_clock
from bench.classroom import Bench, bench_box
from bench.closed_loop import closed_loop, overload
from bench.commit import commit_ratio
from bench.district import ROUNDS, bench_hub, district
from bench.human_pace import bell, calm_pace, class_report, stirred_pace
from bench.machine import bytes_and_syncs, first_page, idle_memory
from bench.results import Figure, is_good, line, write_results
from bench.wrk import WrkMissing
from demo.processes import until_healthy
from demo.stage import open_folder


class Effort(Struct, frozen=True):
    """How long each measurement goes on, and how much history there is."""

    load_s: int
    pace_s: float
    commit_s: float
    rounds: int
    history: float


FULL: Final = Effort(load_s=10, pace_s=30, commit_s=4, rounds=ROUNDS, history=1.0)
QUICK: Final = Effort(load_s=3, pace_s=8, commit_s=1.5, rounds=3, history=0.1)


def main() -> None:
    """Measure everything; exit status 1 when a budget that counts is missed."""
    told = _parser().parse_args()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measure(QUICK if told.quick else FULL))
    except WrkMissing as missing:
        sys.exit(str(missing))
    path = write_results(figures, now_ms=system_clock())
    good = is_good(figures, is_strict=told.strict)
    missed = [figure for figure in figures if not figure.is_met]
    print(
        f"\nbench {'PASS' if good else 'FAIL'}: figures {len(figures)}, missed {len(missed)}"
        f" (counting: ratios and correctness{', times' if told.strict else ''}); {path}"
    )
    sys.exit(0 if good else 1)


async def measure(effort: Effort) -> list[Figure]:
    """Run every measurement and print each as it is known."""
    figures: list[Figure] = []
    with open_folder() as folder:
        async for heading, found in measurements(folder, effort):
            print(f"\n{heading}")
            print("\n".join(map(line, found)), flush=True)
            figures += found
    return figures


async def measurements(folder: Path, effort: Effort) -> AsyncIterator[tuple[str, Sequence[Figure]]]:
    """Yield headings and figures, from quiet to loud."""
    async with bench_box(folder, history=effort.history) as bench:
        for heading, work in on_the_box(bench, effort):
            yield heading, await work
        yield "Past the bound", await overloaded(bench, effort)
        async with bench_hub(bench) as hub:
            yield "District", await district(bench, hub, rounds=effort.rounds)
            yield (
                "While backups are taken and the agent syncs",
                await stirred_pace(bench, effort.pace_s),
            )
        bench.box.stop()
        yield (
            "Group commit",
            await commit_ratio(bench.school.database, bench.school.run_id, folder, effort.commit_s),
        )
        yield "Idle", await idle_memory(bench.school.data_dir)


def on_the_box(bench: Bench, effort: Effort) -> list[tuple[str, Awaitable[list[Figure]]]]:
    """Name what is measured on the running box; each is begun when it is awaited."""
    return [
        ("First visit", first_page(bench)),
        ("At the bell", bell(bench)),
        ("Class report", class_report(bench)),
        (
            f"Human pace, two years of history, {effort.pace_s:.0f} s",
            calm_pace(bench, effort.pace_s),
        ),
        (f"Closed loop, {effort.load_s} s each", closed_loop(bench, effort.load_s)),
        ("Bytes and syncs", bytes_and_syncs(bench, effort.load_s)),
    ]


async def overloaded(bench: Bench, effort: Effort) -> list[Figure]:
    """Lend the files to a box with the smallest queue, then take them back."""
    bench.box.stop()
    figures = await overload(bench, effort.load_s)
    bench.box.start()
    await until_healthy(bench.box, bench.port)
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute instead of five")
    parser.add_argument("--strict", action="store_true", help="absolute times count, too")
    return parser


if __name__ == "__main__":
    main()
