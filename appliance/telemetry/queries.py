"""What the health page asks the database: how much waits to be sent, what the night did."""

from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader

END_OF_TIME_MS: Final = 2**63 - 1  # of SQLite's integers

# What is sealed but not yet applied at the district waits as well: a page that forgot it
# would call work safe that is on this card only. The oldest segment was sealed after the
# oldest change in it, so it stands for its age. CROSS JOIN: from the one stream to the end
# of its chain, not through every segment ever sealed.
UNSENT: Final[LiteralString] = """
SELECT count(d.pk) + (SELECT coalesce(sum(c.rows), 0)
                        FROM sync_identity AS i
                       CROSS JOIN sync_stream AS s
                       CROSS JOIN sync_chain AS c
                       WHERE s.epoch = i.epoch
                         AND c.lane = s.lane
                         AND c.epoch = s.epoch
                         AND c.n > s.applied_n) AS waiting,
       coalesce((SELECT min(c.sealed_at_ms)
                   FROM sync_identity AS i
                  CROSS JOIN sync_stream AS s
                  CROSS JOIN sync_chain AS c
                  WHERE s.epoch = i.epoch
                    AND c.lane = s.lane
                    AND c.epoch = s.epoch
                    AND c.n > s.applied_n), min(d.since_ms)) AS oldest_since_ms
  FROM sync_dirty AS d
"""

CONTACT: Final[LiteralString] = """
SELECT hub_id IS NOT NULL AS is_enrolled,
       contact_at_ms,
       contact_error
  FROM sync_identity
"""

# By the number of the line and not by its clock, which may have been wrong. What a job was
# held back by says nothing against its last run.
LAST_RUNS: Final[LiteralString] = """
SELECT name, state, started_at_ms, effect
  FROM job_run
 WHERE id IN (SELECT max(id)
                FROM job_run
               WHERE state <> 'skipped'
               GROUP BY name)
 ORDER BY name
"""


# A success dated after now was written under a clock that ran ahead: it says nothing of its age.
LAST_SUCCESS_OF: Final[LiteralString] = """
SELECT max(started_at_ms)
  FROM job_run
 WHERE name  = ?1
   AND state = 'ok'
   AND started_at_ms <= ?2
"""

CLIENTS: Final[LiteralString] = """
SELECT count(*)
  FROM session
 WHERE expires_at_ms > ?1
"""


class Unsent(Struct, frozen=True):
    """Changes the district does not have; `oldest_since_ms` is None when none wait."""

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
    """The latest run of every job that was not held back."""
    return db.rows(JobState, LAST_RUNS)


def last_success_of(db: Reader, name: str, *, until_ms: int) -> int | None:
    """When a job last did its work, as far as that can be true."""
    at_ms = db.value(LAST_SUCCESS_OF, (name, until_ms))
    assert at_ms is None or isinstance(at_ms, int)
    return at_ms


def clients(db: Reader, *, now_ms: int) -> int:
    """How many phones are signed in."""
    count = db.value(CLIENTS, (now_ms,))
    assert isinstance(count, int)
    return count
