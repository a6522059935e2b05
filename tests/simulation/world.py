"""A seeded world: boards, a hub, a bad network, and accidents.

One seed is every choice. Work and accidents are drawn step by step; then the accidents
end, the network is mended, and everything must come to rest with nothing lost.
"""

import contextlib
import shutil
from collections import Counter
from pathlib import Path
from random import Random
from uuid import UUID

import apsw
from msgspec import Struct

from appliance.database.faults import WriteFailed
from sync.agent.faults import HubUntrusted, Refused
from sync.agent.retention import trim
from sync.agent.session import Fetch, Greet, Send, Worked
from sync.core.segment import SegmentRefused
from tests.simulation.board import BORN_MS, FILE, SIZE_MAX, Board, stamp
from tests.simulation.hub import Broken, Hub
from tests.simulation.oracle import Oracle
from tests.simulation.work import Work

BOARDS_MAX = 3
STEPS = 70
FIFTY_YEARS_MS = 50 * 365 * 86_400_000
CLOCK_STEPS_MS = (
    0,
    1,
    1_000,
    60_000,
    -5_000,
    FIFTY_YEARS_MS,
    -FIFTY_YEARS_MS,
)  # it decides nothing
REQUESTS_AT_REST_MAX = 400  # far above what a world this small can need
ROUNDS_MAX = 30


class Violation(AssertionError):
    """An invariant does not hold. The message names it."""


class Lost(Exception):
    """The network did not bring an answer."""


class Mix(Struct, frozen=True):
    """How likely each accident is, in a hundred steps; and whether the disk lies."""

    network: float = 0.3
    power: int = 0
    restore: int = 0
    clone: int = 0
    hub_rollback: int = 0
    trim: int = 0
    is_lying: bool = False
    reads_receipts: bool = True


MIXES = {
    "network": Mix(),
    "power": Mix(power=14),
    "lying disk": Mix(power=12, is_lying=True),
    "restore": Mix(restore=8),
    "clone": Mix(clone=5),
    "hub rollback": Mix(hub_rollback=7),
    "hub rollback, trimmed": Mix(hub_rollback=7, trim=20),
    "restore and rollback": Mix(restore=6, hub_rollback=6, trim=10),
    # A hub that does not look at receipts leaves the node's own log as the only help.
    "restore and rollback, receipts unread": Mix(
        restore=8, hub_rollback=8, trim=10, reads_receipts=False
    ),
    "clone and restore": Mix(clone=4, restore=6),
    "everything": Mix(power=8, restore=5, clone=3, hub_rollback=5, trim=10),
    "everything, lying disk": Mix(
        power=8, restore=5, clone=3, hub_rollback=5, trim=10, is_lying=True
    ),
}


class World:
    """Everything there is. `step` does one thing; `settle` mends the network and waits."""

    def __init__(self, seed, mix, folder, template):
        self.dice = Random(seed)
        self.mix = mix
        self.folder = Path(folder)
        self.template = template
        self.now_ms = BORN_MS
        self.oracle = Oracle()
        self.counts = Counter()
        self.hub = Hub(self.dice)
        self.hub.reads_receipts = mix.reads_receipts
        self.snapshots = []
        self.late = []
        self.boards = []
        self.work = Work(self)
        self._first_board()

    def close(self):
        for board in self.boards:
            board.scrap()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _first_board(self):
        school, node, epoch = (UUID(bytes=self.dice.randbytes(16)) for _ in range(3))
        board = Board(self._new_folder(), node, school, self.dice.randbytes(32), self.dice)
        shutil.copy(self.template, board.folder / FILE)
        board.boot()
        board.claim(self.hub, epoch)
        self.boards.append(board)
        self.work.found_school(board)
        board.disk.is_lying = self.mix.is_lying

    def _new_folder(self):
        folder = self.folder / f"board-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        return folder

    # One step.

    def run(self, steps):
        for _ in range(steps):
            self.step()
        self.settle()

    def step(self):
        self.now_ms += self.dice.choice(CLOCK_STEPS_MS)
        self.hub.now_ms = self.now_ms
        act = self._draw()
        self.counts[act.__name__] += 1
        act()

    def _draw(self):
        number = self.dice.randrange(100)
        for act, weight in (
            (self.power_fails, self.mix.power),
            (self.restore, self.mix.restore),
            (self.back_up, 4 if self.mix.restore else 0),
            (self.clone, self.mix.clone),
            (self.roll_hub_back, self.mix.hub_rollback),
            (self.snapshot_hub, 5 if self.mix.hub_rollback else 0),
            (self.trim, self.mix.trim),
            (self.deliver_late, 3),
        ):
            number -= weight
            if number < 0:
                return act
        return self.school_works if self.dice.random() < 0.5 else self.board_talks

    def school_works(self):
        for _ in range(self.dice.randint(1, 3)):
            self.work.do_something(self.dice.choice(self.boards))

    def board_talks(self):
        board = self.dice.choice(self.boards)
        with contextlib.suppress(Lost):
            for _ in range(self.dice.randint(1, 8)):
                if not self.exchange(board, self.mix.network):
                    return

    # Talking.

    def exchange(self, board, badness):
        """Carry one request there and its answer back; False when there was none to carry."""
        while isinstance(request := self.next_request(board), Worked):
            continue
        if request is None:
            return False
        self.counts["requests"] += 1
        if isinstance(request, Send):
            self._assert_durable(board)
        try:
            answer = self._carry(board, request, badness)
            self._take(board, request, answer)
        except Broken:
            board.session.forget()
        except (Lost, SegmentRefused, HubUntrusted, Refused):
            board.session.forget()
            raise Lost from None
        return True

    def next_request(self, board):
        return board.session.next_request(stamp(self.now_ms), SIZE_MAX)

    def _assert_durable(self, board):
        if not self.mix.is_lying and not board.is_durable():
            raise Violation("I5: a segment leaves before it is durable")

    def _carry(self, board, request, badness):
        fate = self.dice.random() / badness if badness else 2.0
        if fate < 0.25:
            raise Lost  # never arrives
        if fate < 0.35:
            self.late.append((board.node_id, request))
            raise Lost  # arrives long after the node gave up
        if fate < 0.45 and isinstance(request, Send):
            cut = self.dice.randrange(len(request.payload))
            self.hub.put(request.payload[:cut])
        answer = self._ask(board.node_id, request)
        self.counts["answers"] += 1
        if fate < 0.6:
            answer = self._ask(board.node_id, request)  # the proxy repeats it
        if fate < 0.85:
            raise Lost  # done at the hub, and nobody hears it
        return answer

    def _ask(self, node_id, request):
        match request:
            case Greet(hello=hello):
                return self.hub.hello(hello)
            case Send(payload=payload):
                return self.hub.put(payload)
            case Fetch(epoch=epoch, cursor=cursor):
                return self.hub.pull(node_id, epoch, cursor, self.dice.randint(1, 6))
        raise AssertionError(request)

    def _take(self, board, request, answer):
        match request:
            case Greet():
                board.session.take_hello(answer, now_ms=self.now_ms)
            case Send():
                board.session.take_segment_answer(request, answer)
            case Fetch():
                board.session.take_page(answer, now_ms=self.now_ms)

    def deliver_late(self):
        if self.late:
            node_id, request = self.late.pop(self.dice.randrange(len(self.late)))
            with contextlib.suppress(Broken):
                self._ask(node_id, request)

    # Accidents.

    def power_fails(self):
        """Cut the power at some write of some work or talk, or between two of them."""
        board = self.dice.choice(self.boards)
        board.disk.cut_after(self.dice.randint(1, 25))
        with contextlib.suppress(apsw.Error, WriteFailed, Lost):
            for _ in range(4):
                if self.dice.random() < 0.5:
                    self.work.do_something(board)
                else:
                    self.exchange(board, 0)
        self.reboot(board)

    def reboot(self, board):
        try:
            board.power_cycle()
            if board.db.value("PRAGMA quick_check(1)") != "ok":
                self._renew(board)
        except apsw.Error:
            self._renew(board)
        if self.mix.is_lying:
            self.accident()

    def _renew(self, board):
        """A disk that lies may leave no database at all; the keeper puts a backup in."""
        if not self.mix.is_lying:
            raise Violation("a power cut left a broken database")
        self.counts["renewed"] += 1
        board.put_image(board.backup or self.first_image)

    def back_up(self):
        board = self.dice.choice(self.boards)
        board.backup = board.image()

    def restore(self):
        board = self.dice.choice(self.boards)
        if board.backup is not None:
            board.put_image(board.backup)
            self.accident()

    def clone(self):
        if len(self.boards) == BOARDS_MAX:
            return
        model = self.dice.choice(self.boards)
        board = Board(
            self._new_folder(), model.node_id, model.school_id, model.key.encode(), self.dice
        )
        board.put_image(model.image())
        board.disk.is_lying = self.mix.is_lying
        self.boards.append(board)

    def snapshot_hub(self):
        self.snapshots.append(self.hub.snapshot())

    def roll_hub_back(self):
        """To any earlier state; half of the time nobody follows the runbook."""
        if self.snapshots:
            at = self.dice.randrange(len(self.snapshots))
            is_noticed = self.dice.random() < 0.5
            self.hub.roll_back(self.snapshots[at], is_noticed=is_noticed)
            del self.snapshots[at + 1 :]
            self.accident()

    def trim(self):
        board = self.dice.choice(self.boards)
        trim(board.db, now_ms=self.now_ms, keep_ms=0, keep_bytes=0)

    def accident(self):
        """What is nowhere now was lost by the accident."""
        self.oracle.excuse(self.held())

    # Rest.

    def settle(self):
        """No more accidents: come to rest, and look."""
        for board in self.boards:
            board.disk.is_lying = False
        for _ in range(ROUNDS_MAX):
            if not sum(self._talk_out(board) for board in self.boards):
                break
        else:
            raise Violation("I15: the boards never come to rest")
        self.check()

    def _talk_out(self, board):
        """Let one board finish; return how many requests changed something."""
        board.session.forget()
        for number in range(REQUESTS_AT_REST_MAX):
            try:
                if not self.exchange(board, 0):
                    return number - 1  # the first one is hello
            except Lost:
                continue
        raise Violation("I15: one board never comes to rest")

    def check(self):
        lost = self.oracle.unsafe(self.held())
        if lost:
            raise Violation(f"I1: {len(lost)} acknowledged values are nowhere: {lost[0][0]}")
        for board in self.boards:
            if board.digests() != self.hub.digests(board.school_id):
                raise Violation("I10: a board and the hub differ")
            if board.dirty():
                raise Violation("I15: rows still wait")
            if not board.is_linked():
                raise Violation("I4: a board's chain has a gap")

    def held(self):
        """Every image that a live board or the hub has, current or put aside."""
        held = set().union(*(board.hashes() for board in self.boards))
        for school in self.hub.schools.values():
            held |= {(*key, row.image.row_hash) for key, row in school.rows.items()}
            held |= set(school.conflicts)
        return held
