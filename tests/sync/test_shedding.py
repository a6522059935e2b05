"""Telemetry is the first to go: after the district has it, or when the card is almost full."""

from uuid import UUID

import pytest

from appliance.room import Card
from sync.agent import shedding
from sync.agent.recovery import still_wanted
from sync.agent.shedding import KEPT, KEPT_IN_NEED, KEPT_UNSENT, shed
from sync.registry import TABLE
from tests.sync.web import NOW_MS, add_group, claim, wish

pytestmark = pytest.mark.anyio

ADD_SAMPLE = """
INSERT INTO health_sample (id, at_ms, clock_quality, disk_free_bytes, database_bytes,
                           wal_bytes, memory_bytes, temperature_mc, clients_max)
VALUES (?1, ?2, 1, 1000000, 2000, 300, 40000, 51000, 12)
"""
LEFT = "SELECT count(*), min(id) FROM health_sample"


def samples(box, count, first=1):
    for number in range(first, first + count):
        box.execute(ADD_SAMPLE, (UUID(int=number), NOW_MS + number))


async def test_readings_follow_the_schools_work_in_a_lane_of_their_own(agent, web, box, db):
    claim(box)
    samples(box, 3)
    wish(box)
    await agent.one_try()
    samples(box, 1, first=4)
    add_group(box, 10)
    await agent.one_try()
    lanes = [path.split("/")[-3] for method, path in web.asked if method == "PUT"]
    assert lanes == ["0", "1", "0", "1"]


async def test_what_the_district_has_goes_after_sixty_days(agent, web, box, db, tmp_path):
    claim(box)
    wish(box)
    samples(box, KEPT + 5)
    assert shed(db, tmp_path, now_ms=NOW_MS) == 0  # the district has nothing yet
    await agent.one_try()
    assert shed(db, tmp_path, now_ms=NOW_MS) == 5
    assert db.tuples(LEFT) == [(KEPT, UUID(int=6).bytes)]
    assert shed(db, tmp_path, now_ms=NOW_MS) == 0
    assert db.value("SELECT count(*) FROM sync_dirty") == 0  # letting go is no change
    gone, kept = (UUID(int=5).bytes, NOW_MS), (UUID(int=6).bytes, NOW_MS)
    table = TABLE["health_sample"]
    assert still_wanted(db, table, [gone, kept]) == [kept]
    assert still_wanted(db, TABLE["person"], [gone, kept]) == [gone, kept]


def test_unsent_readings_have_a_bound_and_none_of_it_on_a_full_card(box, db, tmp_path, monkeypatch):
    claim(box)
    samples(box, KEPT_UNSENT + 7)
    assert shed(db, tmp_path, now_ms=NOW_MS) == 7
    monkeypatch.setattr(
        shedding, "card_of", lambda _folder: Card(total_bytes=1 << 34, free_bytes=0)
    )
    assert shed(db, tmp_path, now_ms=NOW_MS) == KEPT_UNSENT - KEPT_IN_NEED
    assert db.tuples(LEFT)[0][0] == KEPT_IN_NEED
