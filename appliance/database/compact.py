"""A full VACUUM: the whole file written anew, and everybody's writes wait.

It stalls writers for 2.3 s at 297 MB and needs the file's size again, so nobody calls this but
the one job that looks at the room, the hour and the silence first.
"""

from contextlib import closing
from pathlib import Path

import apsw

from appliance.database.checkpoint import empty_wal
from appliance.database.connection import PAGE_SIZE_BYTES, open_connection
from appliance.database.faults import TRANSACTION_ENDING, in_our_words


def compact(path: Path) -> int:
    """Write the file anew without its free pages; return how many bytes smaller it is.

    Raises Busy while somebody else writes, StorageFull or WriteFailed; then it is as it was.
    """
    with closing(open_connection(path, role="agent")) as connection:
        before = connection.pragma("page_count")
        try:
            connection.execute("VACUUM")
            empty_wal(connection)
        except (apsw.BusyError, *TRANSACTION_ENDING) as error:
            raise in_our_words(error) from error
        return int(before - connection.pragma("page_count")) * PAGE_SIZE_BYTES
