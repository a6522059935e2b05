"""A link that costs money: the real account of bytes, and a card with room for few readings.

What may be said is asked before each request, as the agent does; what crossed is charged
after it, whatever became of it.
"""

from appliance.room import Card
from sync.agent import shedding
from sync.agent.budget import DAY_S, Bounds, Budget, Leave, Now, used_since
from sync.agent.sealing import Share
from sync.agent.session import Greet, Send
from sync.agent.store import RANK_MAX
from sync.protocol import encode
from sync.registry import TABLE
from tests.simulation.replacing import replaced

RESERVE = 0.4  # for hand-ins and marks
PATH_BYTES = 60  # a request that is only a path
SIZE_MIN = 100
KEPT = 2
ALMOST_FULL = Card(total_bytes=1 << 34, free_bytes=0)


class Tap:
    """One board's account. `ran_s` is a clock that never jumps; nobody vouches for another."""

    def __init__(self, db, day_bytes, ran_s):
        self.db = db
        self.day_bytes = day_bytes
        bounds = Bounds(day_bytes=day_bytes, reserve=RESERVE)
        self.budget = Budget(db, lambda: bounds, lambda: Now(None, ran_s()))

    @property
    def leave(self):
        if not self.day_bytes:
            return Leave.ALL
        leave = self.budget.leave()
        if leave is not Leave.ALL:
            self.budget.count(0, 0)  # hours of running end a day, too
            leave = self.budget.leave()
        return leave

    def share(self, leave):
        return Share(rank_max=RANK_MAX if leave is Leave.ALL else 0)

    def size(self, leave, size_max):
        if not self.day_bytes:
            return size_max
        return int(max(min(size_max, self.budget.room_bytes(leave)), SIZE_MIN))

    def pay(self, request, answer):
        """Charge both ways; return what was used of the day before."""
        if not self.day_bytes:
            return 0
        self.budget.count(0, 0)  # a day may have passed
        before = self._used()
        self.budget.count(up_bytes(request), 0 if answer is None else len(encode(answer)))
        return before

    def _used(self):
        return used_since(self.db, self.db.value("SELECT max(day) - 1 FROM sync_budget"))


def up_bytes(request):
    match request:
        case Greet(hello=hello):
            return len(encode(hello))
        case Send(payload=payload):
            return len(payload)
    return PATH_BYTES


def is_urgent(name):
    table = TABLE[name]
    return (table.lane, table.rank) == (0, 0)


def day_passes(world):
    world.ran_s += DAY_S


def card_fills(world):
    """A card that is almost full lets go of readings, and of nothing else."""
    board = world.any_board()
    with (
        replaced(shedding, "KEPT_IN_NEED", KEPT),
        replaced(shedding, "card_of", lambda _folder: ALMOST_FULL),
    ):
        gone = shedding.shed(board.db, board.folder, now_ms=world.now_ms)
    world.counts["readings let go"] += gone
    world.accident()
