"""Which backups stay: the last of each of 7 days, 4 weeks and 6 months."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

DAYS: Final = 7
WEEKS: Final = 4
MONTHS: Final = 6


class Aged(Struct, frozen=True):
    """A backup's file name, what its label says of the time, and its place in the order.

    A board without a clock battery may make one in 1970, and a restore takes the box's count of
    changes (`seq`) back: so the order is that of making (`turn`), where the label knows it.
    """

    name: str
    made_at_ms: int
    seq: int
    turn: int = 0


def kept(backups: Iterable[Aged]) -> set[str]:
    """The names that stay."""
    newest_first = sorted(
        backups, key=lambda each: (each.turn, each.seq, each.made_at_ms), reverse=True
    )
    return (
        _latest_of_each(newest_first, DAYS, lambda day: (day.year, day.month, day.day))
        | _latest_of_each(newest_first, WEEKS, lambda day: tuple(day.isocalendar()[:2]))
        | _latest_of_each(newest_first, MONTHS, lambda day: (day.year, day.month))
    )


def _latest_of_each(
    newest_first: list[Aged], most: int, span: Callable[[datetime], tuple[int, ...]]
) -> set[str]:
    found: dict[tuple[int, ...], str] = {}
    for each in newest_first:
        found.setdefault(span(datetime.fromtimestamp(each.made_at_ms / 1_000, UTC)), each.name)
    return set(list(found.values())[:most])
