"""Figures say nothing about who asked; lights say in plain words what to do."""

import pytest
from appliance.telemetry.pages import night_light, work_light

from appliance.telemetry.exposition import requests
from appliance.telemetry.meter import RequestMeter, Route
from appliance.telemetry.queries import Contact, JobState, Unsent
from appliance.telemetry.vitals import TEMPERATURE_C_MAX, Vitals, complaints

FINE = Vitals(
    uss_bytes=60 << 20,
    memory_free_bytes=2 << 30,
    disk_free_bytes=8 << 30,
    disk_total_bytes=32 << 30,
    database_bytes=4 << 20,
    wal_bytes=1 << 20,
    temperature_c=55.0,
    uptime_s=100,
)


def changed(**values):
    return Vitals(**{name: getattr(FINE, name) for name in FINE.__struct_fields__} | values)


@pytest.mark.parametrize(
    ("vitals", "word"),
    [
        (FINE, None),
        (changed(temperature_c=None), None),
        (changed(disk_free_bytes=100 << 20), "card"),
        (changed(memory_free_bytes=1 << 20), "Memory"),
        (changed(temperature_c=TEMPERATURE_C_MAX + 1), "hot"),
    ],
)
def test_a_complaint_is_made_only_when_a_person_should_do_something(vitals, word):
    found = complaints(vitals)
    assert [word in complaint for complaint in found] == ([True] if word else [])


@pytest.mark.parametrize(
    ("known", "waiting", "colour"),
    [
        (None, 0, "wait"),
        (Contact(is_enrolled=False, contact_at_ms=None, contact_error=None), 3, "wait"),
        (Contact(is_enrolled=True, contact_at_ms=1, contact_error=None), 0, "good"),
        (Contact(is_enrolled=True, contact_at_ms=1, contact_error="no answer"), 7, "wait"),
    ],
)
def test_work_is_called_safe_only_when_nothing_waits(known, waiting, colour):
    light = work_light(known, Unsent(waiting=waiting, oldest_since_ms=None))
    assert light.colour == colour
    assert ("7 changes" in light.answer) is (waiting == 7)


@pytest.mark.parametrize(
    ("states", "colour"), [([], "wait"), (["ok", "skipped"], "good"), (["ok", "failed"], "bad")]
)
def test_the_night_is_good_only_when_nothing_failed(states, colour):
    runs = [JobState(f"job-{n}", state, 1, "effect") for n, state in enumerate(states)]
    assert night_light(runs).colour == colour


def test_a_histogram_counts_upwards_to_all_answers():
    route = Route()
    for seconds in (0.001, 0.004, 0.004, 3.0):
        route.note(200, seconds)
    lines = list(requests({("GET", "/learn/tasks/{assessment_id}"): route}))
    counts = [int(line.rsplit(" ", 1)[1]) for line in lines if "_bucket" in line]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] == 4
    assert (
        'darasa_requests_total{method="GET",route="/learn/tasks/{assessment_id}",status="200"} 4'
        in lines
    )


def test_a_meter_knows_how_long_the_box_is_idle():
    assert RequestMeter().idle_for_s() >= 0
