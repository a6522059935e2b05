import pytest

from appliance import clock
from appliance.clock import Board
from tests.cast import NOW_MS


class Machine:
    """The board a box runs on; its clock is turned by a test."""

    def __init__(self):
        self.wall_ms, self.up_ms, self.is_synchronised = NOW_MS, 60_000, False

    def board(self):
        return Board(
            lambda: self.wall_ms, lambda: self.up_ms, lambda: self.is_synchronised, lambda: "one"
        )


@pytest.fixture
def machine(database):
    """A board that nobody has told the time; both files are in the box's own folder."""
    machine = Machine()
    clock.listen(
        database.parent / "clock",
        database.parent / "clock-floor",
        board=machine.board(),
        waits=True,
    )
    yield machine
    clock.listen(None)


@pytest.fixture(autouse=True)
def nobody_listens():
    """The doctor listens to the files of a box; no test may leave that behind."""
    yield
    clock.listen(None)
