"""What one board has committed, as the invariants look at it."""

from msgspec import Struct

from sync.merge import digest, order_of, row_hash
from sync.registry import TABLE, TABLE_NUMBERED, TABLES

STREAMS = """
SELECT s.lane, s.epoch, s.cur_n, s.cur_hash, s.trimmed_n, s.received_n, s.applied_n
  FROM sync_stream AS s
"""
CHAIN = """
SELECT c.n, c.hash
  FROM sync_chain AS c
 WHERE c.epoch = ?1 AND c.lane = ?2
 ORDER BY c.n
"""
PAYLOADS = """
SELECT p.lane, p.n
  FROM sync_segment AS p
 WHERE p.epoch = ?1
"""
DIRTY = "SELECT tbl, pk FROM sync_dirty"
CONFLICTS = "SELECT tbl, pk, row_hash FROM sync_conflict"

ALL_ROWS = {
    table.name: f"SELECT {', '.join(column.name for column in table.columns)} FROM {table.name}"
    for table in TABLES
}


class Row(Struct, frozen=True):
    """One current row: its values, its counters and the hash of its content."""

    values: tuple
    order: tuple
    hash: bytes
    is_deleted: bool


class Look(Struct, frozen=True):
    """Everything one board has committed, read at once."""

    rows: dict
    conflicts: frozenset
    dirty: frozenset
    streams: dict
    payloads: frozenset

    @property
    def waiting(self):
        """What a fault-free exchange must make less: unsent segments and unsealed rows."""
        unsent = sum(stream.cur_n - stream.received_n for stream in self.streams.values())
        return unsent + len(self.dirty)


class Stream(Struct, frozen=True):
    """One lane's books."""

    epoch: bytes
    cur_n: int
    cur_hash: bytes
    trimmed_n: int
    received_n: int
    applied_n: int
    chain: tuple


def row_of(table, values):
    is_deleted = not table.is_fact and values[-1] is not None  # registry.VERSION_COLUMNS
    return Row(values, order_of(table, values), row_hash(table, values), is_deleted)


def digests_of(rows, without):
    """Count and digest of each table, but for the rows named in `without`."""
    parts = {table.name: [] for table in TABLES}
    for (name, pk), row in rows.items():
        if (name, pk) not in without:
            parts[name].append((pk, order_of(TABLE[name], row.values)[1], row.hash))
    return {name: (len(found), digest(found)) for name, found in parts.items() if found}


def name_of(number):
    return TABLE_NUMBERED[number].name


def read(db, rows):
    """Everything but the rows, which are read by whoever knows what has changed."""
    tuples = db.tuples
    streams = {
        lane: Stream(epoch, *rest, tuple(tuples(CHAIN, (epoch, lane))))
        for lane, epoch, *rest in tuples(STREAMS)
    }
    epochs = {stream.epoch for stream in streams.values()}
    return Look(
        rows=rows,
        conflicts=frozenset((name_of(tbl), *rest) for tbl, *rest in tuples(CONFLICTS)),
        dirty=frozenset((name_of(tbl), pk) for tbl, pk in tuples(DIRTY)),
        streams=streams,
        payloads=frozenset(row for epoch in epochs for row in tuples(PAYLOADS, (epoch,))),
    )
