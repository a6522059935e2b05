"""Raw segments stand in the month they came, go with it, and stay while somebody needs them."""

import asyncio
import logging

import asyncpg
import pytest

from sync.hub import daily
from sync.hub.daily import every_day
from sync.hub.intake.months import KEEP_MS, turn_months
from tests.hub.cast import NOW_MS, facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

MONTH_MS = 31 * 86_400_000
PARTS = """
SELECT c.relname
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'sync_raw'::regclass
 ORDER BY c.relname
"""
WHERE = "SELECT tableoid::regclass::text AS part FROM sync_raw ORDER BY received_at_ms, log_no"


@pytest.fixture
async def hub(as_role):
    return await as_role("postgres")


async def parts(hub):
    return [row["relname"] for row in await hub.fetch(PARTS)]


async def places(hub):
    return [row["part"] for row in await hub.fetch(WHERE)]


async def test_this_month_and_the_two_after_it_are_made_before_the_hub_serves(district, hub):
    made = ["sync_raw_202510", "sync_raw_202511", "sync_raw_202512"]
    assert set(made) <= set(await parts(hub))
    box = await district.school()
    await box.send(facts(2))
    assert await places(hub) == ["sync_raw_202510"]


async def test_what_comes_outside_of_every_month_is_kept_seen_and_put_in_its_place(
    district, hub, watch, app
):
    box = await district.school()
    watch.now_ms = NOW_MS + 40 * MONTH_MS  # no other test makes this month
    await box.sign_in()
    await box.send(facts(2))
    assert await places(hub) == ["sync_raw_default"]
    metric = (await box.client.get("/metrics")).text
    assert "darasa_hub_raw_astray_bytes 0" not in metric
    await turn_months(app.state.hub)
    assert await places(hub) == ["sync_raw_202903"]
    await turn_months(app.state.hub)  # again: nothing to do
    assert await places(hub) == ["sync_raw_202903"]


async def test_old_months_are_dropped_whole_but_not_what_is_still_looked_at(
    district, hub, watch, app
):
    box = await district.school()
    await box.send(facts(1))
    await box.send(rows("grade", values("grade", points_mp=-1)))
    watch.now_ms = NOW_MS + KEEP_MS + 2 * MONTH_MS
    assert await turn_months(app.state.hub) == 0
    assert len(await places(hub)) == 2
    await hub.execute("UPDATE sync_quarantine SET resolved_at_ms = 1")
    assert await turn_months(app.state.hub) >= 1
    assert await places(hub) == []
    assert await hub.fetchval("SELECT count(*) FROM sync_inbox") == 2  # what became of them stays


async def test_months_are_turned_every_day_also_after_a_day_when_it_failed(
    district, hub, watch, app, monkeypatch, caplog
):
    box = await district.school()
    await box.send(facts(1))
    watch.now_ms = NOW_MS + KEEP_MS + 2 * MONTH_MS
    monkeypatch.setattr(daily, "EVERY_S", 0.01)
    await hub.execute("ALTER FUNCTION turn_raw_months RENAME TO turn_raw_months_away")
    with caplog.at_level(logging.INFO):
        turning = asyncio.create_task(every_day(turn_months, app.state.hub, after_s=0))
        try:
            await said(caplog, "daily work failed job=turn_months error=UndefinedFunctionError")
        finally:
            await hub.execute("ALTER FUNCTION turn_raw_months_away RENAME TO turn_raw_months")
        await said(caplog, "raw segments dropped months=")
        turning.cancel()
    assert await places(hub) == []


async def said(caplog, words):
    async with asyncio.timeout(20):
        while not any(message.startswith(words) for message in caplog.messages):  # noqa: ASYNC110 -- a log has no event
            await asyncio.sleep(0.01)


async def test_nobody_but_the_hub_turns_months(as_role):
    web = await as_role("darasa_web")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await web.fetchval("SELECT turn_raw_months(0, 0)")
