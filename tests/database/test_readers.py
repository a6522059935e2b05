import asyncio
from threading import Event

import apsw
import pytest
from msgspec import Struct

from appliance.database.faults import ReportTooSlow
from appliance.database.readers import Readers

pytestmark = pytest.mark.anyio

FILL = "INSERT INTO seen (n) VALUES (1)"
COUNT = "SELECT count(*) AS n FROM seen"
ENDLESS = """
  WITH RECURSIVE up (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up)
SELECT count(*) FROM up
"""


class Counted(Struct):
    n: int


def counted(reader):
    return reader.row(Counted, COUNT).n


def counted_twice(reader, first_done, go_on):
    first = counted(reader)
    first_done.set()
    assert go_on.wait(5)
    return first, counted(reader)


@pytest.mark.parametrize("lane", ["read", "report"])
async def test_one_query_sees_one_state_of_the_school(readers, writer, lane):
    first_done, go_on = Event(), Event()
    reading = asyncio.create_task(getattr(readers, lane)(counted_twice, first_done, go_on))
    await asyncio.to_thread(first_done.wait)
    await writer.write(lambda tx: tx.run(FILL))
    go_on.set()
    assert await reading == (0, 0)
    assert await readers.read(counted) == counted(readers.here) == 1


async def test_two_reads_run_side_by_side_and_a_third_waits_its_turn(readers):
    started, go_on = [Event(), Event()], Event()
    both = [asyncio.create_task(readers.read(counted_twice, one, go_on)) for one in started]
    for one in started:
        await asyncio.to_thread(one.wait)
    third = asyncio.create_task(readers.read(counted))
    go_on.set()
    assert await asyncio.gather(*both, third) == [(0, 0), (0, 0), 0]


@pytest.mark.parametrize("sql", [FILL, "PRAGMA user_version = 7", "ATTACH ':memory:' AS x"])
async def test_a_report_can_do_nothing_but_read(readers, sql):
    with pytest.raises(apsw.AuthError):
        await readers.report(lambda reader: reader.value(sql))


async def test_a_report_ends_at_its_deadline_and_the_next_one_works(path):
    readers = Readers(path, report_ms_max=30)
    with pytest.raises(ReportTooSlow) as caught:
        await readers.report(lambda reader: reader.value(ENDLESS))
    assert caught.value.status == 503
    assert await readers.report(counted) == 0
    readers.close()


async def test_a_failing_query_gives_its_connection_back(readers):
    for _ in range(3):
        with pytest.raises(apsw.SQLError):
            await readers.read(lambda reader: reader.value("SELECT nothing"))
    assert await readers.read(counted) == 0
