"""Looking at a copy of the database that nobody uses: a backup on this card or another."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from appliance.database.integrity import INTEGRITY_CHECK, IntegrityReport, report_of
from appliance.database.reader import Reader


def check_copy(copy: Path) -> IntegrityReport:
    """Read every page and every index of a closed copy, and look for keys that point nowhere.

    Raises FileNotFoundError where it is not there any more.
    """
    try:
        return report_of(_unchanging(copy), INTEGRITY_CHECK)
    except apsw.CantOpenError as error:
        copy.stat()
        return IntegrityReport(problems=[str(error)], dangling=[], took_ms=0)


@contextmanager
def _unchanging(copy: Path) -> Iterator[Reader]:
    """Open a copy as one that nothing changes: no lock, no journal beside it."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    name = f"{copy.resolve().as_uri()}?immutable=1"
    with closing(apsw.Connection(name, flags=flags)) as connection:
        yield Reader(connection)
