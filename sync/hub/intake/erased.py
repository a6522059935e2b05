"""People who are to be forgotten: their rows are counted, and nothing of them is kept.

Asked under the school's lock, under which the list is also written. So whatever comes later
and by whatever way (an old board, a late stick, a row that waited in quarantine) is judged.
"""

from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from sync.core.columns import Rows
from sync.hub.database import Link
from sync.hub.intake.staging import Batch, Refused, refuse_all
from sync.registry import TABLE

People = frozenset[bytes]
SUBJECT: Final = "person_id"  # of a table that only a later release has

# The list only grows: an erasure that somebody has "deleted" is one all the same.
ERASED: Final[LiteralString] = """
SELECT e.id
  FROM erasure AS e
 WHERE e.school_id = $1
"""


async def erased_people(link: Link, school_id: UUID) -> People:
    """Everybody this school has forgotten."""
    return frozenset(found["id"].bytes for found in await link.fetch(ERASED, school_id))


def without_erased(batch: Batch, people: People) -> Batch:
    """Leave out the rows that are about one of `people`."""
    if not people or batch.table.subject not in batch.names:
        return batch
    place = batch.names.index(batch.table.subject)
    if people.isdisjoint(row[place] for row in batch.rows):
        return batch
    return batch.only([at for at, row in enumerate(batch.rows) if row[place] not in people])


def is_about(refused: Refused, people: People) -> bool:
    """Whether a row that would be put aside is about one of `people`."""
    table = TABLE.get(refused.table_name)
    subject = SUBJECT if table is None else table.subject
    if not people or subject not in refused.columns:
        return False
    return refused.values[refused.columns.index(subject)] in people


def is_any_about(blocks: Sequence[Rows], people: People) -> bool:
    """Whether any row, fit or not, is about one of `people`."""
    aside = (refuse_all(block, "").refused for block in blocks if people)
    return any(is_about(row, people) for refused in aside for row in refused)
