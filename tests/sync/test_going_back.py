"""An agent on a file that a later release has used: what only that one knows waits for it."""

import pytest

from sync.agent.status import check_lines
from sync.agent.store import identity
from sync.registry import TABLES
from tests.sync.web import add_group, claim, wish

pytestmark = pytest.mark.anyio

LATER = max(table.number for table in TABLES) + 1
MARK = """
INSERT INTO sync_dirty (tbl, pk, lane, rank, day, seq, since_ms)
VALUES (?1, randomblob(16), 0, 0, 0, ?2, 0)
"""
WAITING = "SELECT tbl FROM sync_dirty"


async def test_rows_of_a_table_it_does_not_know_wait_and_hold_nothing_up(agent, box, db):
    claim(box)
    wish(box)
    await agent.one_try()
    for number in range(5_001):  # more than a segment has
        box.execute(MARK, (LATER, 1_000_000 + number))
    add_group(box, 10)
    await agent.one_try()
    assert {row[0] for row in db.tuples(WAITING)} == {LATER}
    assert len(db.tuples(WAITING)) == 5_001


async def test_marking_again_that_had_reached_such_a_table_comes_to_its_end(agent, box, db):
    claim(box)
    wish(box)
    await agent.one_try()
    box.execute("UPDATE sync_identity SET remark_tbl = ?1, remark_pk = x''", (LATER,))
    await agent.one_try()
    assert identity(db).remark_tbl is None


def test_a_comparison_that_the_later_release_made_is_shown_as_far_as_it_is_known(box, db):
    box.execute("INSERT INTO sync_check VALUES (?1, 7, 0, 0, 0, 1, NULL, NULL)", (LATER,))
    assert len(check_lines(db)) == 1
