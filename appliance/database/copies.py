"""Looking at a copy of the database that nobody uses: a backup on this card or another."""

import time
from contextlib import closing
from pathlib import Path

import apsw

from appliance.database.integrity import (
    INTEGRITY_CHECK,
    Finding,
    IntegrityReport,
    foreign_key_check,
)
from appliance.database.reader import Reader


def check_copy(copy: Path) -> IntegrityReport:
    """Read every page and every index of a closed copy, and look for keys that point nowhere.

    The copy is opened as one that nothing changes: no lock, no journal beside it.
    """
    began = time.monotonic_ns()
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    problems, dangling = [], []
    try:
        name = f"{copy.resolve().as_uri()}?immutable=1"
        with closing(apsw.Connection(name, flags=flags)) as connection:
            reader = Reader(connection)
            problems += [found.problem for found in reader.rows(Finding, INTEGRITY_CHECK)]
            dangling += foreign_key_check(reader)
    except (apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError) as error:
        problems.append(str(error))
    took_ms = (time.monotonic_ns() - began) // 1_000_000
    return IntegrityReport(problems=problems, dangling=dangling, took_ms=took_ms)
