"""What the nightly work did last."""

from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.reader import Reader

# A success in the future was written under a wrong clock: it proves nothing.
LAST_SUCCESS_AT: Final[LiteralString] = """
SELECT started_at_ms
  FROM job_run
 WHERE name = ?1
   AND state = 'ok'
   AND started_at_ms <= ?2
 ORDER BY started_at_ms DESC
 LIMIT 1
"""

FIRST_TRY: Final[LiteralString] = """
SELECT started_at_ms
  FROM job_run
 WHERE name = ?1
   AND started_at_ms <= ?2
 ORDER BY started_at_ms
 LIMIT 1
"""

# The two halves of "is a full VACUUM worth it"; neither reads more than the file's header.
PAGES: Final[LiteralString] = """
SELECT p.page_count AS pages, f.freelist_count AS free
  FROM pragma_page_count AS p
 CROSS JOIN pragma_freelist_count AS f
"""


class Pages(Struct, frozen=True):
    """How many pages the file has, and how many of them hold nothing."""

    pages: int
    free: int


def last_success_at_ms(db: Reader, name: str, *, now_ms: int) -> int | None:
    """When the job last did its work; None when it never has."""
    at_ms = db.value(LAST_SUCCESS_AT, (name, now_ms))
    assert at_ms is None or isinstance(at_ms, int)
    return at_ms


def first_try_ms(db: Reader, name: str, *, now_ms: int) -> int | None:
    """When the journal first names it; None when it never does."""
    at_ms = db.value(FIRST_TRY, (name, now_ms))
    assert at_ms is None or isinstance(at_ms, int)
    return at_ms


def pages(db: Reader) -> Pages:
    """Count the pages of the file."""
    found = db.row(Pages, PAGES)
    assert found is not None
    return found
