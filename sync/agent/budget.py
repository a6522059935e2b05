"""What the link may cost: bytes by day and in any 31 days, and the hours for everything.

Hand-ins and marks go first here, too: the last part of a bound is theirs alone, and closed
hours do not hold them. At the bound itself nothing is said, not even hello: what goes past it
costs the school money.

A day is over when a clock that somebody vouches for says so (NTP, or the hub's signed time),
or after 24 hours of running where nobody does. A clock that was wrong and is put right takes
the count along. So no clock opens the tap twice, and none keeps it closed for ever.
"""

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.database.reader import Reader
from appliance.orders.queries import settings_of_district
from appliance.orders.settable import settings_with
from appliance.settings import Settings

DAY_S: Final = 86_400
MONTH_DAYS: Final = 31  # any calendar month, and any month a provider counts from its own day
KEPT_DAYS: Final = 2 * MONTH_DAYS
HOURS: Final = 24

READ_DAY: Final[LiteralString] = """
SELECT b.day, b.up_bytes + b.down_bytes AS used_bytes, b.ran_s
  FROM sync_budget AS b
 ORDER BY b.day DESC
 LIMIT 1
"""

READ_USED_SINCE: Final[LiteralString] = """
SELECT coalesce(sum(b.up_bytes + b.down_bytes), 0)
  FROM sync_budget AS b
 WHERE b.day > ?1
"""

COUNT: Final[LiteralString] = """
INSERT INTO sync_budget (day, up_bytes, down_bytes, ran_s)
VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (day) DO UPDATE
   SET up_bytes   = up_bytes + excluded.up_bytes,
       down_bytes = down_bytes + excluded.down_bytes,
       ran_s      = ran_s + excluded.ran_s
"""

# Days that have not come yet were counted by a wrong clock; their bytes were real.
TAKE_ALONG: Final[LiteralString] = """
INSERT INTO sync_budget (day, up_bytes, down_bytes)
SELECT ?1, sum(b.up_bytes), sum(b.down_bytes)
  FROM sync_budget AS b
 WHERE b.day > ?1
    ON CONFLICT (day) DO UPDATE
   SET up_bytes   = up_bytes + excluded.up_bytes,
       down_bytes = down_bytes + excluded.down_bytes
"""

FORGET_DAYS: Final[LiteralString] = """
DELETE FROM sync_budget
 WHERE day > ?1 OR day < ?2
"""


class Leave(IntEnum):
    """What may be said now."""

    NOTHING = 0
    URGENT = 1  # hand-ins and marks
    ALL = 2


class Day(Struct, frozen=True):
    """The newest line of the account."""

    day: int
    used_bytes: int
    ran_s: int


class Bounds(Struct, frozen=True):
    """What the keeper set. `hours`: the local hours open to everything, None for all."""

    day_bytes: int = 0
    month_bytes: int = 0
    reserve: float = 0.0
    hours: frozenset[int] | None = None

    @property
    def is_metered(self) -> bool:
        """Whether bytes cost money here."""
        return bool(self.day_bytes or self.month_bytes)


class Now(Struct, frozen=True):
    """The local time, None when nobody vouches for it, and a clock that never jumps."""

    local: datetime | None
    monotonic_s: float


def bounds_here(settings: Settings, db: Reader) -> Bounds:
    """Read the keeper's bounds, and the district's where the keeper has none."""
    given = ((each.key, each.value) for each in settings_of_district(db))
    return bounds_of(settings_with(settings, given))


def bounds_of(settings: Settings) -> Bounds:
    """Read the bounds of a box."""
    return Bounds(
        settings.link_day_bytes_max,
        settings.link_month_bytes_max,
        settings.link_reserve_percent / 100,
        read_hours(settings.link_hours),
    )


def read_hours(words: str) -> frozenset[int] | None:
    """Read `18-6,12-13`; the hour after the dash is no longer open."""
    if not words:
        return None
    hours: set[int] = set()
    for pair in words.split(","):
        first, last = (int(word) % HOURS for word in pair.split("-"))
        hours |= {(first + step) % HOURS for step in range((last - first) % HOURS or HOURS)}
    return frozenset(hours)


class Budget:
    """Keeps the account. `bounds` and `now` are asked at each look, never remembered."""

    def __init__(
        self, db: AgentDatabase, bounds: Callable[[], Bounds], now: Callable[[], Now]
    ) -> None:
        self._db: Final = db
        self._now: Final = now
        self._counted_s = now().monotonic_s
        self._bounds: Final = bounds

    @property
    def bounds(self) -> Bounds:
        """What counts now."""
        return self._bounds()

    def count(self, up_bytes: int, down_bytes: int) -> None:
        """Write down what crossed the link, and how long the agent has run since."""
        now = self._now()
        whole_s = int(now.monotonic_s - self._counted_s)
        before = self._db.row(Day, READ_DAY)
        day = day_after(before, now.local)
        with self._db.changing() as tx:
            if before is not None and before.day > day:
                tx.run(TAKE_ALONG, (day,))
            tx.run(FORGET_DAYS, (day, day - KEPT_DAYS))
            tx.run(COUNT, (day, up_bytes, down_bytes, whole_s))
        self._counted_s += whole_s

    def leave(self) -> Leave:
        """Say what may be sent now, by all bounds and hours."""
        if self.room_bytes(Leave.URGENT) <= 0:
            return Leave.NOTHING
        is_open = within(self.bounds.hours, self._now().local)
        return Leave.ALL if is_open and self.room_bytes(Leave.ALL) > 0 else Leave.URGENT

    def room_bytes(self, leave: Leave) -> float:
        """How much is left; infinite without a bound."""
        return self._room_on(self._today(), leave)

    def days_until(self, leave: Leave) -> int:
        """After how many days there is room again; 0 where there is some now."""
        today = self._today()
        days = range(MONTH_DAYS + 1)  # by then nothing of this month counts any more
        return next((ahead for ahead in days if self._room_on(today + ahead, leave) > 0), 0)

    def local(self) -> datetime | None:
        """The local time, None when nobody vouches for it."""
        return self._now().local

    def _today(self) -> int:
        return day_after(self._db.row(Day, READ_DAY), self._now().local)

    def _room_on(self, day: int, leave: Leave) -> float:
        share = 1 - self.bounds.reserve if leave is Leave.ALL else 1
        of_day = _room(self.bounds.day_bytes * share, used_since(self._db, day - 1))
        used_in_month = used_since(self._db, day - MONTH_DAYS)
        return min(of_day, _room(self.bounds.month_bytes * share, used_in_month))


def day_after(before: Day | None, local: datetime | None) -> int:
    """The day it is: by the clock if somebody vouches for it, else by hours of running."""
    if local is not None:
        return local.toordinal()
    if before is None:
        return 1
    return before.day + (before.ran_s >= DAY_S)


def within(hours: frozenset[int] | None, local: datetime | None) -> bool:
    """Whether everything may be sent. Unknown hours are closed; hello brings the time."""
    return hours is None or (local is not None and local.hour in hours)


def used_since(db: Reader, day: int) -> int:
    """Bytes both ways on the days after `day`."""
    found = db.value(READ_USED_SINCE, (day,))
    assert isinstance(found, int)
    return found


def _room(bound: float, used: int) -> float:
    return bound - used if bound else float("inf")
