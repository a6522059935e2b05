"""Leaving a lineage of the log: after a restore or a salvage the file is another's past.

The streams go; the agent finds an enrolled box without them and begins a new epoch, fetches
what the district has of this school and sends everything once more. So the debt lies in the
file that is put in place, not beside it.
"""

from typing import Final, LiteralString

import apsw

CLOSE_STREAMS: Final[LiteralString] = "DELETE FROM sync_stream"
HAS_STREAMS: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sync_stream')
"""


def leave_lineage(connection: apsw.Connection) -> None:
    """Make the next conversation with the district begin a new epoch."""
    if connection.execute(HAS_STREAMS).get:  # a backup of the first release has none
        connection.execute(CLOSE_STREAMS)
