"""What a box said of itself stands on the district's pages, in words, or that it said nothing."""

import pytest
from msgspec import structs

from sync.hub.fleet.health import box_lines, box_needs, size
from sync.hub.fleet.models import School
from tests.hub.cast import NOW_MS, new_id, rows, values

GB = 1_000_000_000
WELL = School(
    school_id=None,
    name="Hilltop School",
    state="well",
    contact_at_ms=NOW_MS,
    waiting=0,
    oldest_since_ms=None,
    app_version="0.2.0",
    quarantined=0,
    conflicts=0,
    has_two_live_epochs=False,
    clock_offset_ms=1_500,
    sampled_at_ms=NOW_MS,
    disk_free_bytes=12_400_000_000,
    temperature_mc=61_700,
    database_bytes=48_000_000,
    clients_max=31,
    wal_bytes=9_000_000,
    memory_bytes=61_000_000,
)


def said(**changes):
    lines = box_lines(structs.replace(WELL, **changes), hub_version="0.2.0")
    return {line.name: (line.value, line.state) for line in lines}


def test_a_box_that_is_well_says_so_and_needs_nothing():
    assert said() == {
        "Free space": ("12.4 GB", "good"),
        "Temperature": ("62 °C", "good"),
        "The school's records": ("48 MB", "quiet"),
        "Log beside the records": ("9 MB", "quiet"),
        "Memory of the box": ("61 MB", "quiet"),
        "Signed in then": ("31 people", "quiet"),
        "Clock": ("Right", "good"),
        "Version": ("0.2.0", "good"),
    }
    assert box_needs(WELL) == []


@pytest.mark.parametrize(
    ("changes", "name", "value", "state", "need"),
    [
        ({"disk_free_bytes": 199 << 20}, "Free space", "209 MB", "bad", "Card full"),
        ({"disk_free_bytes": 0}, "Free space", "less than 1 MB", "bad", "Card full"),
        ({"disk_free_bytes": 2 * GB}, "Free space", "2.0 GB", "wait", "Little space"),
        ({"temperature_mc": 76_000}, "Temperature", "76 °C", "wait", None),
        ({"temperature_mc": 85_000}, "Temperature", "85 °C", "bad", "Too hot"),
        ({"temperature_mc": -4_000}, "Temperature", "-4 °C", "good", None),
        ({"clock_offset_ms": -119_999}, "Clock", "Right", "good", None),
        ({"clock_offset_ms": -130_000}, "Clock", "2 minutes behind", "wait", "Clock wrong"),
        ({"clock_offset_ms": 3_700_000}, "Clock", "1 hour ahead", "wait", "Clock wrong"),
        ({"clock_offset_ms": -NOW_MS}, "Clock", "20,370 days behind", "wait", "Clock wrong"),
        ({"app_version": "0.1.0"}, "Version", "0.1.0", "quiet", None),
        ({"app_version": None}, "Version", "unknown", "good", None),
        ({"wal_bytes": 65 << 20}, "Log beside the records", "68 MB", "wait", "Log grows"),
        ({"clients_max": 1}, "Signed in then", "1 person", "quiet", None),
    ],
)
def test_what_is_said_and_what_somebody_should_see(changes, name, value, state, need):
    assert said(**changes)[name] == (value, state)
    needs = box_needs(structs.replace(WELL, **changes))
    assert [line.need for line in needs] == ([need] if need else [])
    assert all(line.advice for line in needs)


def test_what_was_not_said_is_not_made_up():
    nothing = dict.fromkeys(
        (
            "disk_free_bytes",
            "temperature_mc",
            "database_bytes",
            "clients_max",
            "sampled_at_ms",
            "wal_bytes",
            "memory_bytes",
        )
    )
    assert said(**nothing, clock_offset_ms=None).keys() == {"Version"}
    assert said(contact_at_ms=None) == {}
    assert box_needs(structs.replace(WELL, contact_at_ms=None, disk_free_bytes=0)) == []


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "less than 1 MB"), (999_999, "less than 1 MB"), (1_000_000, "1 MB"), (GB, "1.0 GB")],
)
def test_sizes_are_written_as_shops_write_them(count, words):
    assert size(count) == words


def sample(box, **given):
    usual = {"id": new_id(), "disk_free_bytes": 9 * GB, "temperature_mc": 50_000}
    return rows("health_sample", values("health_sample", box.school_id, **(usual | given)))


@pytest.mark.anyio
@pytest.mark.postgres
async def test_the_newest_reading_stands_on_both_pages(district):
    box = await district.school("Hilltop School")
    await district.school("Riverside School")
    page = f"/schools/{box.school_id}"
    assert "The box has not called yet" in (await district.client.get(page)).text
    await box.hello(app_version="0.1.0")
    assert "No reading has come yet" in (await district.client.get(page)).text
    await box.send(sample(box))
    assert "9.0 GB" in (await district.client.get(page)).text
    await box.send(sample(box, disk_free_bytes=1 << 20, temperature_mc=None))
    text = (await district.client.get(page)).text
    for words in ("1 MB", "Put in a larger card", "The newest reading came", "0.1.0"):
        assert words in text
    assert "9.0 GB" not in text
    assert "°C" not in text
    schools = (await district.client.get("/")).text
    assert schools.count("Card full") == 1
    listed = (await district.client.get("/api/v1/schools")).json()
    assert [school["disk_free_bytes"] for school in listed] == [1 << 20, None]
