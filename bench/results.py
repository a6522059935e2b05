"""Measurements, their budgets, the printed table and the JSON.

Two kinds. A ratio or a correctness figure means the same on every machine and decides the
exit status. An absolute time is reported with its budget and decides only with --strict:
two shared cores are not the board.
"""

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

RESULTS: Final = Path(__file__).parent / "results"

Kind = Literal["ratio", "correct", "absolute"]


class Figure(Struct, frozen=True, kw_only=True):
    """One measured number. Without a budget it is there to be known."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    is_floor: bool = False
    kind: Kind = "absolute"

    @property
    def is_met(self) -> bool:
        """Whether the budget holds; no budget always does."""
        if self.budget is None:
            return True
        return self.value >= self.budget if self.is_floor else self.value <= self.budget


def at_most(name: str, value: float, unit: str, budget: float, kind: Kind = "absolute") -> Figure:
    """Make a figure whose budget is a ceiling."""
    return Figure(name=name, value=value, unit=unit, budget=budget, kind=kind)


def at_least(name: str, value: float, unit: str, budget: float, kind: Kind = "absolute") -> Figure:
    """Make a figure whose budget is a floor."""
    return Figure(name=name, value=value, unit=unit, budget=budget, is_floor=True, kind=kind)


def known(name: str, value: float, unit: str) -> Figure:
    """Make a figure without a budget."""
    return Figure(name=name, value=value, unit=unit)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def line(figure: Figure) -> str:
    """Print one figure beside its budget."""
    sign = "≥" if figure.is_floor else "≤"
    budget = f"{sign} {number(figure.budget)}" if figure.budget is not None else ""
    verdict = "" if figure.budget is None else "met" if figure.is_met else "MISSED"
    return (
        f"  {figure.name:<58} {number(figure.value):>10} {figure.unit:<8} {budget:>10}  {verdict}"
    )


def number(value: float) -> str:
    """Three digits that matter, no exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def write_results(figures: Sequence[Figure], *, now_ms: int, name: str = "latest.json") -> Path:
    """Keep the run in bench/results; return where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / name
    run = {
        "at_ms": now_ms,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "figures": [{**msgspec.to_builtins(figure), "is_met": figure.is_met} for figure in figures],
    }
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")
    return path


def is_good(figures: Sequence[Figure], *, is_strict: bool) -> bool:
    """Judge the run; see the module."""
    judged = [figure for figure in figures if is_strict or figure.kind != "absolute"]
    return all(figure.is_met for figure in judged)
