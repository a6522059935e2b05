"""The same world, driven by Hypothesis: it looks for the shortest story that breaks a rule."""

import contextlib
import itertools
import tempfile
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from appliance.database.faults import WriteFailed
from tests.simulation.ablations import no_repush
from tests.simulation.board import make_template
from tests.simulation.runner import MEMORY
from tests.simulation.world import BOARDS_MAX, Lost, Mix, World

BOARDS = st.integers(0, BOARDS_MAX - 1)
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
        self.world = World(11, Mix(network=0.0), place, self.template)

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
        self.world._talk_out(self.board(board))

    @rule(board=BOARDS, operations=st.integers(1, 30))
    def power_fails_at_work(self, board, operations):
        chosen = self.board(board)
        chosen.disk.cut_after(operations)
        with contextlib.suppress(apsw.Error, WriteFailed, Lost):
            self.world.work.do_something(chosen)
            self.world.exchange(chosen, 0)
        self.world.reboot(chosen)

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

    @rule()
    def clone(self):
        self.world.clone()

    @rule()
    def snapshot_hub(self):
        self.world.snapshot_hub()

    @precondition(lambda self: self.world.snapshots)
    @rule()
    def roll_hub_back(self):
        self.world.roll_hub_back()

    @rule()
    def trim(self):
        self.world.trim()

    @rule()
    def a_late_request_arrives(self):
        self.world.deliver_late()

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
