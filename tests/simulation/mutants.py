"""`python -m tests.simulation.mutants [WORD]`: break one line of the core at a time; who notices?

Each mutant lives in a process of its own, forked from a warm one, in which the code of the
functions is exchanged in place. (What a module says outside of functions is looked at when it
is imported, so such a mutant is forked before anything of ours is.) The mutant is shown to
whoever notices soonest: the unit tests, the small model, the traces, then a seed of every
mix; and the first who turns red ends it. A rule taken out of the protocol (ablations.py) is
shown to the seeds of its mix.

Survivors that mean the same as the original are listed with the reason; any other survivor
ends this with exit 1, and so does one of these that somebody notices: then the tests would
turn red without any mutant.
"""

import os
import resource
import signal
import sys
import time
import types
from collections import Counter
from functools import partial
from importlib import import_module
from pathlib import Path

# Only what is not ours may be imported here: some forks must import the mutant first.
import apsw  # noqa: F401
import hypothesis  # noqa: F401
import litestar  # noqa: F401
import pytest
from msgspec import Struct

from tests.simulation.mutator import mutants

ROOT = Path(__file__).parents[2]
CORE, TRACES = "tests/simulation/test_core.py", "tests/simulation/test_traces.py"
BORDERS, GENERATIONS = "tests/sync/test_borders.py", "tests/sync/test_generations.py"
SEGMENTS = (BORDERS, "tests/sync/test_segment.py", "tests/sync/test_hostile_segments.py")
BUNDLES = "tests/sync/test_bundle.py"
MERGE = "tests/sync/test_merge.py"
FILES = (CORE, TRACES, MERGE, GENERATIONS, *SEGMENTS, BUNDLES, "tests/sync/test_stick.py")
# The tests to begin with.
MODULES = {
    "sync/core/node.py": (CORE,),
    "sync/core/hub.py": (CORE, GENERATIONS),
    "sync/core/scopes.py": (CORE,),
    "sync/merge.py": (CORE, MERGE),
    "sync/core/segment.py": SEGMENTS,
    "sync/core/columns.py": (*SEGMENTS, CORE),
    "sync/core/bundle.py": (BUNDLES, "tests/sync/test_stick.py"),
    "sync/core/parcel.py": (BUNDLES,),
}
SEEDS = 29
NO_REWRITING = "ignore::pytest.PytestAssertRewriteWarning"  # what was imported before the fork
OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-o", "timeout=0", "-W", NO_REWRITING)
HUNG_CPU_S = 90  # a mutant that nobody notices takes a third of it
MEMORY_BYTES_MAX = 3 << 30  # one that believes a bomb would take what the machine has
SAY_EVERY = 20
WORKERS = os.cpu_count() or 1
NOBODY, HUNG = "nobody", "hung"

LOOKS_TWICE = "only slower: it looks at values of which it knows the kind"
CELL_BY_CELL = "only slower: cells are read one by one, as those of a mixed column are"

# Same meaning, whatever the tests do. A mutant is named by its module and its change.
EQUIVALENT = {
    "sync/merge.py incoming.order > current.order -> incoming.order >= current.order": (
        "equal orders have been answered as a duplicate before"
    ),
    "sync/core/columns.py values[:1] -> values[:]": LOOKS_TWICE,
    "sync/core/columns.py values[:1] if isinstance(column, Same) else values"
    " -> values[:1] if False else values": LOOKS_TWICE,
    "sync/core/columns.py for decoder in (_texts, _blobs): -> for decoder in ():": CELL_BY_CELL,
    "sync/core/columns.py for decoder in (_texts, _blobs): -> only once": CELL_BY_CELL,
    "sync/core/columns.py (_texts, _blobs) -> without _blobs": CELL_BY_CELL,
}


class Verdict(Struct):
    """Who turned red first, and at what: an assertion, or an error of some kind."""

    who: str
    how: str = ""


def main():
    began = time.monotonic()
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    every = [
        each
        for module in MODULES
        for each in mutants(module, (ROOT / module).read_text())
        if wanted in str(each)
    ]
    cold = [each for each in every if not each.is_in_function]
    ends = run_all([partial(shown, each, import_mutant, Fresh()) for each in cold])
    warm = [each for each in every if each.is_in_function]
    collected = Collected(warm, is_whole=not wanted)
    pytest.main([*OPTIONS, "-s", *FILES], plugins=[collected])
    lines, unexplained = told([*cold, *warm], [*ends, *collected.ends])
    rules = collected.rules
    missed = [name for name, end in rules.items() if end.who == NOBODY]
    lines += [f"without {name}: noticed by {end.who} {end.how}" for name, end in rules.items()]
    lines.append(
        f"simulate-mutants: {len(every)} mutants, {unexplained} unexplained survivors;"
        f" {len(rules)} rules taken out, {len(missed)} missed; {time.monotonic() - began:.0f} s"
    )
    print("\n".join(lines))  # noqa: T201 -- the verdict is the whole purpose
    sys.exit(1 if unexplained or missed else 0)


def told(every, ends):
    """What became of the mutants, in lines; and how many survive, or do not, without a reason."""
    lines, unexplained = [], 0
    for mutant, end in zip(every, ends, strict=True):
        reason = EQUIVALENT.get(f"{mutant.module} {mutant.change}")
        unexplained += (end.who == NOBODY) == (reason is None)
        if end.who == NOBODY:
            lines.append(f"survived: {mutant} ({reason or 'UNEXPLAINED'})")
        elif reason is not None:
            lines.append(f"noticed by {end.who}: {mutant} (UNEXPLAINED: listed as the same)")
    for module in MODULES:
        of_it = [end for mutant, end in zip(every, ends, strict=True) if mutant.module == module]
        who, how = Counter(end.who for end in of_it), Counter(end.how for end in of_it if end.how)
        lines.append(f"{module}: noticed by {counted(who)}; as {counted(how)}")
    return lines, unexplained


def counted(counter):
    return ", ".join(f"{word} {number}" for word, number in counter.most_common())


# Processes.


def run_all(jobs):
    """Fork for each, a few at a time; their verdicts in order."""
    ends, running, waiting = {}, {}, list(enumerate(jobs))
    while waiting or running:
        while waiting and len(running) < WORKERS:
            number, job = waiting.pop(0)
            child, answer = fork(job)
            running[child] = number, answer
        child, status = os.wait()
        number, answer = running.pop(child)
        with open(answer, encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor
            words = file.read()
        ends[number] = Verdict(HUNG) if os.WIFSIGNALED(status) else Verdict(*words.split("\t"))
        if len(ends) % SAY_EVERY == 0:
            sys.stderr.write(f"{len(ends)} of {len(jobs)}\n")
    return [ends[number] for number in range(len(jobs))]


def fork(job):
    """Begin a process that never comes back here; what it says can be read from the pipe."""
    answer, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        verdict = Verdict("the fork")
        try:
            be_silent()
            verdict = job()
        finally:
            os.write(mouth, f"{verdict.who}\t{verdict.how}".encode())
            os._exit(0)
    os.close(mouth)
    return child, answer


def be_silent():
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (HUNG_CPU_S, HUNG_CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    silent = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(silent, descriptor)


# In a process of its own.


def shown(mutant, install, tests):
    """Show the mutant to one after the other until somebody notices."""
    looks = {
        "import": partial(install, mutant),
        "unit tests": partial(tests.fail, MODULES[mutant.module]),
        "small model": model_fails,
        "traces": partial(tests.fail, (TRACES,)),
        "seeds": seeds_fail,
    }
    for who, look in looks.items():
        try:
            how = look()
        except Exception as error:  # noqa: BLE001 -- whatever a mutant may raise is noticed
            how = type(error).__name__
        if how:
            return Verdict(who, how)
    return Verdict(NOBODY)


class First:
    """Remembers what kind of exception a test run stopped at."""

    how = ""

    def pytest_exception_interact(self, call):
        self.how = self.how or call.excinfo.typename


class Fresh:
    """Tests that are imported after the mutant."""

    def fail(self, files):
        first = First()
        is_red = pytest.main([*OPTIONS, *files], plugins=[first]) != 0
        return (first.how or "error") if is_red else ""


class Collected(First):
    """Tests collected once; in the middle of this run every mutant gets a fork of it."""

    def __init__(self, mutants, *, is_whole):
        self.mutants, self.is_whole = mutants, is_whole
        self.ends, self.rules = [], {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        self.session = session
        assert {str(item.path.relative_to(ROOT)) for item in session.items} == set(FILES)
        if self.is_whole:
            self.rules = without_each_rule()
        self.ends = run_all([partial(shown, each, exchange_code, self) for each in self.mutants])
        return True

    def fail(self, files):
        items = [each for each in self.session.items if str(each.path.relative_to(ROOT)) in files]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.how or self.session.shouldfail:
                return self.how or "error"
        return ""


def model_fails():
    from tests.simulation.model import explore  # noqa: PLC0415 -- after the mutant

    return "violation" if explore(2, 0, stops_early=True).failures else ""


def seeds_fail():
    from tests.simulation.runner import any_fails  # noqa: PLC0415 -- after the mutant

    return "violation" if any_fails(range(SEEDS)) else ""


def name_of(mutant):
    return mutant.module.removesuffix(".py").replace("/", ".")


def twin_of(mutant):
    twin = types.ModuleType(name_of(mutant))
    twin.__file__ = mutant.module
    return twin


def import_mutant(mutant):
    """Let everybody import the mutant instead."""
    name, twin = name_of(mutant), twin_of(mutant)
    sys.modules[name] = twin
    exec(compile(mutant.source, mutant.module, "exec"), twin.__dict__)
    package, _, leaf = name.rpartition(".")
    setattr(import_module(package), leaf, twin)


def exchange_code(mutant):
    """Give the functions everybody has imported the mutant's code."""
    twin = twin_of(mutant)
    exec(compile(mutant.source, mutant.module, "exec"), twin.__dict__)
    new = dict(functions_of(twin, twin.__name__))
    for path, function in functions_of(sys.modules[twin.__name__], twin.__name__):
        function.__code__ = new[path].__code__


def functions_of(holder, module):
    """Every function written in a module, by where it stands."""
    for name, found in list(vars(holder).items()):
        function = getattr(found, "fget", None) or getattr(found, "__func__", found)
        if isinstance(function, types.FunctionType) and function.__module__ == module:
            yield (holder.__name__, name), function
        elif isinstance(found, type) and found.__module__ == module:
            yield from functions_of(found, module)


# Rules.


def without_each_rule():
    """Take out each rule of the protocol, and show it the accidents it is there for."""
    from tests.simulation.ablations import ABLATIONS  # noqa: PLC0415 -- after the cold forks

    ends = run_all([partial(shown_without, *rule) for rule in ABLATIONS.values()])
    return dict(zip(ABLATIONS, ends, strict=True))


def shown_without(ablation, mix):
    """Play the mix without a rule until a seed notices."""
    from tests.simulation import runner  # noqa: PLC0415

    with runner.folder() as name, ablation():
        template = runner.make_template(Path(name) / "template")
        seed = runner.first_violation(mix, Path(name), template)
    return Verdict(NOBODY) if seed is None else Verdict("seed", str(seed))


if __name__ == "__main__":
    main()
