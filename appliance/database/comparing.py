"""What one file has that another lacks: said to a keeper who puts a backup in place."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, LiteralString

import apsw
from msgspec import Struct

# Hand-ins and marks have receipts, so custody can say which of them the district has.
WORK: Final[LiteralString] = """
SELECT id FROM submission_revision
 UNION ALL
SELECT id FROM grade
"""
ARRIVED: Final[LiteralString] = """
SELECT c.pk
  FROM sync_custody AS c
  JOIN sync_stream  AS s
    ON s.lane  = c.lane
   AND s.epoch = c.epoch
 WHERE c.n <= s.applied_n
"""


class NewerRows(Struct, frozen=True):
    """Hand-ins and marks, and how many of them had arrived."""

    rows: int
    at_district: int


def newer_rows(old: Path, new: Path) -> NewerRows | None:
    """Count them; None when the old file cannot be read any more."""
    try:
        with _asking(old) as before, _asking(new) as now:
            work = {row[0] for row in before.execute(WORK)}
            newer = work - {row[0] for row in now.execute(WORK)}
            arrived = newer & {row[0] for row in before.execute(ARRIVED)}
    except apsw.Error:
        return None
    return NewerRows(len(newer), len(arrived))


@contextmanager
def _asking(path: Path) -> Iterator[apsw.Connection]:
    flags = apsw.SQLITE_OPEN_READWRITE  # its log wants to be read, too
    with closing(apsw.Connection(str(path), flags=flags)) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        yield connection
