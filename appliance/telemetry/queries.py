"""What the health page asks the database: how much waits to be sent, what the night did."""

from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader

# The covering index of sync_dirty answers it; after months offline it is still bounded
# by the live rows, and this page is opened by one keeper at a time.
UNSENT: Final[LiteralString] = """
SELECT count(*)      AS waiting,
       min(since_ms) AS oldest_since_ms
  FROM sync_dirty
"""

CONTACT: Final[LiteralString] = """
SELECT hub_id IS NOT NULL AS is_enrolled,
       contact_at_ms,
       contact_error
  FROM sync_identity
"""

LAST_RUNS: Final[LiteralString] = """
SELECT name, state, max(started_at_ms) AS started_at_ms, effect
  FROM job_run
 GROUP BY name
 ORDER BY name
"""


class Unsent(Struct, frozen=True):
    """Changes not yet sealed for the district; `oldest_since_ms` is None when none wait."""

    waiting: int
    oldest_since_ms: int | None


class Contact(Struct, frozen=True):
    """Whether the box belongs to a district, and when it last spoke with it."""

    is_enrolled: bool
    contact_at_ms: int | None
    contact_error: str | None


class JobState(Struct, frozen=True):
    """The latest run of one nightly job."""

    name: str
    state: str
    started_at_ms: int
    effect: str


def unsent(db: Reader) -> Unsent:
    """Count what waits to be sent."""
    found = db.row(Unsent, UNSENT)
    assert found is not None
    return found


def contact(db: Reader) -> Contact | None:
    """The district as this box knows it; None before the box is claimed."""
    return db.row(Contact, CONTACT)


def last_runs(db: Reader) -> list[JobState]:
    """The latest run of every job that ever ran."""
    return db.rows(JobState, LAST_RUNS)
