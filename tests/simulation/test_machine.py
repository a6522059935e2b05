"""The same world, driven by Hypothesis: it looks for the shortest story that breaks a rule."""

import contextlib
import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.simulation import accidents
from tests.simulation.ablations import no_repush
from tests.simulation.actions import BOARDS_MAX, WORKS, Action, mix
from tests.simulation.board import make_template
from tests.simulation.network import Lost
from tests.simulation.runner import MEMORY
from tests.simulation.world import World

BOARDS = st.integers(0, BOARDS_MAX - 1)
STORY = mix(works=(*WORKS, "repeat_id", "poison", "misfile", "rename"), network=0.0)
ACCIDENTS = sorted(accidents.ACTS.keys() - {"work", "talk", "power_fails", "killed", "restore"})
FEW = settings(
    max_examples=80,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
UNTIL_FOUND = settings(FEW, max_examples=1_000, phases=[Phase.generate])
numbers = itertools.count()


@pytest.fixture(scope="module")
def machine():
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        base = Path(name)
        template = make_template(base / "template")
        yield type("Played", (Story,), {"base": base, "template": template})


class Story(RuleBasedStateMachine):
    """One world; every rule is one thing that happens. At the end it must come to rest."""

    def __init__(self):
        super().__init__()
        place = self.base / str(next(numbers))
        place.mkdir()
        self.world = World(11, STORY, place, self.template)

    def board(self, number):
        return self.world.boards[number % len(self.world.boards)]

    @rule(board=BOARDS)
    def work(self, board):
        self.world.work.do_something(self.board(board))

    @rule(board=BOARDS, requests=st.integers(1, 9), badness=st.sampled_from([0.0, 0.0, 0.5]))
    def talk(self, board, requests, badness):
        with contextlib.suppress(Lost):
            for _ in range(requests):
                if not self.world.exchange(self.board(board), badness):
                    break

    @rule(board=BOARDS)
    def talk_until_all_is_said(self, board):
        if self.board(board).node_id not in self.world.hub.revoked:
            self.world.talk_out(self.board(board))

    @rule(board=BOARDS, operations=st.integers(1, 30), is_killed=st.booleans())
    def power_fails_at_work(self, board, operations, is_killed):
        chosen = self.board(board)
        chosen.disk.cut_after(operations)
        accidents.toil(self.world, chosen)
        chosen.kill() if is_killed else self.world.reboot(chosen)

    @rule(board=BOARDS)
    def back_up(self, board):
        chosen = self.board(board)
        chosen.backup = chosen.image()

    @rule(board=BOARDS)
    def restore(self, board):
        chosen = self.board(board)
        if chosen.backup is not None:
            chosen.put_image(chosen.backup)
            self.world.accident()

    @rule(name=st.sampled_from(ACCIDENTS), seed=st.integers(0, 9))
    def something_happens(self, name, seed):
        self.world.play(Action(name, seed))

    @invariant()
    def every_step_keeps_its_promises(self):
        self.world.check_step()

    def teardown(self):
        try:
            self.world.settle()
        finally:
            self.world.close()


def test_no_story_breaks_a_rule(machine):
    run_state_machine_as_test(machine, settings=FEW)


def test_it_finds_a_missing_rule(machine):
    with no_repush(), pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=UNTIL_FOUND)
