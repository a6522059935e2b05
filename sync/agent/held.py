"""What the link may not carry now, why, and until when, in words for the keeper.

A bound is a bound (docs/decisions/0014): at it nothing is said, not even hello. Whoever waits for
an answer should not have to guess that.
"""

from datetime import datetime, timedelta
from typing import Final

from sync.agent.budget import HOURS, Budget, Leave

WHAT: Final = {
    Leave.NOTHING: "Nothing is sent or fetched",
    Leave.URGENT: "Only hand-ins and marks are sent",
}
NEXT: Final = {Leave.NOTHING: Leave.URGENT, Leave.URGENT: Leave.ALL}
USED_UP: Final = {
    Leave.NOTHING: "the bytes this link may cost are used up",
    Leave.URGENT: "the bytes this link may cost are used up but for their part",
}


def held_words(budget: Budget) -> str | None:
    """Say what waits, until when and why; None when everything may go."""
    leave = budget.leave()
    if leave is Leave.ALL:
        return None
    days, local = budget.days_until(NEXT[leave]), budget.local()
    if days:
        return f"{WHAT[leave]} {_until_day(local, days)}: {USED_UP[leave]}."
    return f"{WHAT[leave]} {_until_hour(local, budget.bounds.hours)}: the other hours are closed."


def _until_day(local: datetime | None, days: int) -> str:
    """By the date where a clock is believed, else by hours of running, as the budget counts."""
    if local is not None:
        return f"until {local.date() + timedelta(days=days)}"
    return f"for at most {days * HOURS} hours of running"


def _until_hour(local: datetime | None, hours: frozenset[int] | None) -> str:
    if local is None or not hours:
        return "until this box knows the time"
    following = (local + timedelta(hours=step) for step in range(1, HOURS + 1))
    opening = next(each for each in following if each.hour in hours)
    return f"until {opening.hour:02}:00"
