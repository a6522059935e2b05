"""Sealing: the waiting rows' present images become a numbered, signed segment.

The images are read in one snapshot, which no writer waits for. Then one short transaction
at synchronous=FULL stores the segment and moves the chain. Nothing of a segment leaves the
box before that COMMIT, which also makes everything the segment contains durable: the WAL is
one file.

The marks are forgotten afterwards, a few hundred in a transaction, because a teacher's write
waits for each (5,000 at once took 20-80 ms). Only marks that still carry the number that was
read go: a row changed meanwhile waits again. Cut off in between, the rest is sealed once
more, and the hub finds duplicates.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, LiteralString

from msgspec import Struct
from nacl.signing import SigningKey

from appliance.database.agent import AgentDatabase
from appliance.database.transaction import Transaction
from sync.agent.rows import Row, read_row, values_size
from sync.agent.store import RANK_MAX, Identity, Stream
from sync.core.columns import Rows
from sync.core.segment import Sealed, pack_rows, seal
from sync.merge import order_of
from sync.protocol import SEGMENT_RAW_BYTES_MAX, SEGMENT_ROWS_MAX, SegmentHeader
from sync.registry import TABLE_NUMBER_MAX, TABLE_NUMBERED, Table

# ?4: a later release that was given up may have left rows of tables that only it knows; they wait.
READ_WAITING: Final[LiteralString] = """
SELECT tbl, pk, seq
  FROM sync_dirty
 WHERE lane = ?1 AND rank <= ?3 AND tbl <= ?4
 ORDER BY rank, day DESC, seq
 LIMIT ?2
"""

KEEP_SEGMENT: Final[LiteralString] = """
INSERT INTO sync_segment (lane, epoch, n, payload)
VALUES (?1, ?2, ?3, ?4)
"""

KEEP_LINK: Final[LiteralString] = """
INSERT INTO sync_chain (lane, epoch, n, hash, rows, size_bytes, sealed_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
"""

ADVANCE_STREAM: Final[LiteralString] = """
UPDATE sync_stream
   SET cur_n = ?3, cur_hash = ?4
 WHERE lane = ?1 AND epoch = ?2 AND cur_n = ?3 - 1
"""

FORGET_MARK: Final[LiteralString] = """
DELETE FROM sync_dirty
 WHERE tbl = ?1 AND pk = ?2 AND seq = ?3
"""

NOTE_CUSTODY: Final[LiteralString] = """
INSERT INTO sync_custody (tbl, pk, version, lane, epoch, n)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (tbl, pk) DO UPDATE
   SET version = excluded.version,
       lane    = excluded.lane,
       epoch   = excluded.epoch,
       n       = excluded.n
"""


MARKS_AT_ONCE: Final = 250  # one transaction of 1-4 ms


class Stamp(Struct, frozen=True):
    """What a segment says of the moment and the machine it was sealed on."""

    now_ms: int
    clock_quality: int
    schema_version: int
    app_version: str


class Share(Struct, frozen=True):
    """How much one segment may carry: bytes before compression, and up to which rank."""

    size_max: int = SEGMENT_RAW_BYTES_MAX
    rank_max: int = RANK_MAX
    breathe: Callable[[], None] = lambda: None  # between two transactions: the class writes


class Mark(Struct, frozen=True):
    """One line of sync_dirty."""

    tbl: int
    pk: bytes
    seq: int


class Batch(Struct, frozen=True):
    """What one segment will carry. `marks` may name more: rows that are gone.

    `versions` holds the version of each row that somebody has a receipt for.
    """

    marks: list[Mark]
    rows: dict[int, list[Row]]
    versions: dict[tuple[int, bytes], int]

    @property
    def count(self) -> int:
        """How many rows."""
        return sum(len(rows) for rows in self.rows.values())


def seal_rows(
    db: AgentDatabase, me: Identity, stream: Stream, key: SigningKey, stamp: Stamp, share: Share
) -> int:
    """Seal waiting rows of one lane; return how many.

    None when an export sealed at the same moment: the number is taken, nothing is lost, and
    whoever asks again finds what still waits.
    """
    with db.snapshot():
        batch = read_batch(db, stream.lane, share)
    sealed = make_segment(me, stream, key, stamp, batch) if batch.count else None
    if sealed is not None:
        with db.changing() as tx:
            is_kept = keep_segment(tx, me, stream, sealed, batch.count, now_ms=stamp.now_ms)
        if not is_kept:
            return 0
    for piece in batched(batch.marks, MARKS_AT_ONCE):
        share.breathe()
        with db.changing() as tx:
            forget_marks(tx, me, stream, batch, piece)
    return batch.count


def read_batch(db: AgentDatabase, lane: int, share: Share) -> Batch:
    """Read marks in the order of sealing, and their rows, until the segment is full."""
    args = (lane, SEGMENT_ROWS_MAX, share.rank_max, TABLE_NUMBER_MAX)
    marks = db.rows(Mark, READ_WAITING, args)
    taken: list[Mark] = []
    rows: defaultdict[int, list[Row]] = defaultdict(list)
    versions = {}
    size = 0
    for mark in marks:
        table = TABLE_NUMBERED[mark.tbl]
        row = read_row(db, table, mark.pk)
        size += 0 if row is None else values_size(row)
        if taken and size > share.size_max:
            break
        taken.append(mark)
        if row is None:
            continue  # pruned since it was marked: nothing to send
        rows[mark.tbl].append(row)
        if table.has_receipt:
            versions[mark.tbl, mark.pk] = order_of(table, row)[1]
    return Batch(taken, rows, versions)


def make_segment(
    me: Identity, stream: Stream, key: SigningKey, stamp: Stamp, batch: Batch
) -> Sealed:
    """Pack, link and sign."""
    body, raw_size = pack_rows(
        [_rows_of(TABLE_NUMBERED[tbl], batch.rows[tbl]) for tbl in batch.rows]
    )
    assert me.hub_id is not None
    header = SegmentHeader(
        hub_id=me.hub_id,
        node_id=me.node_id,
        school_id=me.school_id,
        epoch=me.epoch,
        lane=stream.lane,
        n=stream.cur_n + 1,
        prev_hash=stream.cur_hash,
        rows=batch.count,
        body_size=len(body),
        body_raw_size=raw_size,
        body_sha256=hashlib.sha256(body).digest(),
        schema_version=stamp.schema_version,
        app_version=stamp.app_version,
        sealed_at_ms=stamp.now_ms,
        clock_quality=stamp.clock_quality,
    )
    return seal(header, body, key)


def _rows_of(table: Table, rows: list[Row]) -> Rows:
    return Rows(table.name, tuple(column.name for column in table.columns), rows)


def keep_segment(
    tx: Transaction, me: Identity, stream: Stream, sealed: Sealed, rows: int, *, now_ms: int
) -> bool:
    """Store the segment and move the stream, unless it has moved since it was read."""
    n = stream.cur_n + 1
    if tx.run(ADVANCE_STREAM, (stream.lane, me.epoch, n, sealed.hash)) != 1:
        return False
    tx.run(KEEP_SEGMENT, (stream.lane, me.epoch, n, sealed.payload))
    size = len(sealed.payload)
    tx.run(KEEP_LINK, (stream.lane, me.epoch, n, sealed.hash, rows, size, now_ms))
    return True


def forget_marks(
    tx: Transaction, me: Identity, stream: Stream, batch: Batch, marks: Sequence[Mark]
) -> None:
    """Let rows wait no longer; for those with a receipt, note which segment carries them."""
    for mark in marks:
        tx.run(FORGET_MARK, (mark.tbl, mark.pk, mark.seq))
        version = batch.versions.get((mark.tbl, mark.pk))
        if version is not None:
            where = (stream.lane, me.epoch, stream.cur_n + 1)
            tx.run(NOTE_CUSTODY, (mark.tbl, mark.pk, version, *where))


def batched(marks: Sequence[Mark], size: int) -> Iterator[Sequence[Mark]]:
    """Cut into pieces of at most `size`."""
    for start in range(0, len(marks), size):
        yield marks[start : start + size]
