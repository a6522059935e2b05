"""A desk over the real database, and orders that came down."""

import asyncio

import pytest

from appliance.clock import CERTAIN
from appliance.orders.watch import Desk
from tests.box import running_box
from tests.cast import NOW_MS
from tests.orders.cast import came_down, ordered


@pytest.fixture
def answer(writer, readers):
    """Answer what waits, under a clock that is sure unless said otherwise."""

    def answer(*, now_ms=NOW_MS, quality=CERTAIN):
        return asyncio.run(Desk(writer, readers, lambda: now_ms, lambda: quality).answer_all())

    return answer


@pytest.fixture
def order(write, school):
    def order(kind, payload, **values):
        return write(ordered, school, kind, payload, **values)

    return order


@pytest.fixture
def down(write):
    return lambda table, **values: write(came_down, table, **values)


@pytest.fixture
def told(db):
    """Return (state, reason) of a command, None while it waits; two answers are a failure."""

    def told(command_id):
        found = db._connection.execute(
            "SELECT state, reason FROM command_result WHERE command_id = ?1", (command_id,)
        ).fetchall()
        assert len(found) <= 1
        return found[0] if found else None

    return told


@pytest.fixture
def box(database, writer):
    with running_box(database) as client:
        yield client
