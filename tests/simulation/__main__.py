"""`python -m tests.simulation SEEDS [FIRST]`: one verdict line, exit 1 on any violation."""

import sys
import time

from tests.simulation.runner import play_all
from tests.simulation.world import MIXES, STEPS


def main():
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began = time.monotonic()
    counts, failures = play_all(first, number)
    for seed, mix, failure in failures:
        print(f"seed {seed} ({mix}): {failure}")
    accidents = sum(
        counts[name]
        for name in ("power_fails", "restore", "clone", "roll_hub_back", "trim", "deliver_late")
    )
    print(
        f"simulate: {number} seeds, {len(MIXES)} mixes, {STEPS} steps,"
        f" {counts['writes']} acknowledged writes, {counts['requests']} requests"
        f" ({counts['requests'] - counts['answers']} unanswered), {accidents} accidents,"
        f" {time.monotonic() - began:.0f} s, violations {len(failures)}"
    )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
