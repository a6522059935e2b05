"""A hub in memory: the real judgments of sync.core.hub and sync.merge over dictionaries.

What is committed survives a crash; every commit is kept, so the hub can be put back to any
moment, as a restored database, a virtual machine or a lagging replica would be.
"""

import contextlib
from uuid import UUID

import msgspec
from msgspec import Struct, structs
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey

from sync.core.columns import Rows, pack
from sync.core.hub import (
    Arrival,
    Position,
    has_forgotten,
    has_rows_to_pull,
    judge_segment,
    was_rolled_back,
)
from sync.core.segment import (
    SegmentRefused,
    SignatureWrong,
    check_signature,
    open_body,
    read_segment,
)
from sync.protocol import (
    EXCEPTIONS_MAX,
    Hello,
    PullPage,
    Receipt,
    RowException,
    SegmentAnswer,
    SignedHello,
    SignedReceipt,
    StreamPosition,
    decode,
    encode,
    genesis,
    hello_message,
    receipt_message,
)
from sync.registry import TABLE
from tests.simulation import hub_files
from tests.simulation.district import School, names
from tests.simulation.forgetting import erase_again
from tests.simulation.looking import digests_of
from tests.simulation.outlet import scope_states
from tests.simulation.releases import catch_up, speaking

COMMITS_KEPT = 60


class Broken(Exception):
    """409: the segment does not continue what is here."""


class Denied(Exception):
    """401 or 403: this key may not speak for this node."""


class Crashed(Exception):
    """The hub went down in the middle; nobody hears an answer."""


class State(Struct, frozen=True):
    """Everything that is durable."""

    incarnation: UUID
    timeline: int
    schools: dict
    xid: int
    feed_no: int
    generation: int
    owner_counter: int

    def copy(self):
        schools = {key: school.copy() for key, school in self.schools.items()}
        return structs.replace(self, schools=schools)


class Hub:
    """One district. `dice` gives new incarnations."""

    def __init__(self, dice, folder):
        self.dice = dice
        self.folder = folder  # its files lie there, whatever becomes of the database
        self.key = SigningKey(dice.randbytes(32))
        self.public_key = self.key.verify_key.encode()
        self.hub_id = UUID(bytes=dice.randbytes(16))
        self.incarnation = self.new_incarnation()
        self.district_id = UUID(bytes=dice.randbytes(16))
        self.timeline = 1
        self.xid = self.feed_no = self.generation = self.owner_counter = 0
        self.by_clock = 0  # the generation a hub would give itself now; no backup puts a clock back
        self.open_xid = None  # a transaction that is still running
        self.promotions = 0
        self.schools = {self.district_id: School(self.district_id.bytes)}
        self.release = "same"  # of its programs; a database put back does not change them
        self.listed = {}  # (school, person): a file beside the database, which nothing takes back
        self.node_keys = {}
        self.revoked = set()
        self.now_ms = 0
        self.reads_receipts = True
        self.crashes = None
        self.journal = []
        self.backup = None
        self.rewinds = 0
        self.commit()

    def new_incarnation(self):
        return UUID(bytes=self.dice.randbytes(16))

    def change_incarnation(self):
        self.incarnation = self.new_incarnation()
        self.by_clock += 1
        self.generation = self.by_clock

    def enrol(self, school_id, node_id, node_key):
        if school_id not in self.schools:
            self.schools[school_id] = School(school_id.bytes)
        _, keys = self.node_keys.get(node_id, (school_id, ()))
        self.node_keys[node_id] = (school_id, (node_key, *keys))
        self.revoked.discard(node_id)
        self.commit()

    # What lasts.

    def commit(self):
        """Nothing is answered before this; a crash goes back to the last one."""
        if self.crashes == "before":
            self.crash()
        self._place_lines()
        state = State(*(getattr(self, name) for name in State.__struct_fields__)).copy()
        self.journal = [*self.journal[-COMMITS_KEPT:], state]
        if self.crashes == "after":
            self.crash()

    def _place_lines(self):
        """What one transaction wrote stands in the feed under its number."""
        self.xid += 1
        for school in self.schools.values():
            for key in school.written:
                self.feed_no += 1
                school.feed[key] = (self.xid, self.feed_no)
            school.written.clear()

    def commit_late(self):
        """The transaction that was open ends: its lines get the old number."""
        now, self.xid, self.open_xid = self.xid, self.open_xid - 1, None
        try:
            self.commit()
        finally:
            self.xid = max(now, self.xid)
        self.journal[-1] = structs.replace(self.journal[-1], xid=self.xid)

    def begin_long(self):
        self.xid += 1
        self.open_xid = self.xid

    def next_owner_epoch(self):
        self.owner_counter += 1
        return self.issued

    @property
    def issued(self):
        """The highest number of an ownership that this hub has given."""
        return self.generation << 32 | self.owner_counter

    def crash(self):
        self.crashes = None
        self._become(self.journal[-1])
        self.start()
        raise Crashed

    def start(self):
        """Before anything is taken in."""
        erase_again(self)
        catch_up(self)
        hub_files.tidy(self)

    def roll_back(self, commits, *, is_noticed):
        """Forget the newest commits; a noticed one gets another incarnation, as told to."""
        self.journal = self.journal[: max(len(self.journal) - commits, 1)]
        self.put_back(self.journal[-1], is_noticed=is_noticed)

    def put_back(self, state, *, is_noticed, is_promoted=False, files=None):
        """Receipts tell of lost segments, a promotion of itself by its timeline.

        Of words of the district that were lost alone, nobody but the runbook tells. Whoever is
        on the list is forgotten again as the hub starts; a replica takes over without a start.
        """
        if files is not None:
            hub_files.put_back(self, files)
        has_lost_lines = self._feeds(self.schools) != self._feeds(state.schools)
        self._become(state)
        self.rewinds += 1
        if is_noticed or (has_lost_lines and not is_promoted):
            self.change_incarnation()
        self.promotions += is_promoted
        self.timeline = 1 + self.promotions
        self.commit()
        if not is_promoted:
            self.start()

    def _feeds(self, schools):
        return {scope_id: school.feed for scope_id, school in schools.items()}

    def promote(self, commits):
        """A replica that lags by some commits takes over, on a timeline of its own."""
        self.journal = self.journal[: max(len(self.journal) - commits, 1)]
        self.put_back(self.journal[-1], is_noticed=False, is_promoted=True)

    def _become(self, state):
        state = state.copy()
        for name in State.__struct_fields__:
            setattr(self, name, getattr(state, name))
        self.open_xid = None

    # The protocol.

    def admit(self, node_id):
        """The school a token would be good for, and the node's keys: two while it rotates."""
        if node_id not in self.node_keys or node_id in self.revoked:
            raise Denied
        return self.node_keys[node_id]

    def hello(self, request):
        school_id, _ = self.admit(request.node_id)
        school = self.schools[school_id]
        if request.receipt is not None and self.reads_receipts:
            self._notice_rollback(school, request.receipt)
        positions = [
            self._position(school, request.node_id, request.epoch, lane)
            for lane in lanes_of(school, request)
        ]
        subject = (school_id, request.node_id, request.epoch)
        body = encode(
            Hello(
                node_id=request.node_id,
                epoch=request.epoch,
                streams=positions,
                incarnation=self.incarnation,
                pull=has_rows_to_pull(school.heads, request.epoch, request.self_cursor),
                exceptions=exceptions(school),
                hub_time_ms=self.now_ms,
                receipt=self._receipt(school, subject, positions[0]),
                nonce=request.nonce,
                scopes=scope_states(self, school_id, request.scopes),
            )
        )
        return SignedHello(body=body, signature=self.key.sign(hello_message(body)).signature)

    def put(self, node_id, payload):
        school_id, node_keys = self.admit(node_id)
        segment = read_segment(payload)
        header = segment.header
        if (header.school_id, header.node_id, header.hub_id) != (school_id, node_id, self.hub_id):
            raise SegmentRefused("of another school, node or hub")
        check_any_signature(segment, node_keys)
        tables = open_body(segment)
        school = self.schools[school_id]
        links = school.streams.get((header.node_id, header.epoch, header.lane), ())
        at = self._position(school, header.node_id, header.epoch, header.lane)
        known = links[header.n - 1].hash if header.n <= len(links) else None
        where = Position(at.received_n, at.received_hash)
        arrival = judge_segment(header, segment.hash, where, known)
        if arrival is Arrival.BROKEN:
            raise Broken
        has_exceptions = True  # a repeated one is not looked at again; hello knows
        if arrival is Arrival.NEXT:
            tally = self.accept(school, segment, tables)
            has_exceptions = tally.quarantined + tally.conflict > 0
            at = self._position(school, header.node_id, header.epoch, header.lane)
        return SegmentAnswer(
            received_n=at.received_n,
            received_hash=at.received_hash,
            applied_n=at.applied_n,
            incarnation=self.incarnation,
            receipt=self._receipt(school, (school_id, header.node_id, header.epoch), at),
            has_exceptions=has_exceptions,
        )

    def accept(self, school, segment, tables):
        """One transaction: a crash leaves all of it or nothing."""
        with speaking(self.release):
            tally = school.merge(segment.header, tables, self.issued)
        school.move(segment, tally)
        self.commit()
        return tally

    def pull(self, node_id, epoch, cursor, limit):
        school_id, _ = self.admit(node_id)
        school = self.schools[school_id]
        found = sorted(
            (held.change_no, key, held.values)
            for key, held in school.rows.items()
            if held.change_no > cursor
            and held.image.src_epoch != epoch.bytes
            and (TABLE[key[0]].is_fact or held.values[-3] is None)
        )
        page = found[:limit]
        blocks = [pack(whole(school, key)) for _, key, _ in page]
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

    def _notice_rollback(self, school, signed):
        try:
            self.key.verify_key.verify(receipt_message(signed.body), signed.signature)
            receipt = decode(signed.body, Receipt)
        except (BadSignatureError, msgspec.DecodeError) as error:
            raise AssertionError("a node holds a receipt nobody signed") from error
        here = school.log[receipt.no] if receipt.no < len(school.log) else None
        if was_rolled_back(receipt, self.incarnation, here) or has_forgotten(
            receipt, self.incarnation, self.generation
        ):
            self.change_incarnation()
            self.commit()

    def _position(self, school, node_id, epoch, lane):
        links = school.streams.get((node_id, epoch, lane), ())
        first = genesis(self.hub_id, node_id, epoch, lane)
        return StreamPosition(
            lane=lane,
            received_n=len(links),
            received_hash=links[-1].hash if links else first,
            applied_n=len(links),
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
                generation=self.generation,
            )
        )
        return SignedReceipt(body=body, signature=self.key.sign(receipt_message(body)).signature)

    def genesis(self, node_id, epoch, lane):
        return genesis(self.hub_id, node_id, UUID(bytes=epoch), lane)

    def digests(self, school_id, without=frozenset()):
        """Of everything a box of this school should have: its scopes and its own rows."""
        rows = self.schools[self.district_id].rows | self.schools[school_id].rows
        return digests_of(rows, without)


def lanes_of(school, request):
    """Those asked about, and those another board with a copy of this card has used."""
    held = {lane for *stream, lane in school.streams if stream == [request.node_id, request.epoch]}
    return sorted(held | {stream.lane for stream in request.streams})


def whole(school, key):
    """A row as it was sent, also where this hub has no place for all of it."""
    held = school.rows[key]
    hashed, image = school.extra.get(key, (None, None))
    if hashed == held.hash:
        return Rows(key[0], tuple(image), [tuple(image.values())])
    return Rows(key[0], names(TABLE[key[0]]), [held.values])


def check_any_signature(segment, node_keys):
    """Raise SignatureWrong unless one of the node's keys signed it."""
    *others, last = node_keys
    for key in others:
        with contextlib.suppress(SignatureWrong):
            return check_signature(segment, key)
    return check_signature(segment, last)


def exceptions(school):
    """Rows of this school that were put aside or beside, as hello names them."""
    aside = [(name, pk, aside.reason) for (name, pk, _), aside in school.aside.items()]
    beside = [(name, pk, "conflict") for name, pk, _ in school.conflicts]
    return [
        RowException(tbl=TABLE[name].number, pk=pk, reason=reason)
        for name, pk, reason in [*aside, *beside][:EXCEPTIONS_MAX]
        if name in TABLE
    ]
