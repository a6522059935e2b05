"""The protocol with one rule taken out: the suite must notice each of them.

None of these switches exists outside the tests. Each replaces one function for the length
of a world, and leaves everything else as it is.
"""

from contextlib import contextmanager

from msgspec import structs

from sync.agent import recovery, rows, session
from sync.core.node import Heard, judge_hello
from sync.merge import BECOMES_CURRENT, Image
from tests.simulation.hub import Hub
from tests.simulation.world import MIXES, Lost, Mix

FORGET_MARKER = "UPDATE sync_identity SET remark_tbl = NULL, remark_pk = NULL"
FORGET_DEBT = "UPDATE sync_identity SET recovery_due = 0, self_cursor = ?1"
IS_MARKED = "SELECT 1 FROM sync_dirty WHERE tbl = ?1 AND pk = ?2"
UNMARK = "DELETE FROM sync_dirty WHERE tbl = ?1 AND pk = ?2"
SYNCHRONOUS_NORMAL, SYNCHRONOUS_FULL = 1, 2
CRASH = 0.1


@contextmanager
def replaced(owner, name, other):
    """Put `other` in the place of one function, and the function back."""
    ours = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, ours)


def no_hash_compare():
    """Hello compares numbers only, as a watermark would."""

    def judge(answer, *, own_hashes, **rest):
        believed = {each.lane: each.received_hash for each in answer.streams}
        return judge_hello(answer, own_hashes=believed, **rest)

    return replaced(session, "judge_hello", judge)


def no_repush():
    """A new epoch sends only what changes from then on."""

    def begin(db, **rest):
        recovery.begin_epoch(db, **rest)
        with db.changing() as tx:
            tx.run(FORGET_MARKER)

    return replaced(session, "begin_epoch", begin)


def no_remarking_of_recovered_rows():
    """Rows that come back from the hub count as sent."""
    merge_row = rows.merge_row

    def merge(db, tx, table, incoming, meeting):
        was_marked = db.value(IS_MARKED, (table.number, incoming[0]))
        outcome = merge_row(db, tx, table, incoming, meeting)
        if outcome in BECOMES_CURRENT and not was_marked:
            tx.run(UNMARK, (table.number, incoming[0]))
        return outcome

    return replaced(recovery, "merge_row", merge)


@contextmanager
def debt_in_memory():
    """The recovery debt and its cursor live in the conversation and end with it."""
    ours = session.Session
    do, me_now, forget, take_page = ours._do, ours._me, ours.forget, ours.take_page

    def begin_owing(self, step, me, stamp, size_max):
        do(self, step, me, stamp, size_max)
        if isinstance(step, session.BeginEpoch):
            with self._db.changing() as tx:
                tx.run(FORGET_DEBT, (me.self_cursor,))
            self._heard = Heard(None, pull=True)
            self.owes = True

    def me_owing(self):
        me = me_now(self)
        return structs.replace(me, self_cursor=0) if getattr(self, "owes", False) else me

    def forget_debt(self):
        forget(self)
        self.owes = False

    def take_first_page(self, page, *, now_ms):
        self.owes = False
        return take_page(self, page, now_ms=now_ms)

    with (
        replaced(ours, "_do", begin_owing),
        replaced(ours, "_me", me_owing),
        replaced(ours, "forget", forget_debt),
        replaced(ours, "take_page", take_first_page),
    ):
        yield


def no_tie_break():
    """Images are ordered by their counters alone."""
    return replaced(Image, "order", property(lambda self: (self.owner_epoch, self.version)))


@contextmanager
def no_conflict_table():
    """What is not current is dropped, on both sides."""

    def drop(*_args, **_rest):
        pass

    with replaced(rows, "keep_image", drop), replaced(Hub, "keep", drop):
        yield


def watermark_apart():
    """The hub moves its watermark, and merges in a transaction of its own."""

    def accept(self, school, segment, tables):
        self.move(school, segment)
        if self.dice.random() < CRASH:
            raise Lost
        self.merge(school, segment.header, tables)

    return replaced(Hub, "accept", accept)


def sealing_at_normal():
    """The sealing commit is not synced before the segment leaves."""
    seal_rows = session.seal_rows

    def seal(db, *args):
        db._connection.pragma("synchronous", SYNCHRONOUS_NORMAL)
        try:
            return seal_rows(db, *args)
        finally:
            db._connection.pragma("synchronous", SYNCHRONOUS_FULL)

    return replaced(session, "seal_rows", seal)


REWIND = Mix(network=0.1, restore=4, hub_rollback=3, reads_receipts=False)

# Each rule with the accidents it is there for.
ABLATIONS = {
    "no hash compare in hello": (no_hash_compare, MIXES["clone and restore"]),
    "new epoch without re-push": (no_repush, MIXES["hub rollback, trimmed"]),
    "recovered rows not marked dirty": (no_remarking_of_recovered_rows, REWIND),
    "recovery debt not persisted": (debt_in_memory, Mix(network=0.4, clone=5, hub_rollback=6)),
    "no tie-break by row_hash": (no_tie_break, MIXES["clone and restore"]),
    "no sync_conflict": (no_conflict_table, MIXES["clone"]),
    "watermark outside the data transaction": (watermark_apart, MIXES["network"]),
    "sealing commit at NORMAL": (sealing_at_normal, MIXES["network"]),
}
