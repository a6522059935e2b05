"""What the nightly work did last."""

from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader

LAST_RUN: Final[LiteralString] = """
SELECT name, state, started_at_ms, took_ms, effect
  FROM job_run
 WHERE name = ?1
 ORDER BY started_at_ms DESC
 LIMIT 1
"""

LAST_SUCCESS_AT: Final[LiteralString] = """
SELECT started_at_ms
  FROM job_run
 WHERE name = ?1
   AND state = 'ok'
 ORDER BY started_at_ms DESC
 LIMIT 1
"""


class JobRun(Struct, frozen=True):
    """One run and its effect, in the job's own words."""

    name: str
    state: str
    started_at_ms: int
    took_ms: int
    effect: str


def last_run(db: Reader, name: str) -> JobRun | None:
    """The latest run of a job, whatever came of it."""
    return db.row(JobRun, LAST_RUN, (name,))


def last_success_at_ms(db: Reader, name: str) -> int | None:
    """When the job last did its work; None when it never has."""
    at_ms = db.value(LAST_SUCCESS_AT, (name,))
    assert at_ms is None or isinstance(at_ms, int)
    return at_ms
