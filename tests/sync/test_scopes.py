"""The way down, decided without a clock, a socket or a database."""

from uuid import UUID

import pytest

from sync.core.scopes import (
    BeginAnew,
    Fate,
    FetchFeed,
    Reading,
    Replay,
    Source,
    Sweep,
    judge_cursor,
    judge_page,
    moved,
    next_scope_step,
)
from sync.protocol import FeedPage, ScopeCursor, ScopeState

HUB, OTHER_HUB = UUID(int=1), UUID(int=2)
DISTRICT, SCHOOL, OTHER_SCHOOL = UUID(int=10), UUID(int=11), UUID(int=12)
NODE, OTHER_NODE = UUID(int=20), UUID(int=21)
HERE = Source(HUB, "7301", 1, horizon=900)


def at(scope_id=SCHOOL, **given):
    usual = {"incarnation": HUB, "system": "7301", "timeline": 1, "xid": 800, "no": 5}
    return ScopeCursor(scope_id=scope_id, **(usual | given))


def beginning(scope_id=SCHOOL, incarnation=HUB):
    return ScopeCursor(scope_id=scope_id, incarnation=incarnation)


@pytest.mark.parametrize(
    ("cursor", "source", "newest", "expected"),
    [
        (at(), HERE, (800, 5), "level"),
        (at(), HERE, (800, 6), "behind"),
        (at(), HERE, (801, 1), "behind"),  # a later transaction may have drawn a lower number
        (at(), HERE, (0, 0), "level"),  # everything it read was purged
        (beginning(), HERE, (0, 0), "level"),
        (beginning(), HERE, (7, 1), "behind"),
        (None, HERE, (0, 0), "replace"),
        (beginning(incarnation=None), HERE, (0, 0), "replace"),
        (at(incarnation=OTHER_HUB), HERE, (800, 5), "replace"),
        (beginning(incarnation=OTHER_HUB), HERE, (800, 5), "replace"),
        (at(system="7302"), HERE, (800, 5), "replace"),  # another PostgreSQL
        (at(timeline=2), HERE, (800, 5), "replace"),  # a replica was promoted
        (at(xid=900), HERE, (800, 5), "replace"),  # the whole machine was put back
        (at(xid=900), Source(HUB, "7301", 1, 900, is_replica=True), (800, 5), "level"),
    ],
)
def test_a_cursor_counts_only_where_it_was_given(cursor, source, newest, expected):
    assert judge_cursor(cursor, source, newest) == expected


def test_a_page_ends_in_a_cursor_of_the_server_it_was_read_from():
    after = moved(beginning(), HERE, (850, 9))
    assert after == at(xid=850, no=9)
    assert judge_cursor(after, HERE, (850, 9)) == "level"


def page(since, cursor=None, node_id=NODE):
    ends = cursor or ScopeCursor(
        scope_id=since.scope_id,
        incarnation=since.incarnation,
        system="7301",
        timeline=1,
        xid=since.xid + 1,
    )
    return FeedPage(node_id=node_id, since=since, cursor=ends, rows=[], gone=[], more=False)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (page(at()), Fate.APPLIED),
        (page(at(xid=700)), Fate.STALE),  # repeated
        (page(at(xid=801)), Fate.STALE),  # came before the page it continues
        (page(beginning()), Fate.STALE),
        (page(at(), at(incarnation=OTHER_HUB, xid=801)), Fate.STALE),
        (page(at(), node_id=OTHER_NODE), Fate.FOREIGN),
        (page(at(OTHER_SCHOOL)), Fate.FOREIGN),
        (page(at(), at(DISTRICT, xid=801)), Fate.FOREIGN),
    ],
)
def test_only_the_page_that_continues_our_cursor_is_applied(said, expected):
    assert judge_page(said, NODE, {SCHOOL: at(), DISTRICT: beginning(DISTRICT)}) is expected


def heard(district="level", school="level"):
    return [
        ScopeState(scope_id=DISTRICT, state=district),
        ScopeState(scope_id=SCHOOL, state=school),
    ]


def reading(states, cursors, read, *, is_replacing=False, has_parked=False):
    return Reading(states, cursors, is_replacing, read, has_parked)


BOTH = {DISTRICT: at(DISTRICT), SCHOOL: at()}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (reading([], BOTH, set()), None),  # a hub of before
        (reading(heard(), BOTH, set()), None),
        (reading(heard(), BOTH, set(), has_parked=True), Replay()),
        (reading(heard("behind"), BOTH, set()), FetchFeed(at(DISTRICT))),
        (reading(heard("behind", "behind"), BOTH, {DISTRICT}), FetchFeed(at())),
        (reading(heard("behind", "behind"), BOTH, {DISTRICT, SCHOOL}), None),
        (reading(heard(school="replace"), BOTH, set()), BeginAnew([DISTRICT, SCHOOL])),
        (reading(heard(), {}, set()), BeginAnew([DISTRICT, SCHOOL])),
        (reading(heard(), {SCHOOL: at()}, set()), BeginAnew([DISTRICT, SCHOOL])),
        (
            reading(heard(), BOTH | {OTHER_SCHOOL: at(OTHER_SCHOOL)}, set()),
            BeginAnew([DISTRICT, SCHOOL]),
        ),
        (reading(heard(), BOTH, set(), is_replacing=True), FetchFeed(at(DISTRICT))),
        (reading(heard(), BOTH, {DISTRICT}, is_replacing=True), FetchFeed(at())),
        (reading(heard(), BOTH, {DISTRICT, SCHOOL}, is_replacing=True), Sweep()),
    ],
)
def test_the_next_step_follows_from_what_was_heard_and_what_is_stored(seen, expected):
    assert next_scope_step(seen) == expected
