"""Rows of a school that are not safe here although their segment is: told at every hello.

What is not on the list is called safe on the box, so a list that has to end says where it
ends: an exception with an empty key stands for all rows of its table that are not on it.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from sync.hub.database import Link, rows
from sync.protocol import EXCEPTIONS_MAX, RowException
from sync.registry import TABLE, TABLE_NUMBERED, TABLES

RECEIPT_BEARING: Final = [table.number for table in TABLES if table.has_receipt]
NAMED: Final = [TABLE_NUMBERED[number].name for number in RECEIPT_BEARING]
UNLISTED: Final = "quarantined: more rows than are listed"


class PutAside(Struct, frozen=True):
    """A row in quarantine; `dismissed_reason` when somebody decided that it stays out."""

    tbl: str
    pk: UUID
    reason: str
    dismissed_reason: str | None


class Loser(Struct, frozen=True):
    """A row two epochs disagree on."""

    tbl: int
    pk: UUID


class Count(Struct, frozen=True):
    """How many rows of one table are aside."""

    tbl: str
    rows: int


# Those with a receipt first, then those nobody has decided about. Of tables that are known
# here: rows of others have no number a box could be told, and would take the others' places.
QUARANTINED: Final[LiteralString] = """
SELECT a.tbl, a.pk, a.reason, a.dismissed_reason
  FROM (SELECT DISTINCT ON (q.tbl, q.pk) q.tbl, q.pk, q.reason, q.dismissed_reason
          FROM sync_quarantine AS q
         WHERE q.school_id = $1
           AND q.resolved_at_ms IS NULL
           AND q.tbl = ANY($4::text[])
           AND q.pk IS NOT NULL
         ORDER BY q.tbl, q.pk, q.dismissed_at_ms NULLS FIRST) AS a
 ORDER BY a.tbl = ANY($2::text[]) DESC, a.dismissed_reason IS NOT NULL, a.tbl, a.pk
 LIMIT $3
"""

COUNTS: Final[LiteralString] = """
SELECT q.tbl, count(DISTINCT q.pk) AS rows
  FROM sync_quarantine AS q
 WHERE q.school_id = $1
   AND q.resolved_at_ms IS NULL
   AND q.tbl = ANY($2::text[])
   AND q.pk IS NOT NULL
 GROUP BY q.tbl
 ORDER BY q.tbl
"""

# Only rows somebody holds a receipt for: a hand-in with two images is not simply "safe".
CONFLICTING: Final[LiteralString] = """
SELECT DISTINCT c.tbl, c.pk
  FROM sync_conflict AS c
 WHERE c.school_id = $1
   AND c.tbl       = ANY($2::bigint[])
 ORDER BY c.tbl, c.pk
 LIMIT $3
"""


async def row_exceptions(link: Link, school_id: UUID) -> list[RowException]:
    """List the rows this hub has put aside, those with a receipt first."""
    losers = await rows(link, Loser, CONFLICTING, school_id, RECEIPT_BEARING, EXCEPTIONS_MAX + 1)
    aside = await rows(
        link, PutAside, QUARANTINED, school_id, NAMED, EXCEPTIONS_MAX + 1, list(TABLE)
    )
    found = [RowException(tbl=it.tbl, pk=it.pk.bytes, reason="conflict") for it in losers]
    found += [_exception(it) for it in aside]
    found.sort(key=lambda exception: exception.tbl not in RECEIPT_BEARING)
    if len(found) <= EXCEPTIONS_MAX:
        return found
    listed = found[: EXCEPTIONS_MAX - len(TABLES)]
    return listed + await _unlisted(link, school_id, listed)


def _exception(it: PutAside) -> RowException:
    reason = f"quarantined: {it.reason}"
    if it.dismissed_reason is not None:
        reason = f"dismissed: {it.dismissed_reason}"
    return RowException(tbl=TABLE[it.tbl].number, pk=it.pk.bytes, reason=reason[:500])


async def _unlisted(link: Link, school_id: UUID, listed: list[RowException]) -> list[RowException]:
    """One line for each table that has more than were listed; conflicts count as such."""
    counted = await rows(link, Count, COUNTS, school_id, list(TABLE))
    there = {TABLE[it.tbl].number: it.rows for it in counted}
    losers = await rows(link, Loser, CONFLICTING, school_id, RECEIPT_BEARING, None)
    for loser in losers:
        there[loser.tbl] = there.get(loser.tbl, 0) + 1
    for each in listed:
        there[each.tbl] -= 1
    return [
        RowException(tbl=number, pk=b"", reason=UNLISTED)
        for number, left in sorted(there.items())
        if left > 0
    ]
