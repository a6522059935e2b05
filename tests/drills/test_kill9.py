"""The drill finds what it is there to find: each kind of loss and each kind of doubling."""

import asyncio
from contextlib import closing
from uuid import UUID

import pytest

from appliance.database.agent import AgentDatabase
from demo.ledger import Draft, Fact, HandIn, Ledger, Mark, content_hash
from tests.drills.kill9 import (
    compare_drafts,
    compare_facts,
    compare_hand_ins,
    compare_marks,
    drill,
    repeated,
    unsent,
)
from tests.drills.small_school import make_small_school

MISSING = UUID(int=1)


@pytest.fixture
def db(tmp_path):
    make_small_school(tmp_path / "school.db", pupils=1)
    with closing(AgentDatabase(tmp_path / "school.db")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("rows", "named"),
    [([], []), ([("a", 1), ("a", 2)], []), ([("a", 1), ("a", 1)], ["revision ('a', 1)"])],
)
def test_a_number_given_twice_is_called_doubled(rows, named):
    assert repeated("revision", rows) == named


def test_a_row_that_no_phone_sent_is_called_doubled():
    assert unsent("fact", {MISSING.bytes: ()}, set()) == [f"fact {MISSING}"]
    assert unsent("fact", {MISSING.bytes: ()}, {MISSING}) == []


def an_acknowledged(kind):
    words = content_hash("words")
    return {
        "hand-in": Ledger(hand_ins={MISSING: HandIn(MISSING, MISSING, MISSING, words, "BCDFGH")}),
        "fact": Ledger(facts={MISSING: Fact(MISSING, MISSING, MISSING, 50)}),
        "mark": Ledger(marks={MISSING: Mark(MISSING, MISSING, 1000)}),
        "draft": Ledger(drafts={MISSING: Draft(MISSING, MISSING, 3, "words")}),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "compare"),
    [
        ("hand-in", lambda db, book: compare_hand_ins(db, book, {MISSING})),
        ("fact", lambda db, book: compare_facts(db, book, {MISSING})),
        ("mark", lambda db, book: compare_marks(db, book, {MISSING})),
        ("draft", compare_drafts),
    ],
)
def test_what_was_acknowledged_and_is_not_there_is_called_lost(db, kind, compare):
    found = compare(db, an_acknowledged(kind))
    assert found.lost == [f"{kind} {MISSING}"]
    assert found.twice == []


@pytest.mark.system
def test_two_kills_under_load_lose_and_double_nothing():
    result = asyncio.run(drill(2, seed=5))
    assert result.is_good, result
    assert result.kills == 2
    assert result.acknowledged > 50
