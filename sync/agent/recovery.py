"""The one repair for six accidents: new epoch, fetch back, send again.

Lost power, a restored backup, a cloned card, a hub rolled back, a replaced board and a card
that has lost bits of what was sealed all end here. The debt is in the database, because the
answer that shows it may be lost: the new epoch, the debt and the cursor are one transaction;
each page and its cursor are one.
"""

import logging
from collections.abc import Callable
from typing import Final, LiteralString
from uuid import UUID

from appliance.database.agent import AgentDatabase
from appliance.database.transaction import Transaction
from sync.agent.faults import HubTooNew, Refused
from sync.agent.rows import (
    Meeting,
    Row,
    in_registry_order,
    mark_rows,
    merge_row,
    table_after,
    table_named,
)
from sync.agent.store import Identity, identity, keep_receipt, open_streams, streams
from sync.core.columns import BlockCorrupt, unpack
from sync.core.node import Fork
from sync.protocol import Block, PullPage, Receipt
from sync.registry import TABLE_NUMBERED, TABLES, Table

logger = logging.getLogger(__name__)

# Receipts of another incarnation prove nothing to the hub that now is; those of this one
# stay: they are the evidence.
ENTER_EPOCH: Final[LiteralString] = """
UPDATE sync_identity
   SET epoch        = ?1,
       incarnation  = ?2,
       recovery_due = 1,
       check_due    = 1,
       self_cursor  = 0,
       remark_tbl   = ?3,
       remark_pk    = x'',
       receipt      = CASE WHEN incarnation IS ?2 THEN receipt END,
       receipt_no   = CASE WHEN incarnation IS ?2 THEN receipt_no ELSE 0 END
"""

# A hub that was rolled back twice may bear an earlier name again, and cursors of that time
# would seem to count: with any change of the name they count nothing.
LOSE_PLACES: Final[LiteralString] = """
UPDATE sync_scope
   SET incarnation = NULL
 WHERE (SELECT incarnation FROM sync_identity) IS NOT ?1
"""

NOTE_WHY: Final[LiteralString] = """
UPDATE sync_identity
   SET left_reason = ?1, left_at_ms = ?2
"""

LEAVE_STREAMS: Final[LiteralString] = "DELETE FROM sync_stream"

# Their rows are marked again; the chain keeps their hashes for ever.
DROP_PAYLOADS: Final[LiteralString] = "DELETE FROM sync_segment WHERE epoch <> ?1"

MOVE_MARKER: Final[LiteralString] = """
UPDATE sync_identity
   SET remark_tbl = ?1, remark_pk = ?2
"""

MOVE_CURSOR: Final[LiteralString] = """
UPDATE sync_identity
   SET self_cursor  = ?1,
       recovery_due = CASE WHEN ?2 THEN recovery_due ELSE 0 END
"""

# What this box has let go of stays gone; its ids are in the order of their making.
READ_PRUNED: Final[LiteralString] = """
SELECT before_pk
  FROM sync_pruned
 WHERE tbl = ?1
"""

BEGIN_APPLYING: Final[LiteralString] = "UPDATE sync_identity SET applying = 1"
END_APPLYING: Final[LiteralString] = "UPDATE sync_identity SET applying = 0"


def begin_epoch(
    db: AgentDatabase, *, epoch: UUID, incarnation: UUID, why: Fork, now_ms: int
) -> None:
    """Leave this lineage of the log."""
    with db.changing() as tx:
        enter_epoch(tx, epoch, incarnation)
        tx.run(NOTE_WHY, (why.value, now_ms))


def notice_restored(db: AgentDatabase, new_epoch: Callable[[], UUID], *, now_ms: int) -> bool:
    """Leave the lineage of a file that was put back: whoever did that took its streams away."""
    me = identity(db)
    if me is None or me.incarnation is None or streams(db, me.epoch):
        return False
    begin_epoch(db, epoch=new_epoch(), incarnation=me.incarnation, why=Fork.RESTORED, now_ms=now_ms)
    logger.warning("the database was restored or repaired; a new epoch was begun")
    return True


def enter_epoch(tx: Transaction, epoch: UUID, incarnation: UUID) -> None:
    """Write epoch, debt, cursors and empty streams."""
    tx.run(LOSE_PLACES, (incarnation,))
    tx.run(ENTER_EPOCH, (epoch, incarnation, TABLES[0].number))
    tx.run(LEAVE_STREAMS)
    me = identity(tx)
    assert me is not None
    open_streams(tx, me)


def mark_next(db: AgentDatabase, me: Identity, *, now_ms: int) -> None:
    """Mark the next few rows; the cursor moves with them."""
    assert me.remark_tbl is not None
    table = TABLE_NUMBERED.get(me.remark_tbl)  # None: a later release was given up at its own
    with db.changing() as tx:
        if table is not None:
            last = mark_rows(db, tx, table, me.remark_pk or b"", me.node_id, now_ms=now_ms)
            if last is not None:
                tx.run(MOVE_MARKER, (table.number, last))
                return
        following = table_after(me.remark_tbl)
        tx.run(MOVE_MARKER, (following.number, b"") if following else (None, None))
        if following is None:
            tx.run(DROP_PAYLOADS, (me.epoch,))


def apply_page(
    db: AgentDatabase, me: Identity, page: PullPage, receipt: Receipt, *, now_ms: int
) -> int:
    """Merge a page and move the cursor, in one transaction; return how many rows came.

    Raises HubTooNew for a table this release does not have; then nothing of it is kept.
    """
    meeting = Meeting(me.epoch, page.incarnation, now_ms)
    blocks = [_read_block(block) for block in page.rows]
    with db.changing() as tx:
        tx.run(BEGIN_APPLYING)
        for table, rows in blocks:
            for row in still_wanted(db, table, rows):
                merge_row(db, tx, table, row, meeting)
        tx.run(END_APPLYING)
        tx.run(MOVE_CURSOR, (page.next_cursor, page.more))
        keep_receipt(tx, page.receipt, receipt)
    return sum(len(rows) for _, rows in blocks)


def still_wanted(db: AgentDatabase, table: Table, rows: list[Row]) -> list[Row]:
    """Leave out what this box has let go of."""
    before = db.value(READ_PRUNED, (table.number,))
    if not isinstance(before, bytes):
        return rows
    return [row for row in rows if isinstance(row[0], bytes) and row[0] >= before]


def _read_block(block: Block) -> tuple[Table, list[Row]]:
    try:
        rows = unpack(block)
    except BlockCorrupt as error:
        raise Refused(f"pull: {error}", reason="page-corrupt", http_status=200) from error
    table = table_named(rows.table)
    if table is None:
        raise HubTooNew(f"pull: no table {rows.table} here")
    return table, in_registry_order(table, rows)
