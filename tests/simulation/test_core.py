"""Every decision of the core by itself: tables for the judgments, properties for the merge."""

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sync.core import node, scopes
from sync.core.columns import Rows, pack, unpack
from sync.core.hub import Arrival, Position, has_rows_to_pull, judge_segment, was_rolled_back
from sync.core.node import (
    BeginEpoch,
    FetchPage,
    Fork,
    Heard,
    LaneView,
    MarkRows,
    Rest,
    SayHello,
    SealRows,
    SendSegment,
    View,
)
from sync.core.scopes import Fate, Source
from sync.merge import (
    BECOMES_CURRENT,
    COMPARED,
    CONFLICTS,
    Image,
    Outcome,
    digest,
    digest_part,
    hash_of,
    image_of,
    judge,
    order_of,
    row_hash,
)
from sync.protocol import (
    FeedPage,
    Hello,
    Receipt,
    ScopeCursor,
    ScopeState,
    SegmentHeader,
    StreamPosition,
    StreamState,
    decode,
    encode,
)
from sync.registry import TABLE, TABLES

HERE, THERE = UUID(int=1), UUID(int=2)
EPOCH, OTHER = UUID(int=3), UUID(int=4)
A, B, C = (bytes([letter]) * 32 for letter in b"abc")

# What a node does next.

LEVEL = Heard(fork=None, pull=False)
BEHIND = Heard(fork=None, pull=True)
FORKED = Heard(fork=Fork.OTHER_HISTORY, pull=True)
DAMAGED = Heard(fork=Fork.PAYLOAD_DAMAGED, pull=False)
DONE = LaneView(0, 3, 3, has_waiting=False)
UNSENT = LaneView(0, 3, 1, has_waiting=True)
WAITING = LaneView(0, 3, 3, has_waiting=True)
LATER = LaneView(1, 2, 2, has_waiting=True)


@pytest.mark.parametrize(
    ("heard", "marks", "owes", "lanes", "step"),
    [
        (None, True, True, [UNSENT], SayHello()),
        (FORKED, True, True, [UNSENT], BeginEpoch(Fork.OTHER_HISTORY)),
        (DAMAGED, True, True, [UNSENT], BeginEpoch(Fork.PAYLOAD_DAMAGED)),
        (LEVEL, True, True, [UNSENT], MarkRows()),
        (LEVEL, False, True, [UNSENT], FetchPage()),
        (BEHIND, False, False, [UNSENT], FetchPage()),
        (BEHIND, False, True, [UNSENT], FetchPage()),
        (LEVEL, False, False, [UNSENT], SendSegment(0, 2)),
        (LEVEL, False, False, [WAITING, LATER], SealRows(0)),
        (LEVEL, False, False, [DONE, LATER], SealRows(1)),
        (LEVEL, False, False, [DONE, DONE], Rest()),
        (LEVEL, False, False, [], Rest()),
    ],
)
def test_the_next_step_follows_from_what_is_there(heard, marks, owes, lanes, step):
    assert node.next_step(View(heard, marks, owes, lanes)) == step


def hello(*streams, incarnation=HERE):
    return Hello(
        node_id=UUID(int=9),
        epoch=EPOCH,
        streams=list(streams),
        incarnation=incarnation,
        pull=False,
        exceptions=[],
        hub_time_ms=0,
        receipt=None,
        nonce=bytes(16),
    )


def at(lane, n, hashed):
    return StreamPosition(lane=lane, received_n=n, received_hash=hashed, applied_n=n)


def own(lane, cur_n, trimmed_n):
    return StreamState(lane=lane, cur_n=cur_n, cur_hash=C, trimmed_n=trimmed_n)


@pytest.mark.parametrize(
    ("answer", "known", "streams", "hashes", "fork"),
    [
        (hello(at(0, 2, A)), HERE, [own(0, 3, 1)], {0: A}, None),
        (hello(at(0, 2, A)), None, [own(0, 3, 1)], {0: A}, None),
        (hello(at(0, 3, A)), HERE, [own(0, 3, 3)], {0: A}, None),
        (hello(at(0, 2, A)), THERE, [own(0, 3, 1)], {0: A}, Fork.NEW_INCARNATION),
        (hello(at(0, 4, A)), HERE, [own(0, 3, 1)], {0: None}, Fork.HUB_AHEAD),
        (hello(at(0, 3, A), at(9, 1, B)), HERE, [own(0, 3, 1)], {0: A, 9: None}, Fork.HUB_AHEAD),
        (hello(at(0, 4, A)), HERE, [own(0, 3, 1)], {0: A}, Fork.HUB_AHEAD),
        (hello(at(0, 2, B)), HERE, [own(0, 3, 1)], {0: A}, Fork.OTHER_HISTORY),
        (hello(at(0, 1, A)), HERE, [own(0, 3, 2)], {0: A}, Fork.PAYLOAD_GONE),
        (
            hello(at(0, 2, A), at(1, 1, B)),
            HERE,
            [own(0, 3, 1), own(1, 1, 0)],
            {0: A, 1: A},
            Fork.OTHER_HISTORY,
        ),
        (
            hello(at(0, 2, A), at(1, 1, A)),
            HERE,
            [own(0, 3, 1), own(1, 1, 0)],
            {0: A, 1: A},
            None,
        ),
    ],
)
def test_hello_shows_when_a_lineage_must_be_left(answer, known, streams, hashes, fork):
    found = node.judge_hello(answer, incarnation=known, streams=streams, own_hashes=hashes)
    assert found is fork


# What the hub decides.


def header(n, prev_hash):
    return SegmentHeader(
        hub_id=HERE,
        node_id=HERE,
        school_id=HERE,
        epoch=EPOCH,
        lane=0,
        n=n,
        prev_hash=prev_hash,
        rows=1,
        body_size=0,
        body_raw_size=0,
        body_sha256=A,
        schema_version=1,
        app_version="",
        sealed_at_ms=0,
        clock_quality=0,
    )


@pytest.mark.parametrize(
    ("n", "prev_hash", "hash_at_n", "arrival"),
    [
        (4, A, None, Arrival.NEXT),
        (4, B, None, Arrival.BROKEN),
        (5, A, None, Arrival.BROKEN),
        (2, A, None, Arrival.BROKEN),  # a number that is taken, though it follows what is here
        (2, B, C, Arrival.REPEATED),
        (3, A, C, Arrival.REPEATED),
        (3, A, B, Arrival.BROKEN),
        (2, B, B, Arrival.BROKEN),
        (5, A, C, Arrival.BROKEN),
    ],
)
def test_a_segment_is_next_repeated_or_broken(n, prev_hash, hash_at_n, arrival):
    assert judge_segment(header(n, prev_hash), C, Position(3, A), hash_at_n) is arrival


def receipt(incarnation, log_hash):
    return Receipt(
        hub_id=HERE,
        incarnation=incarnation,
        school_id=HERE,
        node_id=HERE,
        epoch=EPOCH,
        lane=0,
        received_n=1,
        received_hash=A,
        applied_n=1,
        no=1,
        log_hash=log_hash,
        issued_at_ms=0,
    )


@pytest.mark.parametrize(
    ("incarnation", "log_hash", "here", "is_back"),
    [
        (HERE, A, A, False),
        (HERE, A, B, True),
        (HERE, A, None, True),
        (THERE, A, B, False),
        (THERE, A, A, False),
    ],
)
def test_a_hub_knows_by_its_own_receipt_that_it_went_back(incarnation, log_hash, here, is_back):
    assert was_rolled_back(receipt(incarnation, log_hash), HERE, here) is is_back


@pytest.mark.parametrize(
    ("heads", "cursor", "has_rows"),
    [
        ({}, 0, False),
        ({OTHER: 5}, 4, True),
        ({OTHER: 5}, 5, False),
        ({OTHER: 5}, 6, False),
        ({EPOCH: 9}, 4, False),
        ({EPOCH: 9, OTHER: 5}, 4, True),
        ({EPOCH: 9, OTHER: 5}, 5, False),
    ],
)
def test_there_is_something_to_pull_when_another_epoch_wrote_later(heads, cursor, has_rows):
    assert has_rows_to_pull(heads, EPOCH, cursor) is has_rows


# The way down.

SOURCE = Source(HERE, "postgres-1", 3, 100)
AT_50 = ScopeCursor(scope_id=OTHER, incarnation=HERE, system="postgres-1", timeline=3, xid=50, no=7)
BEGUN = ScopeCursor(scope_id=OTHER, incarnation=HERE)


@pytest.mark.parametrize(
    ("change", "source", "counts"),
    [
        ({}, {}, True),
        ({"incarnation": THERE}, {}, False),
        ({"system": "postgres-2"}, {}, False),
        ({"timeline": 2}, {}, False),
        ({"xid": 99}, {}, True),
        ({"xid": 100}, {}, False),
        ({"xid": 101}, {}, False),
        ({"xid": 101}, {"is_replica": True}, True),
        ({"xid": 50, "timeline": 2}, {"is_replica": True}, False),
        ({"system": "", "timeline": 0, "xid": 0, "no": 0}, {}, True),
        ({"system": "", "timeline": 0, "xid": 0, "no": 1}, {}, False),
        ({"system": "", "timeline": 0, "xid": 0, "no": 0, "incarnation": THERE}, {}, False),
    ],
)
def test_a_cursor_counts_where_it_was_given(change, source, counts):
    cursor, here = structs.replace(AT_50, **change), structs.replace(SOURCE, **source)
    assert scopes.counts_here(cursor, here) is counts


PLACES = st.builds(
    lambda xid, no: structs.replace(AT_50, xid=xid, no=no), st.integers(0, 99), st.integers(0, 3)
)


@given(PLACES, PLACES)
def test_cursors_are_compared_by_transaction_then_number(one, other):
    newest = scopes.place(other)
    state = scopes.judge_cursor(one, SOURCE, newest)
    assert state == ("behind" if (other.xid, other.no) > (one.xid, one.no) else "level")
    assert scopes.place(scopes.moved(one, SOURCE, newest)) == newest
    assert scopes.judge_cursor(scopes.moved(one, SOURCE, newest), SOURCE, newest) == "level"


def test_a_cursor_that_counts_nothing_is_replaced_and_a_moved_one_names_its_source():
    assert scopes.judge_cursor(None, SOURCE, (0, 0)) == "replace"
    assert scopes.judge_cursor(structs.replace(AT_50, timeline=2), SOURCE, (0, 0)) == "replace"
    assert scopes.moved(BEGUN, SOURCE, (50, 7)) == AT_50
    assert scopes.judge_cursor(BEGUN, SOURCE, (0, 0)) == "level"
    assert scopes.judge_cursor(BEGUN, SOURCE, (1, 0)) == "behind"


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        ({}, Fate.APPLIED),
        ({"node_id": THERE}, Fate.FOREIGN),
        ({"since": structs.replace(AT_50, no=8)}, Fate.STALE),
        ({"since": structs.replace(AT_50, scope_id=HERE)}, Fate.FOREIGN),
        ({"cursor": structs.replace(AT_50, xid=60, scope_id=HERE)}, Fate.FOREIGN),
        ({"cursor": structs.replace(AT_50, xid=60, incarnation=THERE)}, Fate.STALE),
        ({"since": BEGUN, "cursor": structs.replace(AT_50, incarnation=THERE)}, Fate.STALE),
    ],
)
def test_only_the_page_that_continues_our_cursor_is_applied(change, fate):
    page = FeedPage(
        node_id=HERE,
        since=AT_50,
        cursor=structs.replace(AT_50, xid=60),
        rows=[],
        gone=[],
        more=False,
    )
    cursors = {OTHER: AT_50}
    assert scopes.judge_page(structs.replace(page, **change), HERE, cursors) is fate


DISTRICT, SCHOOL = UUID(int=20), UUID(int=21)
CURSORS = {
    DISTRICT: structs.replace(AT_50, scope_id=DISTRICT),
    SCHOOL: structs.replace(AT_50, scope_id=SCHOOL),
}


def reading(district, school, *, cursors=None, is_replacing=False, read=(), has_parked=False):
    heard = [
        ScopeState(scope_id=DISTRICT, state=district),
        ScopeState(scope_id=SCHOOL, state=school),
    ]
    return scopes.Reading(
        heard, CURSORS if cursors is None else cursors, is_replacing, set(read), has_parked
    )


@pytest.mark.parametrize(
    ("now", "step"),
    [
        (structs.replace(reading("behind", "behind"), heard=[]), None),
        (structs.replace(reading("behind", "behind", has_parked=True), heard=[]), None),
        (reading("replace", "level", has_parked=True), scopes.Replay()),
        (reading("replace", "level"), scopes.BeginAnew([DISTRICT, SCHOOL])),
        (reading("level", "replace"), scopes.BeginAnew([DISTRICT, SCHOOL])),
        (reading("level", "level", cursors={}), scopes.BeginAnew([DISTRICT, SCHOOL])),
        (
            reading("level", "level", cursors=CURSORS | {HERE: AT_50}),
            scopes.BeginAnew([DISTRICT, SCHOOL]),
        ),
        (reading("behind", "behind"), scopes.FetchFeed(CURSORS[DISTRICT])),
        (reading("behind", "behind", read=[DISTRICT]), scopes.FetchFeed(CURSORS[SCHOOL])),
        (reading("level", "behind"), scopes.FetchFeed(CURSORS[SCHOOL])),
        (reading("level", "level"), None),
        (reading("behind", "behind", read=[DISTRICT, SCHOOL]), None),
        (reading("level", "level", is_replacing=True), scopes.FetchFeed(CURSORS[DISTRICT])),
        (
            reading("level", "level", is_replacing=True, read=[DISTRICT]),
            scopes.FetchFeed(CURSORS[SCHOOL]),
        ),
        (reading("level", "level", is_replacing=True, read=[DISTRICT, SCHOOL]), scopes.Sweep()),
    ],
)
def test_scopes_are_read_in_order_and_swept_when_all_are_read(now, step):
    assert scopes.next_scope_step(now) == step


# The merge.

IMAGES = st.builds(
    Image,
    owner_epoch=st.integers(0, 1),
    version=st.integers(1, 2),
    row_hash=st.sampled_from([A, B]),
    src_epoch=st.sampled_from([b"a" * 16, b"b" * 16]),
)


def joined(*images):
    """What is current after these have come in this order."""
    current = None
    for incoming in images:
        if judge(current, incoming) in BECOMES_CURRENT:
            current = incoming
    return current.order


def kept(*images):
    """Orders of everything current or beside after these have come in this order."""
    current, beside = None, set()
    for incoming in images:
        outcome = judge(current, incoming)
        if outcome in CONFLICTS:
            beside.add((current if outcome is Outcome.DISPLACED else incoming).order)
        if outcome in BECOMES_CURRENT:
            current = incoming
    return beside | {current.order}


@given(IMAGES, IMAGES)
def test_the_merge_is_commutative_and_idempotent(one, other):
    assert joined(one, other) == joined(other, one)
    assert joined(one, one) == joined(one) == one.order
    assert joined(one, other, one, other) == joined(one, other)


@given(IMAGES, IMAGES, IMAGES)
def test_the_merge_is_associative_and_monotone(one, two, three):
    assert {joined(*order) for order in itertools.permutations((one, two, three))} == {
        max(one.order, two.order, three.order)
    }
    assert joined(one, two) >= one.order


@given(st.lists(IMAGES, min_size=2, max_size=5))
def test_of_two_lineages_nothing_is_dropped(images):
    """The newest image of each lineage is current or beside, in whatever order they come."""
    for epoch in {image.src_epoch for image in images}:
        latest = max(image.order for image in images if image.src_epoch == epoch)
        overtaken = {image.order for image in images if image.order > latest}
        assert latest in kept(*images) or overtaken


@pytest.mark.parametrize(
    ("current", "incoming", "outcome"),
    [
        (None, (0, 1, A, "x"), Outcome.INSERTED),
        ((0, 1, A, "x"), (0, 1, A, "x"), Outcome.DUPLICATE),
        ((0, 1, A, "x"), (0, 1, A, "y"), Outcome.DUPLICATE),
        ((0, 1, A, "x"), (0, 2, B, "x"), Outcome.UPDATED),
        ((0, 2, A, "x"), (0, 1, B, "x"), Outcome.SUPERSEDED),
        ((1, 1, A, "x"), (0, 2, B, "x"), Outcome.SUPERSEDED),
        ((0, 1, A, "x"), (0, 2, B, "y"), Outcome.DISPLACED),
        ((0, 2, A, "x"), (0, 1, B, "y"), Outcome.OUTRANKED),
        ((0, 1, A, "x"), (0, 1, B, "x"), Outcome.DISPLACED),
        ((0, 1, B, "x"), (0, 1, A, "x"), Outcome.OUTRANKED),
        ((0, 2, B, "x"), (1, 1, A, "y"), Outcome.DISPLACED),
    ],
)
def test_what_becomes_of_an_image(current, incoming, outcome):
    held = None if current is None else Image(*current[:3], current[3].encode())
    assert judge(held, Image(*incoming[:3], incoming[3].encode())) is outcome


def group(version=1, owner_epoch=0, updated_at_ms=5, name="صف"):
    return (A[:16], B[:16], name, None, None, version, owner_epoch, None, updated_at_ms, None)


def test_a_rows_order_is_its_counters_and_its_hash_its_content():
    table, grade = TABLE["class_group"], TABLE["grade"]
    assert order_of(table, group(version=7, owner_epoch=2)) == (2, 7)
    assert order_of(grade, (A[:16],) * 9) == (0, 1)
    assert row_hash(table, group()) == row_hash(table, group(updated_at_ms=6))
    assert row_hash(table, group()) != row_hash(table, group(name="Classe"))
    assert row_hash(table, group()) != row_hash(table, group(version=2))
    image = image_of(table, group(version=7), b"e" * 16)
    assert image == Image(0, 7, row_hash(table, group(version=7)), b"e" * 16)


def test_a_column_that_came_later_counts_by_its_name_and_only_when_it_holds_something():
    assert hash_of([1], {"nick": None}) == hash_of([1], {})
    assert hash_of([1], {"nick": "Noor"}) != hash_of([1], {})
    assert hash_of([1], {"nick": "Noor"}) != hash_of([1], {"name": "Noor"})
    assert hash_of([1], {"a": 1, "b": None}) == hash_of([1], {"b": None, "a": 1})


def test_compared_is_what_the_box_owns_and_may_not_let_go_of():
    left_out = {table.name for table in TABLES} - {table.name for table in COMPARED}
    hub_s = {"announcement", "setting", "command", "proposal_decision", "erasure"}
    assert left_out == hub_s | {"health_sample"}


@given(st.permutations([(A[:16], 1, A), (B[:16], 2, B), (C[:16], 3, C)]))
def test_a_digest_does_not_depend_on_order_and_notices_every_part(rows):
    assert digest(rows) == digest(sorted(rows)) == sum(digest_part(*row) for row in rows) % 2**64
    assert digest(rows[1:]) != digest(rows)
    assert digest([]) == 0
    pk, version, hashed = rows[0]
    changed = [(C, version, hashed), (pk, version + 1, hashed), (pk, version, hashed[::-1] + b"!")]
    assert digest_part(*rows[0]) < 2**64
    assert all(digest_part(*other) != digest_part(*rows[0]) for other in changed)


# Codecs.

CELL = {
    "id": st.binary(min_size=16, max_size=16),
    "int": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(max_size=90),
    "blob": st.binary(max_size=90),
}
ROWS_OF = st.sampled_from(TABLES).flatmap(
    lambda table: st.lists(
        st.tuples(*(st.none() | CELL[column.type] for column in table.columns)),
        min_size=1,
        max_size=6,
    ).map(lambda rows: Rows(table.name, tuple(c.name for c in table.columns), rows))
)


@given(ROWS_OF)
def test_rows_survive_their_columns(rows):
    assert unpack(pack(rows)) == rows
    block = pack(rows)
    assert unpack(decode(encode(block), type(block))) == rows


CURSOR = st.builds(
    ScopeCursor,
    scope_id=st.uuids(),
    incarnation=st.none() | st.uuids(),
    system=st.text("0123456789", max_size=40),
    timeline=st.integers(0, 2**63 - 1),
    xid=st.integers(0, 2**63 - 1),
    no=st.integers(0, 2**63 - 1),
)


@given(CURSOR)
def test_cursors_survive_the_wire(cursor):
    assert decode(encode(cursor), ScopeCursor) == cursor
