"""Playing many seeds: each is a world of its own in memory, several processes at once."""

import os
import tempfile
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

from tests.simulation.board import make_template
from tests.simulation.world import MIXES, STEPS, World

WORKERS = min(2, os.cpu_count() or 1)
MEMORY = Path("/dev/shm")  # the simulated disk syncs by itself; a real one would only be slow


def folder():
    """Where worlds are played; in memory where there is such a place."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def mix_of(seed):
    """Every mix in turn, so that any range of seeds has all of them."""
    return list(MIXES)[seed % len(MIXES)]


def play(seed, mix, base, template):
    """Play one world to its rest; return what happened, and what went wrong if anything."""
    place = base / f"world-{seed}"
    place.mkdir()
    world = World(seed, mix, place, template)
    try:
        world.run(STEPS)
    except AssertionError as error:
        return world.counts, f"{type(error).__name__}: {error}"
    finally:
        world.close()
    return world.counts, None


def play_range(seeds):
    """Play some seeds in this process; return the sum of counts and the failures."""
    counts, failures = Counter(), []
    with folder() as name:
        base = Path(name)
        template = make_template(base / "template")
        for seed in seeds:
            found, failure = play(seed, MIXES[mix_of(seed)], base, template)
            counts.update(found)
            if failure is not None:
                failures.append((seed, mix_of(seed), failure))
    return counts, failures


def play_all(first, number):
    """Play `number` seeds from `first` on all workers."""
    shares = [range(first + share, first + number, WORKERS) for share in range(WORKERS)]
    with get_context("spawn").Pool(WORKERS) as pool:
        results = pool.map(play_range, shares)
    counts = sum((found for found, _ in results), Counter())
    return counts, sorted(failure for _, failures in results for failure in failures)
