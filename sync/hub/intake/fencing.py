"""What a closed box says of rows that are there, once another board has taken its place.

Whoever writes those rows now owns them, also what it has not sent yet. So its predecessor's
images are kept beside, however high their versions: staff can see them and restore them.
"""

from typing import Final, LiteralString
from uuid import UUID

from appliance.ids import uuid7
from sync.hub.database import Link
from sync.hub.intake.merging import KEEP_LOSER, Merging
from sync.hub.intake.staging import Batch, Sorted
from sync.protocol import Cell, encode
from sync.registry import TABLES, Table

# A board that joined after it; or that is at work, of two that ran on copies of one card.
HAS_SUCCESSOR: Final[LiteralString] = """
SELECT EXISTS (SELECT FROM node AS n
                 JOIN node AS other
                   ON other.school_id = n.school_id
                  AND other.id       <> n.id
                WHERE n.school_id = $1
                  AND n.id        = $2
                  AND n.state     = 'revoked'
                  AND (other.state = 'active' OR other.enrolled_at_ms > n.enrolled_at_ms))
"""

SETTLE: Final[LiteralString] = """
UPDATE sync_quarantine AS q
   SET resolved_at_ms = $2
 WHERE q.school_id = $1
   AND q.tbl       = $3
   AND q.pk        = ANY($4::uuid[])
   AND q.epoch     = $5
   AND q.lane      = $6
   AND q.n        <= $7
   AND q.resolved_at_ms IS NULL
"""


def _there_sql(table: Table) -> str:
    return f"""
SELECT t.id, t.row_hash
  FROM {table.name} AS t
 WHERE t.school_id = $1
   AND t.id        = ANY($2::uuid[])
"""  # noqa: S608 -- names from the registry


THERE: Final = {table.name: _there_sql(table) for table in TABLES if table.owner == "row"}


async def fence(link: Link, merging: Merging, found: Sorted) -> Sorted:
    """Put beside what another board may have written since; return what is left to merge."""
    left = [await _fence_batch(link, merging, batch) for batch in found.batches]
    return Sorted([batch for batch in left if batch.rows], found.refused)


async def _fence_batch(link: Link, merging: Merging, batch: Batch) -> Batch:
    if batch.table.name not in THERE:  # a fact outranks nothing: both images are kept anyhow
        return batch
    ids = [_id(row) for row in batch.rows]
    records = await link.fetch(THERE[batch.table.name], merging.school_id, ids)
    there = {record["id"]: record["row_hash"] for record in records}
    late = [
        at for at, row_id in enumerate(ids) if there.get(row_id) not in {None, batch.hashes[at]}
    ]
    if not late:
        return batch
    await link.executemany(KEEP_LOSER, [_loser(merging, batch, at) for at in late])
    done = [ids[at] for at in late]
    await link.execute(
        SETTLE, merging.school_id, merging.now_ms, batch.table.name, done, *merging.place
    )
    merging.tally.conflict += len(late)
    return batch.only([at for at in range(len(ids)) if at not in set(late)])


def _loser(merging: Merging, batch: Batch, at: int) -> tuple[object, ...]:
    image = dict(zip(batch.names, batch.rows[at], strict=True))
    return (
        merging.school_id,
        uuid7(merging.now_ms),
        batch.table.number,
        _id(batch.rows[at]),
        batch.images[at] if batch.images else encode(image),
        batch.hashes[at],
        merging.header.epoch,
        merging.now_ms,
    )


def _id(row: tuple[Cell, ...]) -> UUID:
    assert isinstance(row[0], bytes), "staging lets nothing else through"
    return UUID(bytes=row[0])
