"""A seeded world: boards of two schools, a hub, a bad network, and accidents.

A list of actions is played one by one, and after each the invariants are looked at. Then
the accidents end, the network is mended, and everything must come to rest with nothing lost.
"""

import contextlib
import shutil
from collections import Counter
from pathlib import Path
from random import Random
from uuid import UUID

import apsw
from nacl.signing import SigningKey

from sync.agent.budget import Leave
from sync.agent.downstream import FetchPage
from sync.agent.faults import HubUntrusted, Refused
from sync.agent.parcels import missing_files
from sync.agent.retention import trim
from sync.agent.session import Fetch, Greet, Send, Worked
from sync.agent.store import identity, streams
from sync.core.segment import SegmentRefused
from sync.hub.intake.staging import SCHOOL_COLUMN
from sync.merge import row_hash
from sync.protocol import LANES
from sync.registry import TABLE
from tests.simulation import hub_files, invariants
from tests.simulation.accidents import ACTS, TAKES_AWAY
from tests.simulation.board import BORN_MS, FILE, Board
from tests.simulation.district import names
from tests.simulation.files import AT_ONCE, Ask, in_pieces
from tests.simulation.hub import Broken, Denied, Hub
from tests.simulation.invariants import Violation
from tests.simulation.metered import day_passes
from tests.simulation.network import Lost, carry, late_arrives
from tests.simulation.oracle import Oracle
from tests.simulation.orders import carry_out_orders, end_long_transaction
from tests.simulation.outlet import CursorUnknown
from tests.simulation.releases import of_next_release, update_hub
from tests.simulation.sticks import take_stick
from tests.simulation.work import Work

REQUESTS_AT_REST_MAX = 400  # far above what a world this small can need
ROUNDS_MAX = 60
LITTLE_MS = (0, 1, 1_000, 60_000)


class World:
    """Everything there is. `play` does one thing; `settle` mends the network and waits."""

    def __init__(self, seed, mix, folder, template, *, schools=2):
        self.dice = Random(seed)
        self.clock = Random(seed)  # apart from the dice: it may not change what happens
        self.mix = mix
        self.folder = Path(folder)
        self.template = template
        self.now_ms = BORN_MS
        self.oracle = Oracle()
        self.counts = Counter()
        self.ran_s = 0.0
        self.skew = contextlib.ExitStack()
        if mix.hub_release != "same":
            self.skew.enter_context(of_next_release())
        self.skew.enter_context(in_pieces())
        self.hub = Hub(self.dice, self.folder / "hub")
        self.handed_in, self.lost_files = set(), set()  # (school, content)
        self.hub.release = mix.hub_release
        self.hub.reads_receipts = mix.reads_receipts
        self.late, self.sticks, self.receipts, self.pages = [], [], [], []
        self.boards = []
        self.first_images = {}
        self.seen = {}
        self.work = Work(self)
        for _ in range(schools):
            self._first_board()
        del self.hub.journal[:-1]  # nobody goes back to before both schools were there

    def close(self):
        for board in self.boards:
            board.scrap()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.skew.close()

    def _first_board(self):
        school, node, epoch = (UUID(bytes=self.dice.randbytes(16)) for _ in range(3))
        board = Board(self.new_folder(), node, school, self.dice.randbytes(32), self.dice)
        shutil.copy(self.template, board.folder / FILE)
        board.boot()
        board.claim(self.hub, epoch)
        self.boards.append(board)
        self.work.found_school(board)
        self.first_images[node] = board.image()
        self.put_to_work(board)

    def put_to_work(self, board):
        board.meter(self.mix.day_bytes, lambda: self.ran_s)
        board.trust(is_lying=self.mix.is_lying)

    def new_folder(self):
        folder = self.folder / f"board-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        return folder

    def any_board(self):
        return self.dice.choice(self.boards)

    # Playing.

    def run(self, actions):
        for action in actions:
            self.play(action)
        self.settle()

    def play(self, action):
        self.dice.seed(action.seed)
        self.now_ms += self.clock.choice(LITTLE_MS)
        self.hub.now_ms = self.now_ms
        self.counts[action.name] += 1
        if action.name in TAKES_AWAY:
            invariants.i1_nothing_acknowledged_is_lost(self, self.held())
            invariants.i1_files_are_somewhere(self)
        ACTS[action.name](self)
        self.check_step()

    def check_step(self):
        for board in self.boards:
            self._check_board(board)
        for school in self.hub.schools.values():
            self._check_school(school)

    def _check_board(self, board):
        look, was = board.look(), self.seen.get(board)
        self.seen[board] = (board.life, look)
        if was is not None and was[1] is look:
            return
        if was is not None and was[0] == board.life:
            invariants.i2_no_regress(was[1].rows, look.rows, self.oracle, board.pruned())
            invariants.i12_stays_forgotten(board, was[1], look, self.oracle)
            invariants.i13_deleted_stays_deleted(was[1].rows, look.rows, look.conflicts)
        invariants.i4_chain_of_the_board(board, self.hub)
        invariants.i6_order_of_watermarks(board)
        invariants.i14_bounded(board)

    def _check_school(self, school):
        was = self.seen.get(school.school_id)
        now = (self.hub.rewinds, len(school.log), dict(school.rows))
        self.seen[school.school_id] = now
        if was is not None and was[:2] == now[:2]:
            return
        if was is not None and was[0] == now[0]:
            invariants.i2_no_regress(was[2], now[2], self.oracle)
            invariants.i13_deleted_stays_deleted(was[2], now[2], school.conflicts)
        invariants.i3_exactly_once(school)
        invariants.i4_chains_at_the_hub(school, self.hub)
        invariants.i7_every_row_is_accounted_for(school)
        invariants.i9_rows_stay_in_their_school(school)
        invariants.i9_no_file_without_its_row(school)
        invariants.i12_forgotten_at_the_hub(school, self.oracle)

    def check_captured(self, board):
        invariants.i16_capture_is_complete(board)

    # Talking.

    def exchange(self, board, badness):
        """Carry one request there and its answer back; False when there was none to carry."""
        while isinstance(request := self.next_request(board), Worked):
            continue
        if request is None:
            return carry_out_orders(self, board)
        self._look_at(board, request)
        answer = None
        try:
            answer = carry(self, board, request, badness)
            self._take(board, request, answer)
        except Broken:
            board.session.forget()
        except CursorUnknown:
            board.reading.give_up()
        except Refused as refusal:
            board.moving.hear(refusal=refusal)  # of a file; nothing else is refused here
        except (Lost, Denied, SegmentRefused, HubUntrusted):
            board.begin_session()  # the agent ends a conversation that was cut, and begins anew
            raise Lost from None
        finally:
            self.pay(board, request, answer)
        return True

    def _look_at(self, board, request):
        """What must hold of anything that leaves a board."""
        if isinstance(request, Send) and not self.mix.is_lying:
            invariants.i5_durable_before_it_leaves(board, request)
        if isinstance(request, Ask):
            self.counts["pieces"] += 1
            invariants.i14_rows_go_first(board)

    def pay(self, board, request, answer):
        if board.day_bytes and board.is_up:
            before = board.tap.pay(request, answer)
            invariants.demand(before < board.day_bytes, 14, "more was said than may be paid for")

    def next_request(self, board):
        leave, before = board.tap.leave, board.look() if board.day_bytes else None
        request = board.next_request(self.now_ms)
        if before is not None:
            self.counts[f"leave: {leave.name.lower()}"] += 1
            invariants.i14_what_it_may_cost(board, leave, before)
        for table, before, after in board.handed_over:
            images = [(table.name, row[0], row_hash(table, row)) for row in (before, after)]
            self.oracle.followed(*images)
        board.handed_over.clear()
        return request

    def _take(self, board, request, answer):
        board.touched.clear()
        match request:
            case Greet():
                board.session.take_hello(answer, now_ms=self.now_ms)
            case Send():
                waiting = board.look().waiting
                board.session.take_segment_answer(request, answer)
                if board.session._heard is not None:  # else it says hello before it goes on
                    invariants.i15_backlog_falls(waiting, board.look().waiting)
            case Fetch():
                board.session.take_page(answer, now_ms=self.now_ms)
            case FetchPage():
                board.reading.take_page(answer, now_ms=self.now_ms)
            case Ask():
                board.moving.hear(answer)
        self.check_captured(board)

    # What accidents need.

    def reboot(self, board):
        born = board.born
        try:
            board.power_cycle()
            if not self._is_sound(board, born):
                self._renew(board)
        except apsw.Error:
            self._renew(board)
        if self.mix.is_lying:
            self.accident()

    def _is_sound(self, board, born):
        """A disk that lies may leave pages of different days: whole, and at odds."""
        if board.db.value("PRAGMA quick_check(1)") != "ok":
            return False
        if not self.mix.is_lying:
            return True
        me = identity(board.db)
        if me is None or me.hub_id is None or len(streams(board.db, me.epoch)) != len(LANES):
            return False
        with contextlib.suppress(Violation):
            invariants.i2_no_regress(born.rows, board.look().rows, self.oracle)
            invariants.i4_chain_of_the_board(board, self.hub)
            invariants.i6_order_of_watermarks(board)
            invariants.i14_bounded(board)
            return True
        return False

    def _renew(self, board):
        """A disk that lies may leave no database at all; the keeper puts a backup in."""
        if not self.mix.is_lying:
            raise Violation("I5: a power cut left a broken database")
        self.counts["renewed"] += 1
        board.put_image(board.backup or self.first_images[board.node_id])

    def trim(self, board):
        trim(board.db, now_ms=self.now_ms, keep_ms=0, keep_bytes=0)

    def readmit(self, node_id):
        """A new key beside the old one, for every board that has this card."""
        key = SigningKey(self.dice.randbytes(32))
        for board in self.boards:
            if board.node_id == node_id:
                self.hub.enrol(board.school_id, node_id, key.verify_key.encode())
                board.key = key
                board.begin_session()

    def accident(self):
        """What is nowhere now was lost by the accident."""
        self.oracle.excuse(self.held())
        self.lost_files |= self.handed_in - invariants.kept_files(self)

    def is_poison(self, board, name, values):
        if any(isinstance(value, str) and "\0" in value for value in values):
            return True
        column = SCHOOL_COLUMN.get(name)
        return column and values[names(TABLE[name]).index(column)] != board.school_id.bytes

    # Rest.

    def settle(self):
        """No more accidents: come to rest, and look."""
        self.dice.seed(0)
        for board in self.boards:
            board.disk.is_lying = False
        end_long_transaction(self)
        for node_id in sorted(self.hub.revoked):
            self.readmit(node_id)
        if self.hub.release == "older":
            update_hub(self)
        self.hub.start()
        self.come_to_rest()
        if self.hub.listed and self.late_ones_come():
            self.come_to_rest()
        hub_files.tidy_much_later(self.hub)
        self.check()

    def come_to_rest(self):
        quiet = 0
        for _ in range(ROUNDS_MAX):
            self.now_ms += 1
            self.hub.now_ms = self.now_ms
            requests = sum(self.talk_out(board) for board in self.boards)
            is_quiet = not hub_files.tidy(self.hub) and not requests
            quiet = quiet + 1 if is_quiet else 0
            if quiet > self.turns_left():
                return
            day_passes(self)
        raise Violation("I15: the boards never come to rest")

    def turns_left(self):
        """While some files are nowhere, the others are asked for by turns."""
        missing = max(len(missing_files(board.db, board.files)) for board in self.boards)
        return missing if missing > AT_ONCE else 0

    def late_ones_come(self):
        """Every stick out of its drawer, every request that was under way; how many."""
        for stick in self.sticks:
            take_stick(self, stick, stick.requests)
        number = len(self.late) + len(self.sticks)
        while self.late:
            late_arrives(self)
        return number

    def talk_out(self, board):
        """Let one board finish; return how many requests changed something."""
        board.begin_session()
        for number in range(REQUESTS_AT_REST_MAX):
            try:
                if not self.exchange(board, 0):
                    is_spent = board.tap.leave is not Leave.ALL  # then the rest waits for a day
                    return max(number - 1 - board.asked_in_vain, 0) + is_spent  # less a hello
            except Lost:
                continue
        raise Violation("I15: one board never comes to rest")

    def check(self):
        held = self.held()
        self.check_step()
        invariants.i1_nothing_acknowledged_is_lost(self, held)
        invariants.i13_nothing_overtaken_is_back(self, held)
        for school_id in self.hub.schools:
            invariants.i1_no_file_is_lost(self, school_id)
        for board in self.boards:
            invariants.i4_hub_and_board_agree(self, board)
            invariants.i8_poison_blocks_nothing(self, board)
            invariants.i12_nobody_remembers(self, board)
            invariants.i10_all_agree(self, board)
            invariants.i15_nothing_waits(board)
            invariants.i3_orders_are_carried_out_once(self, board)
        self.counts["conflicts"] += len(self.conflicts())

    def held(self):
        """Every image that a live board or the hub has, current or put aside."""
        held = set().union(*(board.hashes() for board in self.boards))
        for school in self.hub.schools.values():
            held |= {(*key, row.hash) for key, row in school.rows.items()}
            held |= set(school.conflicts) | set(school.aside)
        return held

    @property
    def has_doubles(self):
        """Whether two states of one card have been at work."""
        return self.mix.is_lying or any(
            self.counts[name] for name in ("clone", "restore", "new_card", "old_card", "swap_cards")
        )

    def conflicts(self):
        """Images put beside, on any side; a person can look at each."""
        here = (board.look().conflicts for board in self.boards)
        there = (set(school.conflicts) for school in self.hub.schools.values())
        return set().union(*here, *there)

    def state(self):
        """What everybody ended with, for holding two runs against each other (I11)."""
        held = {key for key in self.held() if key[0] != "erasure_answer"}  # says when it was given
        return held, [sorted(board.look().rows) for board in self.boards]
