"""When lessons may be given: the hours and days a school has set, and the minutes around."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

Span = tuple[int, int]  # minutes since midnight

MINUTES: Final = 24 * 60
BELL_MINUTES: Final = 20  # before the first bell phones come back, after the last work is saved
WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Timetable(Struct, frozen=True):
    """Spans of minutes, and the weekdays (Monday is 0) on which one may begin."""

    spans: list[Span]
    days: frozenset[int]


def timetable(hours: str, days: str = "") -> Timetable:
    """Read `7:30-12,13-16` and `sun-thu`; a span that ends before it begins goes past midnight.

    `0-24`, or one that ends as it begins, is the whole day. No days are every day.
    """
    spans = [_span(each) for each in hours.split(",") if each]
    named = [day for each in days.split(",") if each for day in _days(each)]
    return Timetable(spans, frozenset(named or range(len(WEEK))))


def is_lesson_time(table: Timetable, local: datetime | None) -> bool | None:
    """Whether a lesson may run, or is about to; None where nobody vouches for the time."""
    if local is None:
        return None if table.spans else False
    return any(_is_within(table.days, local, begin, end) for begin, end in table.spans)


def _span(words: str) -> Span:
    begin, _, end = words.partition("-")
    return _minute(begin), _minute(end)


def _minute(words: str) -> int:
    hour, _, minute = words.partition(":")
    return int(hour) % 24 * 60 + int(minute or 0)


def _days(words: str) -> list[int]:
    first, _, last = words.partition("-")
    begin, end = WEEK.index(first), WEEK.index(last or first)
    return [(begin + after) % len(WEEK) for after in range((end - begin) % len(WEEK) + 1)]


def _is_within(days: frozenset[int], local: datetime, begin: int, end: int) -> bool:
    length = ((end - begin) % MINUTES or MINUTES) + 2 * BELL_MINUTES
    since = (local.hour * 60 + local.minute - begin + BELL_MINUTES) % MINUTES
    began = local - timedelta(minutes=since - BELL_MINUTES)  # a night lesson is of the day before
    return began.weekday() in days and since < min(length, MINUTES)
