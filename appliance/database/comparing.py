"""What one file has that another lacks: said to a keeper who puts a backup in place."""

from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

import apsw
from msgspec import Struct

# Hand-ins and marks have receipts, so custody can say which of them the district has.
NEWER: Final[LiteralString] = """
WITH work AS (
SELECT r.id
  FROM submission_revision AS r
 WHERE NOT EXISTS (SELECT 1 FROM new.submission_revision AS n WHERE n.id = r.id)
 UNION ALL
SELECT g.id
  FROM grade AS g
 WHERE NOT EXISTS (SELECT 1 FROM new.grade AS n WHERE n.id = g.id)
), arrived AS (
SELECT c.pk
  FROM sync_custody AS c
  JOIN sync_stream  AS s
    ON s.lane  = c.lane
   AND s.epoch = c.epoch
 WHERE c.n <= s.applied_n
)
SELECT count(*), count(a.pk)
  FROM work
  LEFT JOIN arrived AS a
         ON a.pk = work.id
"""


class NewerRows(Struct, frozen=True):
    """Hand-ins and marks, and how many of them had arrived."""

    rows: int
    at_district: int


def newer_rows(old: Path, new: Path) -> NewerRows | None:
    """Count them; None when the old file cannot be read any more."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI  # its log wants to be read, too
    try:
        with closing(apsw.Connection(str(old), flags=flags)) as connection:
            connection.execute("ATTACH ?1 AS new", (new.as_uri() + "?mode=ro",))
            rows, arrived = connection.execute(NEWER).fetchone() or (0, 0)
    except apsw.Error:
        return None
    return NewerRows(rows, arrived)
