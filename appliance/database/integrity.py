"""Is the file sound? Reports, never repairs, never deletes."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final, LiteralString

import apsw
from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.reader import Reader

# SQLite stops at the hundredth problem by itself: a broken file repeats its story.
QUICK_CHECK: Final[LiteralString] = """
SELECT quick_check AS problem
  FROM pragma_quick_check
 WHERE quick_check <> 'ok'
"""

INTEGRITY_CHECK: Final[LiteralString] = """
SELECT integrity_check AS problem
  FROM pragma_integrity_check
 WHERE integrity_check <> 'ok'
"""

FOREIGN_KEY_CHECK: Final[LiteralString] = """
SELECT "table" AS child, "parent" AS parent, count(*) AS dangling
  FROM pragma_foreign_key_check
 GROUP BY 1, 2
 ORDER BY 1, 2
"""


class Finding(Struct, frozen=True):
    """One line of SQLite's own report."""

    problem: str


class DanglingKey(Struct, frozen=True):
    """How many rows of `child` point at rows of `parent` that are not there."""

    child: str
    parent: str
    dangling: int


class IntegrityReport(Struct, frozen=True, kw_only=True):
    """What a check found. `is_ok` is the whole answer for a light on a page."""

    problems: list[str]
    dangling: list[DanglingKey]
    took_ms: int

    @property
    def is_ok(self) -> bool:
        """True when nothing at all was found."""
        return not self.problems and not self.dangling


def quick_check(source: Path | Reader) -> IntegrityReport:
    """Check structure and foreign keys: about a second for 300 MB."""
    return report_of(_reader(source), QUICK_CHECK)


def full_check(source: Path | Reader) -> IntegrityReport:
    """Check also every index against its table: several times slower."""
    return report_of(_reader(source), INTEGRITY_CHECK)


def foreign_key_check(reader: Reader) -> list[DanglingKey]:
    """Find rows that point nowhere, counted by table."""
    return reader.rows(DanglingKey, FOREIGN_KEY_CHECK)


def report_of(opened: AbstractContextManager[Reader], sql: LiteralString) -> IntegrityReport:
    """Let SQLite check what is opened, and look for keys that point nowhere."""
    began = time.monotonic_ns()
    problems: list[str] = []
    dangling: list[DanglingKey] = []
    try:
        with opened as reader:
            problems += [found.problem for found in reader.rows(Finding, sql)]
            dangling += foreign_key_check(reader)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        problems.append(str(error))  # too broken for the check to finish: that is its result
    took_ms = (time.monotonic_ns() - began) // 1_000_000
    return IntegrityReport(problems=problems, dangling=dangling, took_ms=took_ms)


@contextmanager
def _reader(source: Path | Reader) -> Iterator[Reader]:
    if isinstance(source, Reader):
        yield source
        return
    with closing(open_connection(source, role="report")) as connection:
        yield Reader(connection)
