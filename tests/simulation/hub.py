"""A hub in memory: the real judgments of sync.core.hub and sync.merge over dictionaries.

A snapshot is a copy of its state; rolling back puts one in its place, which is what a
restored database or virtual machine does.
"""

from uuid import UUID

from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from sync.core.columns import Rows, pack
from sync.core.hub import Arrival, Position, has_rows_to_pull, judge_segment, was_rolled_back
from sync.core.segment import check_signature, open_body, read_segment
from sync.merge import (
    BECOMES_CURRENT,
    CONFLICTS,
    Image,
    Outcome,
    digest,
    image_of,
    judge,
    order_of,
)
from sync.protocol import (
    LOG_BEGIN,
    Hello,
    PullPage,
    Receipt,
    SegmentAnswer,
    SignedHello,
    SignedReceipt,
    StreamPosition,
    decode,
    encode,
    genesis,
    hello_message,
    next_log_hash,
    receipt_message,
)
from sync.registry import TABLE, TABLES


class Broken(Exception):
    """409: the segment does not continue what is here."""


class Held(Struct, frozen=True):
    """A current row: its values, its image, when it last changed."""

    values: tuple
    image: Image
    change_no: int


class School(Struct):
    """What the hub keeps of one school."""

    rows: dict
    conflicts: dict
    streams: dict  # (node, epoch, lane) -> hashes received, in order
    heads: dict  # epoch -> highest change number
    log: list
    change_no: int = 0

    def copy(self):
        streams = {key: list(hashes) for key, hashes in self.streams.items()}
        return School(
            dict(self.rows),
            dict(self.conflicts),
            streams,
            dict(self.heads),
            list(self.log),
            self.change_no,
        )


class Hub:
    """One district. `dice` gives new incarnations."""

    def __init__(self, dice):
        self.dice = dice
        self.key = SigningKey(dice.randbytes(32))
        self.public_key = self.key.verify_key.encode()
        self.hub_id = UUID(bytes=dice.randbytes(16))
        self.incarnation = self.new_incarnation()
        self.schools = {}
        self.node_keys = {}
        self.now_ms = 0
        self.reads_receipts = True

    def new_incarnation(self):
        return UUID(bytes=self.dice.randbytes(16))

    def enrol(self, school_id, node_id, node_key):
        self.schools.setdefault(school_id, School({}, {}, {}, {}, [LOG_BEGIN]))
        self.node_keys[node_id] = (school_id, node_key)

    # The accident.

    def snapshot(self):
        return self.incarnation, {key: school.copy() for key, school in self.schools.items()}

    def roll_back(self, snapshot, *, is_noticed):
        self.incarnation, schools = snapshot
        self.schools = {key: school.copy() for key, school in schools.items()}
        if is_noticed:
            self.incarnation = self.new_incarnation()

    # The protocol.

    def hello(self, request):
        school_id, _ = self.node_keys[request.node_id]
        school = self.schools[school_id]
        if request.receipt is not None and self.reads_receipts:
            self._notice_rollback(school, request.receipt)
        positions = [
            self._position(school, request.node_id, request.epoch, stream.lane)
            for stream in request.streams
        ]
        subject = (school_id, request.node_id, request.epoch)
        body = encode(
            Hello(
                node_id=request.node_id,
                epoch=request.epoch,
                streams=positions,
                incarnation=self.incarnation,
                pull=has_rows_to_pull(school.heads, request.epoch, request.self_cursor),
                exceptions=[],
                hub_time_ms=self.now_ms,
                receipt=self._receipt(school, subject, positions[0]),
                nonce=request.nonce,
            )
        )
        return SignedHello(body=body, signature=self.key.sign(hello_message(body)).signature)

    def put(self, payload):
        segment = read_segment(payload)
        header = segment.header
        school_id, node_key = self.node_keys[header.node_id]
        assert school_id == header.school_id
        assert header.hub_id == self.hub_id
        check_signature(segment, node_key)
        tables = open_body(segment)
        school = self.schools[school_id]
        received = school.streams.get((header.node_id, header.epoch, header.lane), [])
        at = self._position(school, header.node_id, header.epoch, header.lane)
        known = received[header.n - 1] if header.n <= len(received) else None
        where = Position(at.received_n, at.received_hash)
        arrival = judge_segment(header, segment.hash, where, known)
        if arrival is Arrival.BROKEN:
            raise Broken
        if arrival is Arrival.NEXT:
            self.accept(school, segment, tables)
        subject = (school_id, header.node_id, header.epoch)
        at = self._position(school, header.node_id, header.epoch, header.lane)
        return SegmentAnswer(
            received_n=at.received_n,
            received_hash=at.received_hash,
            applied_n=at.applied_n,
            incarnation=self.incarnation,
            receipt=self._receipt(school, subject, at),
        )

    def accept(self, school, segment, tables):
        """One transaction: nothing in here can be cut in two."""
        self.merge(school, segment.header, tables)
        self.move(school, segment)

    def pull(self, node_id, epoch, cursor, limit):
        school_id, _ = self.node_keys[node_id]
        school = self.schools[school_id]
        found = sorted(
            (held.change_no, key, held.values)
            for key, held in school.rows.items()
            if held.change_no > cursor and held.image.src_epoch != epoch.bytes
        )
        page = found[:limit]
        blocks = [pack(Rows(name, names(name), [values])) for _, (name, _), values in page]
        at = self._position(school, node_id, epoch, 0)
        heads = [head for other, head in school.heads.items() if other != epoch]
        return PullPage(
            rows=blocks,
            next_cursor=page[-1][0] if len(found) > limit else max([cursor, *heads]),
            more=len(found) > limit,
            incarnation=self.incarnation,
            receipt=self._receipt(school, (school_id, node_id, epoch), at),
        )

    # Inside.

    def merge(self, school, header, tables):
        counted = 0
        for rows in tables:
            table = TABLE[rows.table]
            for values in rows.rows:
                self._merge_row(school, table, values, header.epoch)
                counted += 1
        assert counted == header.rows, "I7: every row has an outcome"

    def _merge_row(self, school, table, values, epoch):
        key = (table.name, values[0])
        held = school.rows.get(key)
        incoming = image_of(table, values, epoch.bytes)
        outcome = judge(None if held is None else held.image, incoming)
        if outcome in CONFLICTS:
            loser = held.values if outcome is Outcome.DISPLACED else values
            image = held.image if outcome is Outcome.DISPLACED else incoming
            self.keep(school, (*key, image.row_hash), loser)
        if outcome in BECOMES_CURRENT:
            school.change_no += 1
            assert held is None or held.image.order <= incoming.order, "I2: no row goes back"
            school.rows[key] = Held(values, incoming, school.change_no)
            school.heads[epoch] = school.change_no

    def keep(self, school, key, loser):
        school.conflicts[key] = loser

    def move(self, school, segment):
        header = segment.header
        stream = school.streams.setdefault((header.node_id, header.epoch, header.lane), [])
        stream.append(segment.hash)
        school.log.append(next_log_hash(school.log[-1], segment.hash))

    def _notice_rollback(self, school, signed):
        try:
            self.key.verify_key.verify(receipt_message(signed.body), signed.signature)
        except BadSignatureError as error:
            raise AssertionError("a node holds a receipt nobody signed") from error
        receipt = decode(signed.body, Receipt)
        here = school.log[receipt.no] if receipt.no < len(school.log) else None
        if was_rolled_back(receipt, self.incarnation, here):
            self.incarnation = self.new_incarnation()

    def _position(self, school, node_id, epoch, lane):
        hashes = school.streams.get((node_id, epoch, lane), [])
        first = genesis(self.hub_id, node_id, epoch, lane)
        return StreamPosition(
            lane=lane,
            received_n=len(hashes),
            received_hash=hashes[-1] if hashes else first,
            applied_n=len(hashes),
        )

    def _receipt(self, school, subject, at):
        school_id, node_id, epoch = subject
        body = encode(
            Receipt(
                hub_id=self.hub_id,
                incarnation=self.incarnation,
                school_id=school_id,
                node_id=node_id,
                epoch=epoch,
                lane=at.lane,
                received_n=at.received_n,
                received_hash=at.received_hash,
                applied_n=at.applied_n,
                no=len(school.log) - 1,
                log_hash=school.log[-1],
                issued_at_ms=self.now_ms,
            )
        )
        return SignedReceipt(body=body, signature=self.key.sign(receipt_message(body)).signature)

    def digests(self, school_id):
        parts = {table.name: [] for table in TABLES}
        for (name, pk), held in self.schools[school_id].rows.items():
            version = order_of(TABLE[name], held.values)[1]
            parts[name].append((pk, version, held.image.row_hash))
        return {name: (len(rows), digest(rows)) for name, rows in parts.items()}


def names(table):
    return tuple(column.name for column in TABLE[table].columns)
