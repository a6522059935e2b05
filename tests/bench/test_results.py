"""Figures, budgets and the verdict of a bench run."""

import json

import pytest

import bench.results as results
from bench.results import at_least, at_most, is_good, known, line, percentile, write_results


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (at_most("p95", 50, "ms", 50), True),
        (at_most("p95", 50.1, "ms", 50), False),
        (at_least("rate", 2_000, "/s", 2_000), True),
        (at_least("rate", 1_999, "/s", 2_000), False),
        (known("rate", 0, "/s"), True),
    ],
)
def test_a_budget_is_met_up_to_and_including_its_number(figure, is_met):
    assert figure.is_met is is_met


@pytest.mark.parametrize(
    ("kind", "is_strict", "good"),
    [
        ("ratio", False, False),
        ("correct", False, False),
        ("absolute", False, True),
        ("absolute", True, False),
    ],
)
def test_a_slow_machine_fails_the_run_only_when_times_count(kind, is_strict, good):
    missed = at_most("something", 2, "", 1, kind)
    assert is_good([missed, known("else", 1, "")], is_strict=is_strict) is good


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.99, 0.0), ([3.0], 0.5, 3.0), ([4.0, 1.0, 3.0, 2.0], 0.5, 3.0), ([1.0, 9.0], 0.99, 9.0)],
)
def test_percentiles_of_few_values(values, share, expected):
    assert percentile(values, share) == expected


def test_a_missed_budget_is_printed_as_such():
    assert line(at_most("idle memory", 81, "MiB", 80)).endswith("≤ 80.0  MISSED")
    assert line(at_least("rate", 4_000, "/s", 2_000)).endswith("≥ 2,000  met")


def test_results_are_kept_with_their_verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    path = write_results([at_most("lost", 0, "", 0, "correct")], now_ms=1_763_700_000_000)
    kept = json.loads(path.read_text())
    assert kept["at_ms"] == 1_763_700_000_000
    assert kept["figures"][0]["name"] == "lost"
    assert kept["figures"][0]["is_met"] is True
