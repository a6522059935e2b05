"""Lessons, room on the card, and how the box stopped: what housekeeping asks before it begins."""

from datetime import datetime

import pytest
from msgspec import structs

from appliance.maintenance.box import conditions
from appliance.maintenance.guards import almost_full, little_space, weak_power, worn_today
from appliance.maintenance.lessons import is_lesson_time, timetable
from appliance.maintenance.room_keeping import RUNS_KEPT_IN_NEED, make_room
from appliance.room import MIB, Card, keep_reserve
from appliance.telemetry.power import Power

LARGE = 32_000 * MIB


@pytest.mark.parametrize(
    ("hours", "time", "is_lesson"),
    [
        ("7:30-12,13-16", "07:09", False),
        ("7:30-12,13-16", "07:10", True),  # the first bell rings in twenty minutes
        ("7:30-12,13-16", "12:19", True),
        ("7:30-12,13-16", "12:30", False),
        ("7:30-12,13-16", "12:40", True),
        ("8-12,14-16", "13:00", False),
        ("8-12,14-16", "16:19", True),
        ("8-12,14-16", "16:20", False),
        ("22-2", "01:00", True),  # a boarding school
        ("22-2", "12:00", False),
        ("0-24", "03:00", True),
        ("", "10:00", False),
    ],
)
def test_lessons_have_hours_and_twenty_minutes_around(hours, time, is_lesson):
    local = datetime.fromisoformat(f"2026-09-21T{time}")
    assert is_lesson_time(timetable(hours), local) is is_lesson


@pytest.mark.parametrize(
    ("days", "day", "time", "is_lesson"),
    [
        ("", "2026-09-20", "10:00", True),  # a Sunday: no days are every day
        ("mon-fri", "2026-09-20", "10:00", False),
        ("mon-fri", "2026-09-21", "10:00", True),
        ("sun-thu", "2026-09-20", "10:00", True),
        ("sun-thu", "2026-09-25", "10:00", False),  # a Friday
        ("mon-fri,sat", "2026-09-26", "10:00", True),
        ("sat", "2026-09-21", "10:00", False),
        ("fri-mon", "2026-09-23", "10:00", False),
        ("mon", "2026-09-22", "01:30", True),  # of Monday's night lesson
        ("tue", "2026-09-22", "01:30", False),
        ("tue", "2026-09-21", "23:50", True),  # the bell before Tuesday's first minute
    ],
)
def test_a_school_has_its_own_week(days, day, time, is_lesson):
    hours = "0:05-0:30" if time == "23:50" else "22-2,8-12"
    local = datetime.fromisoformat(f"{day}T{time}")
    assert is_lesson_time(timetable(hours, days), local) is is_lesson


def test_a_time_nobody_vouches_for_says_nothing_about_lessons():
    assert is_lesson_time(timetable("0-24"), None) is None
    assert is_lesson_time(timetable(""), None) is False, "a box without lesson hours has none"


@pytest.mark.parametrize(
    ("free_mib", "sheds"),
    [
        (9_000, []),
        (799, ["logs"]),
        (599, ["logs", "readings"]),
        (399, ["logs", "readings", "copies"]),
        (199, ["logs", "readings", "copies", "files"]),
        (31, ["logs", "readings", "copies", "files", "reserve"]),
    ],
)
def test_a_filling_card_does_without_in_this_order(free_mib, sheds):
    assert Card(LARGE, free_mib * MIB).sheds == sheds


def test_a_small_card_counts_by_parts():
    assert Card(1_000 * MIB, 100 * MIB).sheds == []
    assert Card(1_000 * MIB, 19 * MIB).sheds == ["logs", "readings", "copies", "files"]


def test_the_reserve_is_taken_given_up_and_taken_again(tmp_path):
    reserve = tmp_path / "reserve"
    roomy, full = Card(LARGE, 9_000 * MIB), Card(LARGE, 10 * MIB)
    assert keep_reserve(reserve, full, 8 * MIB) is None
    assert "is kept" in keep_reserve(reserve, roomy, 8 * MIB)
    assert reserve.stat().st_blocks * 512 >= 8 * MIB
    assert keep_reserve(reserve, roomy, 8 * MIB) is None
    assert keep_reserve(reserve, Card(LARGE, 100 * MIB), 8 * MIB) is None
    assert "given up" in keep_reserve(reserve, full, 8 * MIB)
    assert not reserve.exists()
    assert keep_reserve(reserve, Card(LARGE, 100 * MIB), 8 * MIB) is None, "not while there is need"
    assert "is kept" in keep_reserve(reserve, roomy, 8 * MIB)


@pytest.mark.anyio
async def test_room_is_made_in_need_and_the_journal_keeps_what_matters(box, monkeypatch):
    def fill(tx):
        for number in range(RUNS_KEPT_IN_NEED + 50):
            words = "INSERT INTO job_run (name, state, started_at_ms, took_ms, effect)"
            tx.run(f"{words} VALUES ('x', 'ok', ?1, 1, 'x')", (number,))

    await box.writer.write(fill)
    box.settings.backups.mkdir(exist_ok=True)
    for day in range(10, 17):
        (box.settings.backups / f"nightly-202609{day}.db").touch()
    box = structs.replace(box, settings=structs.replace(box.settings, reserve_bytes=MIB))
    assert await make_room(box) == "a reserve of 1 MB is kept"
    assert await make_room(box) is None
    full = Card(LARGE, 10 * MIB)
    monkeypatch.setattr("appliance.maintenance.room_keeping.card_of", lambda _folder: full)
    words = await make_room(box)
    for done in ("was given up", "50 old lines", "5 older copies"):
        assert done in words
    assert await make_room(box) is None


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("guard", "changes", "reason"),
    [
        (
            little_space,
            {"database_bytes": 100 * MIB, "card": Card(LARGE, 219 * MIB)},
            "230 MB free, 231 MB",
        ),
        (little_space, {"database_bytes": 100 * MIB, "card": Card(LARGE, 220 * MIB)}, None),
        (almost_full, {"card": Card(LARGE, 599 * MIB)}, "628 MB free"),
        (weak_power, {"power": Power(on_battery=True)}, "on battery"),
        (weak_power, {"power": Power(under_voltage=True)}, "too little voltage"),
        (weak_power, {"power": Power()}, None),
        (worn_today, {"card_day_bytes": 2_000_000_001}, "2.0 GB written"),
        (worn_today, {"card_day_bytes": 2_000_000_000}, None),
    ],
)
async def test_a_guard_says_why(box, guard, changes, reason):
    said = guard(structs.replace(conditions(box), **changes))
    assert said is None if reason is None else reason in said
