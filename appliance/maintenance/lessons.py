"""When lessons may be given: the hours a school has set, and the minutes around the bell."""

from datetime import datetime
from typing import Final

Span = tuple[int, int]  # minutes since midnight

MINUTES: Final = 24 * 60
BELL_MINUTES: Final = 20  # before the first bell phones come back, after the last work is saved


def lesson_spans(hours: str) -> list[Span]:
    """Read `7:30-12,13-16`; a span that ends before it begins goes past midnight.

    `0-24`, or one that ends as it begins, is the whole day.
    """
    return [_span(each) for each in hours.split(",") if each]


def is_lesson_time(spans: list[Span], local: datetime | None) -> bool:
    """Whether a lesson may run, or is about to. A time nobody vouches for says nothing."""
    if local is None:
        return False
    minute = local.hour * 60 + local.minute
    return any(_is_within(minute, begin, end) for begin, end in spans)


def _span(words: str) -> Span:
    begin, _, end = words.partition("-")
    return _minute(begin), _minute(end)


def _minute(words: str) -> int:
    hour, _, minute = words.partition(":")
    return int(hour) % 24 * 60 + int(minute or 0)


def _is_within(minute: int, begin: int, end: int) -> bool:
    length = ((end - begin) % MINUTES or MINUTES) + 2 * BELL_MINUTES
    return (minute - begin + BELL_MINUTES) % MINUTES < min(length, MINUTES)
