"""The district's list says what is true now, not at the last hello."""

import pytest

from tests.hub.cast import NOW_MS, Box, facts

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
async def box(district):
    return await district.school()


async def listed(district):
    (school,) = (await district.client.get("/api/v1/schools")).json()
    return school


async def test_what_has_arrived_waits_no_longer(box, district):
    await box.hello()
    assert (await listed(district))["waiting"] == 3
    await box.send(facts(1))
    school = await listed(district)
    assert (school["waiting"], school["oldest_since_ms"]) == (2, NOW_MS - 1_000)
    await box.send(facts(2))
    school = await listed(district)
    assert (school["waiting"], school["oldest_since_ms"], school["state"]) == (0, None, "well")


async def test_a_segment_that_comes_twice_is_counted_once(box, district):
    await box.hello()
    sealed = box.seal(facts(1))
    for _ in range(2):
        assert (await box.put(sealed)).status_code == 200
    assert (await listed(district))["waiting"] == 2


async def test_a_replaced_box_that_still_sends_is_shown(box, district, client, watch):
    await box.hello()
    watch.now_ms += 60_000
    token = await district.token(mode="replace", school_id=str(box.school_id))
    new = Box(client)
    await new.enrol(token, mode="replace", school_id=None)
    await new.sign_in()
    await new.hello()
    assert (await listed(district))["has_two_live_epochs"] is False
    watch.now_ms += 60_000
    await box.hello()
    school = await listed(district)
    assert (school["has_two_live_epochs"], school["state"]) == (True, "trouble")
