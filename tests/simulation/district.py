"""What the hub in memory keeps of one school, and how a segment's rows get into it.

Rows are sorted by the real hub's staging and judged by the real sync.merge; dictionaries
stand where PostgreSQL's tables do.
"""

from collections import Counter

from msgspec import Struct, field, msgpack, structs

from sync.hub.intake.erased import is_about, without_erased
from sync.hub.intake.merging import Tally
from sync.hub.intake.staging import Refused, sort_rows
from sync.merge import BECOMES_CURRENT, CONFLICTS, Image, Outcome, judge, order_of, row_hash
from sync.protocol import LOG_BEGIN, next_log_hash
from sync.registry import TABLE

COUNTED = {outcome: outcome.value for outcome in Outcome} | dict.fromkeys(CONFLICTS, "conflict")


class Held(Struct, frozen=True):
    """A current row: its values, its image, when it last changed."""

    values: tuple
    image: Image
    change_no: int

    @property
    def hash(self):
        return self.image.row_hash


class Link(Struct, frozen=True):
    """A segment that was accepted, and what became of its rows."""

    n: int
    hash: bytes
    prev_hash: bytes
    rows: int
    tally: Tally


class Aside(Struct, frozen=True):
    """A row that cannot be merged, as it came; `epoch` brought it last."""

    reason: str
    columns: tuple
    values: tuple
    epoch: object


class School(Struct):
    """All of it; a copy is what a backup holds."""

    school_id: bytes
    rows: dict = {}
    conflicts: dict = {}
    aside: dict = {}  # (table, id, hash) -> Aside
    streams: dict = {}  # (node, epoch, lane) -> links, in order
    heads: dict = {}  # epoch -> highest change number
    log: tuple = (LOG_BEGIN,)
    applied: Counter = field(default_factory=Counter)  # (node, epoch, lane, n) -> how often (I3)
    effects: Counter = field(default_factory=Counter)  # (table, id) -> how often it was new (I3)
    change_no: int = 0
    feed: dict = {}  # (table, id) -> place of its last change
    extra: dict = {}  # (table, id) -> hash and image of a row with columns that have no place
    files: dict = {}  # content -> what is counted of it (hub_files.py)
    written: list = []  # hub-owned rows that this transaction has touched

    def copy(self):
        return School(
            self.school_id,
            dict(self.rows),
            dict(self.conflicts),
            dict(self.aside),
            dict(self.streams),
            dict(self.heads),
            self.log,
            self.applied.copy(),
            self.effects.copy(),
            self.change_no,
            dict(self.feed),
            dict(self.extra),
            dict(self.files),
        )

    @property
    def parked(self):
        """Rows of tables that were unknown when they came."""
        return [where for where, each in self.aside.items() if each.reason == "unknown-table"]

    @property
    def forgotten(self):
        """Everybody on the list in the database, "deleted" or not."""
        return frozenset(pk for name, pk in self.rows if name == "erasure")

    def merge(self, header, tables, issued=0):
        """Every row becomes current, goes beside, is put aside with a reason, or is erased."""
        tally, people = Tally(), self.forgotten
        for block in tables:
            found = sort_rows(block, header.school_id, issued)
            kept = [row for row in found.refused if not is_about(row, people)]
            tally.erased += len(found.refused) - len(kept)
            for refused in kept:
                self.put_aside(refused, header.epoch)
                tally.quarantined += 1
            for batch in found.batches:
                left = without_erased(batch, people)
                tally.erased += len(batch.rows) - len(left.rows)
                for values, hashed in zip(left.rows, left.hashes, strict=True):
                    name = self.merge_row(left, values, hashed, header.epoch)
                    setattr(tally, name, getattr(tally, name) + 1)
                self.keep_whole(left)
        return tally

    def merge_row(self, batch, values, hashed, epoch):
        """Merge one row; returns the name it is counted under."""
        table = batch.table
        if any(isinstance(value, str) and "\0" in value for value in values):
            # PostgreSQL takes none
            names_and_values = as_sent(batch, values)
            self.put_aside(Refused(table.name, *names_and_values, "text-with-a-null"), epoch)
            return "quarantined"
        key = (table.name, values[0])
        held = self.rows.get(key)
        whole = whole_row(batch, values, held)
        incoming = Image(*order_of(table, whole), hashed, epoch.bytes)
        outcome = judge(None if held is None else held.image, incoming)
        if outcome in CONFLICTS:
            loser = held if outcome is Outcome.DISPLACED else Held(whole, incoming, 0)
            self.keep(key, loser)
        if outcome is Outcome.DUPLICATE and epoch.bytes != held.image.src_epoch:
            image = structs.replace(held.image, holder=epoch.bytes)
            self.rows[key] = Held(held.values, image, held.change_no)
        if outcome in BECOMES_CURRENT:
            self.put(key, whole, incoming, epoch)
            self.effects[key] += outcome is Outcome.INSERTED
        self.settle(key, epoch)
        return COUNTED[outcome]

    def keep_whole(self, batch):
        """What was sent and has no place here, of the images that are current now."""
        for values, hashed, image in zip(batch.rows, batch.hashes, batch.images, strict=False):
            key = (batch.table.name, values[0])
            if key in self.rows and self.rows[key].hash == hashed:
                self.extra[key] = (hashed, msgpack.decode(image))

    def put(self, key, values, image, epoch):
        held = self.rows.get(key)
        if held is not None and not TABLE[key[0]].is_fact and held.values[-3] is not None:
            self.written.append(key)
        self.change_no += 1
        self.rows[key] = Held(values, image, self.change_no)
        self.heads[epoch] = self.change_no

    def keep(self, key, loser):
        self.conflicts[*key, loser.hash] = loser.values

    def put_aside(self, refused, epoch):
        name, values = refused.table_name, refused.values
        hashed = row_hash(TABLE[name], values) if name in TABLE else repr(values).encode()
        self.aside[name, values[0], hashed] = Aside(refused.reason, refused.columns, values, epoch)

    def settle(self, key, epoch):
        """A row that was taken answers for an earlier image of its own lineage.

        Not for one of another epoch: that may be its rival, and would be nowhere.
        """
        for (name, pk, hashed), aside in list(self.aside.items()):
            if (name, pk) == key and aside.epoch == epoch:
                del self.aside[name, pk, hashed]

    def move(self, segment, tally):
        header = segment.header
        stream = (header.node_id, header.epoch, header.lane)
        link = Link(header.n, segment.hash, header.prev_hash, header.rows, tally)
        self.streams[stream] = (*self.streams.get(stream, ()), link)
        self.log = (*self.log, next_log_hash(self.log[-1], segment.hash))
        self.applied[*stream, header.n] += 1

    def is_aside(self, key):
        return any((name, pk) == key for name, pk, _ in self.aside)


def as_sent(batch, values):
    """With every column that a row came with."""
    if not batch.strangers:
        return batch.names, tuple(values)
    image = msgpack.decode(batch.images[batch.rows.index(values)])
    return tuple(image), tuple(image.values())


def whole_row(batch, values, held):
    """What was not sent stays as it is."""
    columns = names(TABLE[batch.table.name])
    if batch.names == columns:
        return tuple(values)
    sent = dict(zip(batch.names, values, strict=True))
    was = {} if held is None else dict(zip(columns, held.values, strict=True))
    return tuple(sent.get(name, was.get(name)) for name in columns)


def names(table):
    return tuple(column.name for column in table.columns)
