"""`python -m tests.simulation SEEDS [FIRST]`: one verdict line, exit 1 on any violation.

A failing seed is printed with the shortest list of actions that still fails. Play one again:
`python -m tests.simulation --mix restore --actions "work:17 restore:4"` (`--seed 7` for the
world it happens in). `--mix files` alone plays every seed in that mix.
"""

import argparse
import logging
import sys
import time
from collections import Counter

from tests.simulation.accidents import ACTS, QUIET
from tests.simulation.actions import MIXES, STEPS, parse
from tests.simulation.runner import play_again, play_all, shortest

MINIMISED_MAX = 5
PROGRESS_S = 20
ACCIDENTS = ACTS.keys() - QUIET


def main():
    asked = read_arguments()
    logging.disable(logging.WARNING)  # what a hub warns of is what is played here, a thousand times
    if asked.actions is not None:
        failure = play_again(asked.seed, asked.mix or "everything", parse(asked.actions))
        print(failure or "no violation")
        sys.exit(1 if failure else 0)
    began = time.monotonic()
    total, failures = play_and_show(asked, began)
    print_conflicts(total)
    for played in failures[:MINIMISED_MAX]:
        print(f"seed {played.seed} ({played.mix}): {played.failure}")
        print(f"  minimised: {' '.join(map(str, shortest(played.seed, played.mix)))}")
    print(verdict(asked.seeds, total, failures, time.monotonic() - began))
    sys.exit(1 if failures else 0)


def read_arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("seeds", type=int, nargs="?", default=2_000)
    parser.add_argument("first", type=int, nargs="?", default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mix", choices=MIXES)
    parser.add_argument("--actions")
    return parser.parse_args()


def play_and_show(asked, began):
    """Play all seeds; now and then say how far."""
    first, number = asked.first, asked.seeds
    total, failures, done, said = {name: Counter() for name in MIXES}, [], 0, began
    for results in play_all(first, number, asked.mix):
        for played in results:
            total[played.mix].update(played.counts)
            if played.failure:
                failures.append(played)
                print(f"seed {played.seed} ({played.mix}): {played.failure}", file=sys.stderr)
        done += len(results)
        if time.monotonic() - said > PROGRESS_S:
            said = time.monotonic()
            print(f"{done} of {number} seeds, {len(failures)} failed", file=sys.stderr, flush=True)
    return total, sorted(failures, key=lambda played: played.seed)


def accidents_in(counts):
    return sum(counts[name] for name in counts.keys() & ACCIDENTS)


def print_conflicts(total):
    """How many images an accident puts beside, for a person to look at."""
    for mix, counts in total.items():
        if accidents := accidents_in(counts):
            rate = counts["conflicts"] / accidents
            print(f"{mix}: {counts['conflicts']} in sync_conflict, {rate:.2f} an accident")


def verdict(seeds, total, failures, seconds):
    counts = sum(total.values(), Counter())
    mixes = sum(bool(each) for each in total.values())
    return (
        f"simulate: {seeds} seeds, {mixes} mixes, {STEPS} steps,"
        f" {counts['writes']} acknowledged writes, {counts['requests']} requests"
        f" ({counts['requests'] - counts['answers']} unanswered),"
        f" {accidents_in(counts)} accidents, {counts['conflicts']} rows in sync_conflict,"
        f" {seconds:.0f} s, violations {len(failures)}"
    )


if __name__ == "__main__":
    main()
