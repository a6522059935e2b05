"""The protocol with one rule taken out: the suite must notice each of them.

None of these switches exists outside the tests. Each replaces one function for the length
of a world, and leaves everything else as it is.
"""

from contextlib import contextmanager

from msgspec import structs

from appliance.attachments import receiving
from sync.agent import blobs, budget, erasing, landing, recovery, retention, rows, sealing, session
from sync.agent.store import identity
from sync.core import node
from sync.core.hub import Arrival
from sync.core.node import Heard, judge_hello
from sync.core.segment import SegmentCorrupt
from sync.hub.intake import staging
from sync.hub.intake.merging import Tally
from sync.merge import BECOMES_CURRENT, Image, hash_of
from sync.protocol import BlobState
from tests.simulation import district, hub, releases
from tests.simulation.actions import FILES, MIXES, PEOPLE, mix
from tests.simulation.board import Board
from tests.simulation.district import School
from tests.simulation.hub import Crashed, Hub
from tests.simulation.replacing import replaced

FORGET_MARKER = "UPDATE sync_identity SET remark_tbl = NULL, remark_pk = NULL"
FORGET_DEBT = "UPDATE sync_identity SET recovery_due = 0, self_cursor = ?1"
IS_MARKED = "SELECT 1 FROM sync_dirty WHERE tbl = ?1 AND pk = ?2"
UNMARK = "DELETE FROM sync_dirty WHERE tbl = ?1 AND pk = ?2"
SYNCHRONOUS_NORMAL, SYNCHRONOUS_FULL = 1, 2
CRASH = 0.1
DROP_TRIGGER = "DROP TRIGGER IF EXISTS grade_captured"


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

    with replaced(rows, "keep_image", drop), replaced(School, "keep", drop):
        yield


def watermark_apart():
    """The hub moves its watermark, and merges in a transaction of its own."""

    def accept(self, school, segment, tables):
        school.move(segment, Tally(inserted=segment.header.rows))
        self.commit()
        if self.dice.random() < CRASH:
            raise Crashed
        tally = school.merge(segment.header, tables)
        self.commit()
        return tally

    return replaced(Hub, "accept", accept)


def answering_before_the_commit():
    """The hub acknowledges a segment, and commits some time later."""
    commit = Hub.commit

    def accept(self, school, segment, tables):
        tally = school.merge(segment.header, tables)
        school.move(segment, tally)
        if self.dice.random() < 0.5:
            commit(self)
        return tally

    return replaced(Hub, "accept", accept)


def a_trigger_is_missing():
    """Somebody migrated a table and forgot its capture."""
    boot = Board.boot

    def boot_without(self):
        boot(self)
        self.connection.execute(DROP_TRIGGER)

    return replaced(Board, "boot", boot_without)


def trimming_what_is_not_applied():
    """Payloads go when they are old, wherever the hub stands."""
    return replaced(retention, "min", lambda _applied, planned: planned)


def nothing_is_put_aside():
    """One row that cannot be merged refuses its segment, for ever."""

    def put_aside(*_args):
        raise SegmentCorrupt("this row cannot be merged")

    return replaced(School, "put_aside", put_aside)


def no_compare_and_swap():
    """A segment is taken in wherever the stream stands, and whatever it continues."""
    judge = hub.judge_segment

    def judge_nothing(*where):
        found = judge(*where)
        return Arrival.NEXT if found is Arrival.BROKEN else found

    return replaced(hub, "judge_segment", judge_nothing)


def no_signature():
    """A segment's signature is not looked at."""
    return replaced(hub, "check_any_signature", lambda *_args: None)


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


@contextmanager
def late_rows_not_asked_about():
    """The hub holds its list, and does not hold what arrives against it."""
    with (
        replaced(district, "without_erased", lambda batch, _people: batch),
        replaced(district, "is_about", lambda _refused, _people: False),
    ):
        yield


def no_list_beside_the_database():
    """A hub that was put back knows whom it is to forget from its database alone."""

    def forget_nobody(_hub):
        pass

    return replaced(hub, "erase_again", forget_nobody)


@contextmanager
def taking_anybody_back():
    """A box takes what a hub of yesterday still has, whoever it is about."""
    with (
        replaced(rows, "is_forgotten", lambda *_args: False),
        replaced(landing, "is_forgotten", lambda *_args: False),
    ):
        yield


def one_answer_for_all_copies():
    """What one copy of a card has forgotten counts as forgotten by all."""
    answered = "(SELECT ?1 AS epoch, erasure_id AS person_id FROM erasure_answer)"
    believing = erasing.TO_FORGET.replace("sync_forgotten", answered)
    return replaced(erasing, "TO_FORGET", believing)


@contextmanager
def answering_with_payloads_left():
    """A box says that it has forgotten while sealed segments still hold the person."""
    with (
        replaced(erasing, "are_traces_sealed", lambda _db: False),
        replaced(erasing, "_drop_payloads", lambda _db, _me: ()),
    ):
        yield


def reserve_for_anything():
    """The last part of a day's bytes carries whatever waits."""
    anything = sealing.READ_WAITING.replace("rank <= ?3", "?3 IS NOT NULL")
    return replaced(sealing, "READ_WAITING", anything)


def no_new_day():
    """Bytes are counted, and a day never ends."""
    return replaced(budget, "day_after", lambda _before, _local: 1)


def readings_first():
    """The lanes are served in any order, and this is one."""
    send_or_seal = node._send_or_seal
    return replaced(node, "_send_or_seal", lambda lanes: send_or_seal(lanes[::-1]))


def parked_for_ever():
    """Rows of a table that was unknown stay where they were put."""
    return replaced(releases, "replay_parked", lambda _hub, _school: None)


def strangers_dropped():
    """Of a newer board's row the hub keeps what it has a column for."""
    return replaced(School, "keep_whole", lambda _self, _batch: None)


def strangers_not_hashed():
    """A row is hashed without the columns that the hub has no place for."""
    return replaced(staging, "hash_of", lambda first, _late: hash_of(first, {}))


def custody_without_the_hubs_word():
    """A file counts as being at the district once its last piece was sent."""
    read_piece = blobs.Blobs._piece

    def piece(self, named, offset):
        found = read_piece(self, named, offset)
        if offset + len(found.data) == named.size_bytes:
            state = BlobState(
                sha256=named.sha256,
                size_bytes=named.size_bytes,
                have_bytes=named.size_bytes,
                is_whole=True,
                incarnation=identity(self._db).incarnation,
            )
            self._note_whole(named, state)
        return found

    return replaced(blobs.Blobs, "_piece", piece)


def named_without_hashing():
    """What was fetched gets its name as soon as it is long enough."""

    def keep(part, _named):
        part.rename(part.with_suffix(""))
        blobs.sync_path(part.parent)
        return True

    return replaced(blobs, "keep_if_whole", keep)


def pieces_before_rows():
    """A file that has begun goes on, whatever was handed in meanwhile."""
    begin = blobs.Blobs.__init__

    def hurry(self, *means):
        begin(self, *means[:-1], lambda: False)

    return replaced(blobs.Blobs, "__init__", hurry)


def row_before_its_file():
    """A file is named before it is on the card."""
    return replaced(receiving, "sync_path", lambda _path: None)


def lost_files_first():
    """The newest files are asked for again and again, whether anybody has them or not."""
    return replaced(blobs, "some_of", lambda wanted, _chance: wanted[: blobs.AT_ONCE_MAX])


REWIND = mix(network=0.1, restore=4, back_up=4, roll_hub_back=3, reads_receipts=False)

OF_YESTERDAY = mix(
    PEOPLE, network=0.1, district_erases=10, promote_replica=16, restore=4, back_up=4, clone=3
)

# Each rule with the accidents it is there for.
ABLATIONS = {
    "no hash compare in hello": (no_hash_compare, MIXES["clone and restore"]),
    "new epoch without re-push": (no_repush, MIXES["hub rollback, trimmed payloads"]),
    "recovered rows not marked dirty": (no_remarking_of_recovered_rows, REWIND),
    "recovery debt not persisted": (
        debt_in_memory,
        mix(network=0.4, clone=5, roll_hub_back=6),
    ),
    "no tie-break by row_hash": (no_tie_break, MIXES["clone and restore"]),
    "no sync_conflict": (no_conflict_table, MIXES["clone"]),
    "watermark outside the data transaction": (watermark_apart, MIXES["network"]),
    "sealing commit at NORMAL": (sealing_at_normal, MIXES["network"]),
    "answering before the commit": (answering_before_the_commit, mix(hub_crashes=20, trim=20)),
    "a trigger is missing": (a_trigger_is_missing, MIXES["network"]),
    "trimming what is not applied": (trimming_what_is_not_applied, mix(network=0.6, trim=30)),
    "nothing is put aside": (nothing_is_put_aside, MIXES["poison"]),
    "no compare-and-swap": (no_compare_and_swap, MIXES["clone"]),
    "signatures not looked at": (no_signature, MIXES["network"]),
    "late rows not held against the list": (
        late_rows_not_asked_about,
        MIXES["erasure, late sticks"],
    ),
    "no list beside the hub's database": (
        no_list_beside_the_database,
        MIXES["erasure, old cards and hubs"],
    ),
    "forgotten people taken back": (taking_anybody_back, OF_YESTERDAY),
    "one answer for all copies of a card": (
        one_answer_for_all_copies,
        MIXES["erasure, old cards and hubs"],
    ),
    "the reserve carries anything": (reserve_for_anything, MIXES["metered"]),
    "no new day": (no_new_day, MIXES["metered"]),
    "readings before hand-ins": (readings_first, MIXES["metered"]),
    "parked rows never replayed": (parked_for_ever, MIXES["older hub"]),
    "unknown columns dropped": (strangers_dropped, MIXES["older hub"]),
    "unknown columns not hashed": (strangers_not_hashed, MIXES["older hub"]),
    "custody without the hub's word": (custody_without_the_hubs_word, MIXES["files"]),
    "a fetched file named without hashing": (
        named_without_hashing,
        mix(FILES, network=0.12, breath=8, new_card=12, back_up=8),
    ),
    "pieces before rows": (pieces_before_rows, MIXES["files"]),
    "a row before its file": (row_before_its_file, mix(FILES, breath=4, power_fails=20)),
    "lost files ahead of all others": (lost_files_first, MIXES["files, restore and clone"]),
    "an answer while payloads are left": (answering_with_payloads_left, MIXES["erasure"]),
}
