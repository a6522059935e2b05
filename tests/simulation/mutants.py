"""`python -m tests.simulation.mutants`: break one line of the core at a time; who notices?

Each mutant lives in a process of its own, forked before anything of ours is imported. It is
shown to the unit tests of the core, to the traces, and to seeds of every mix, and must turn
one of them red. Rules taken out of the protocol (ablations.py) must turn seeds red.
Survivors that mean the same as the original are listed with the reason; any other survivor
ends this with exit 1.
"""

import os
import signal
import sys
import time
import types
from collections import Counter
from pathlib import Path

# Only what is not ours may be imported here: forks must import the mutant first.
import apsw  # noqa: F401
import hypothesis  # noqa: F401
import litestar  # noqa: F401
import pytest

from tests.simulation.mutator import mutants

ROOT = Path(__file__).parents[2]
MODULES = ("sync/core/node.py", "sync/core/hub.py", "sync/core/scopes.py", "sync/merge.py")
TESTS = ("tests/simulation/test_core.py", "tests/simulation/test_traces.py")
SEEDS = 29
NO_REWRITING = "ignore::pytest.PytestAssertRewriteWarning"  # what was imported before the fork
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-o", "timeout=0", "-W", NO_REWRITING)
HUNG_S = 60
SAY_EVERY = 20
WORKERS = os.cpu_count() or 1
CRASHED = 9
VERDICTS = {(False, False): 0, (True, False): 10, (False, True): 11, (True, True): 12}
WORDS = {0: "survived", 10: "tests alone", 11: "seeds alone", 12: "tests and seeds"}

# Same meaning, whatever the tests do. A mutant is named by its module and its change.
EQUIVALENT = {
    "sync/merge.py incoming.order > current.order -> incoming.order >= current.order": (
        "equal orders have been answered as a duplicate before"
    )
}


def main():
    began = time.monotonic()
    found = [
        mutant
        for module in MODULES
        for mutant in mutants(module, (ROOT / module).read_text())
        if matches(str(mutant))
    ]
    ends = shown_to_the_suite(found)
    ablated = [] if len(sys.argv) > 1 else list(missed_ablations())
    survivors = [m for m, end in zip(found, ends, strict=True) if end == "survived"]
    unexplained = [m for m in survivors if reason_for(m) is None]
    lines = [f"survived: {mutant} ({reason_for(mutant) or 'UNEXPLAINED'})" for mutant in survivors]
    lines += [f"survived: ablation {rule}" for rule in ablated]
    seconds = time.monotonic() - began
    lines.append(
        f"simulate-mutants: {len(found)} mutants, noticed by {dict(Counter(ends))},"
        f" {len(survivors) - len(unexplained)} equivalent, {len(ablated)} ablations missed,"
        f" {seconds:.0f} s, unexplained survivors {len(unexplained)}"
    )
    print("\n".join(lines))  # noqa: T201 -- the verdict is the whole purpose
    sys.exit(1 if unexplained or ablated else 0)


def matches(name):
    return len(sys.argv) < 2 or sys.argv[1] in name


def reason_for(mutant):
    return EQUIVALENT.get(f"{mutant.module} {mutant.change}")


def shown_to_the_suite(found):
    """Fork for each, a few at a time; how each ended, in one word."""
    ends, running, waiting = {}, {}, list(enumerate(found))
    while waiting or running:
        while waiting and len(running) < WORKERS:
            number, mutant = waiting.pop(0)
            running[fork(mutant)] = number
        child, status = os.wait()
        ends[running.pop(child)] = how_it_ended(status)
        if len(ends) % SAY_EVERY == 0:
            survived = list(ends.values()).count("survived")
            sys.stderr.write(f"{len(ends)} of {len(found)} mutants, {survived} survived\n")
    return [ends[number] for number in range(len(found))]


def fork(mutant):
    """Begin a process that never comes back here, whatever happens to it."""
    child = os.fork()
    if child == 0:
        code = CRASHED
        try:
            code = verdict_on(mutant)
        finally:
            os._exit(code)
    return child


def how_it_ended(status):
    if os.WIFSIGNALED(status):
        return "hung"
    return WORDS.get(os.WEXITSTATUS(status), "crashed")


def verdict_on(mutant):
    """In the child: show the mutant to the tests and to the seeds, and say who noticed."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(HUNG_S)
    silent = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(silent, descriptor)
    install(mutant)
    by_tests = pytest.main([*OPTIONS, *TESTS]) != 0
    from tests.simulation.runner import any_fails  # noqa: PLC0415 -- after the mutant

    return VERDICTS[by_tests, any_fails(range(SEEDS))]


def install(mutant):
    """Let everybody import the mutant instead."""
    name = mutant.module.removesuffix(".py").replace("/", ".")
    module = types.ModuleType(name)
    module.__file__ = mutant.module
    sys.modules[name] = module
    exec(compile(mutant.source, mutant.module, "exec"), module.__dict__)
    package, _, leaf = name.rpartition(".")
    setattr(__import__(package, fromlist=["_"]), leaf, module)


def missed_ablations():
    """Rules whose absence no seed notices."""
    from tests.simulation.ablations import ABLATIONS  # noqa: PLC0415 -- after the forks
    from tests.simulation.board import make_template  # noqa: PLC0415
    from tests.simulation.runner import first_violation, folder  # noqa: PLC0415

    with folder() as name:
        template = make_template(Path(name) / "template")
        for rule, (ablation, mix) in ABLATIONS.items():
            with ablation():
                if first_violation(mix, Path(name), template) is None:
                    yield rule


if __name__ == "__main__":
    main()
