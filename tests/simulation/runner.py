"""Playing many seeds: each is a world of its own in memory, several processes at once."""

import os
import tempfile
import traceback
from collections import Counter
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import apsw
from msgspec import Struct

from tests.simulation.actions import MIXES, draw, mix_of
from tests.simulation.board import make_template
from tests.simulation.minimise import minimise
from tests.simulation.world import World

WORKERS = os.cpu_count() or 1
CHUNK = 22
SEEDS_TO_NOTICE = 250
MEMORY = Path("/dev/shm")  # the simulated disk syncs by itself; a real one would only be slow


class Played(Struct, frozen=True):
    """What became of one world."""

    seed: int
    mix: str
    counts: Counter
    failure: str | None


def folder():
    """Where worlds are played; in memory where there is such a place."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)


def play(seed, mix, base, template, actions=None):
    """Play one world to its rest; return what happened, and what went wrong if anything."""
    place = Path(tempfile.mkdtemp(dir=base))
    world = World(seed, mix, place, template)
    try:
        world.run(draw(seed, mix) if actions is None else actions)
    except (AssertionError, apsw.Error, KeyError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return world.counts, f"{type(error).__name__}: {error} ({Path(where.filename).name})"
    finally:
        world.close()
    return world.counts, None


def play_range(seeds, mix=None):
    """Play some seeds in this process, each in its own mix or all in one."""
    with folder() as name:
        base = Path(name)
        template = make_template(base / "template")
        return [played(seed, base, template, mix) for seed in seeds]


def played(seed, base, template, mix=None):
    mix = mix or mix_of(seed)
    return Played(seed, mix, *play(seed, MIXES[mix], base, template))


def any_fails(seeds):
    """Say whether one of these seeds breaks a rule, and stop there."""
    with folder() as name:
        base = Path(name)
        template = make_template(base / "template")
        return any(played(seed, base, template).failure for seed in seeds)


def play_again(seed, mix, actions):
    """Play a given list in the world of a seed; return what went wrong."""
    with folder() as name:
        base = Path(name)
        return play(seed, MIXES[mix], base, make_template(base / "template"), actions)[1]


def shortest(seed, mix):
    """The shortest list of actions by which this seed still breaks a rule."""
    with folder() as name:
        base = Path(name)
        template = make_template(base / "template")

        def is_broken(actions):
            return play(seed, MIXES[mix], base, template, actions)[1] is not None

        return minimise(draw(seed, MIXES[mix]), is_broken)


def first_violation(mix, base, template):
    """Play until something breaks; with all rules in place none of these seeds does."""
    for seed in range(SEEDS_TO_NOTICE):
        _, failure = play(seed, mix, base, template)
        if failure is not None:
            return seed
    return None


def play_all(first, number, mix=None):
    """Play `number` seeds from `first` on all workers, as they end."""
    ends = range(first, first + number, CHUNK)
    shares = [range(start, min(start + CHUNK, first + number)) for start in ends]
    with get_context("spawn").Pool(WORKERS) as pool:
        yield from pool.imap_unordered(partial(play_range, mix=mix), shares)
