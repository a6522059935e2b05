"""One node in conversation with its hub: local steps are done here, network ones are asked for.

`next_request` does one piece of work or returns what must be said to the hub; the `take`
functions take the answers. The agent carries both over HTTP, the simulation over a network that
drops, repeats and forgets. Nothing here sleeps, rolls dice or opens a socket.
"""

from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct, structs
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from appliance.database.agent import AgentDatabase
from appliance.database.faults import WriteFailed
from sync.agent import scopes, store
from sync.agent.faults import HubUntrusted
from sync.agent.recovery import apply_page, begin_epoch, mark_next
from sync.agent.sealing import Share, Stamp, seal_rows
from sync.agent.store import Identity
from sync.core.node import (
    BeginEpoch,
    FetchPage,
    Fork,
    Heard,
    MarkRows,
    Rest,
    SayHello,
    SealRows,
    SendSegment,
    View,
    judge_hello,
    next_step,
)
from sync.core.segment import is_intact, is_readable, signed_again
from sync.protocol import (
    LANES,
    Hello,
    HelloRequest,
    PullPage,
    Receipt,
    SegmentAnswer,
    SignedHello,
    SignedReceipt,
    StreamState,
    decode,
    hello_message,
    receipt_message,
)

T = TypeVar("T")

FORKS_MAX: Final = 3  # in one conversation; a hub that disowns every epoch costs no card
PAGE_ROWS: Final = 100  # about 10 ms of one transaction on the board


class Send(Struct, frozen=True):
    """PUT this segment."""

    node_id: UUID
    epoch: UUID
    lane: int
    n: int
    payload: bytes


class Fetch(Struct, frozen=True):
    """GET this page."""

    epoch: UUID
    cursor: int
    limit: int


class Greet(Struct, frozen=True):
    """POST this hello."""

    hello: HelloRequest


class Worked(Struct, frozen=True):
    """Nothing to say yet: a piece of local work was done, ask again."""


Request = Greet | Send | Fetch | Worked


class Chance(Struct, frozen=True):
    """Where new ids come from; the simulation has its own dice."""

    epoch: Callable[[], UUID]
    nonce: Callable[[], bytes]


class Session:
    """What was heard lives here and is forgotten at will; everything else is in the database."""

    def __init__(self, db: AgentDatabase, key: SigningKey, chance: Chance) -> None:
        self._db: Final = db
        self._key: Final = key
        self._chance: Final = chance
        self._heard: Heard | None = None
        self._incarnation: UUID | None = None
        self._nonce = b""
        self._forks = 0
        self.forked: Fork | None = None
        self.agreed: Hello | None = None  # the last hello that found us on one chain
        self.hub_time_ms: int | None = None  # as the last hello said
        self.share = Share()  # what one segment may carry now; its size is asked each time

    @property
    def is_complete(self) -> bool:
        """Whether this box has everything that its school wrote, here or elsewhere."""
        me = self._me()
        owes = me.recovery_due or me.remark_tbl is not None
        return self._heard == Heard(None, pull=False) and not owes

    def forget(self) -> None:
        """Contact was lost or the hub said something unexpected: begin with hello again."""
        self._heard = None

    def next_request(self, stamp: Stamp, size_max: int) -> Request | None:
        """Take the next step: a request to carry, Worked, or None when all is at the hub."""
        me = self._me()
        step = next_step(self._view(me))
        match step:
            case SayHello():
                return Greet(self._hello(me, stamp))
            case FetchPage():
                return Fetch(me.epoch, me.self_cursor, PAGE_ROWS)
            case SendSegment(lane=lane, n=n):
                return self._send_or_leave(me, lane, n)
            case Rest():
                return None
            case BeginEpoch() | MarkRows() | SealRows():
                self._do(step, me, stamp, size_max)
                return Worked()

    def _send_or_leave(self, me: Identity, lane: int, n: int) -> Send | Worked:
        """Read what was sealed; the rows of a segment that is no longer itself go once more."""
        payload, link = (
            store.payload(self._db, me.epoch, lane, n),
            store.own_hash(self._db, me, lane, n),
        )
        if link is None or not is_intact(payload, link):
            self._leave(Fork.PAYLOAD_DAMAGED)
            return Worked()
        return Send(me.node_id, me.epoch, lane, n, signed_again(payload, self._key))

    def doubt(self, sent: Send) -> bool:
        """Leave this lineage if what the hub could not read is readable to nobody."""
        if is_readable(sent.payload):
            return False
        self._leave(Fork.PAYLOAD_DAMAGED)
        return True

    def _leave(self, why: Fork) -> None:
        self._forks += 1
        if self._forks > FORKS_MAX:
            raise WriteFailed("what was just sealed cannot be read again")
        self._heard = Heard(why, pull=False)

    def _do(
        self, step: BeginEpoch | MarkRows | SealRows, me: Identity, stamp: Stamp, size_max: int
    ) -> None:
        match step:
            case BeginEpoch(reason=reason):
                assert self._incarnation is not None
                begin_epoch(
                    self._db,
                    epoch=self._chance.epoch(),
                    incarnation=self._incarnation,
                    why=reason,
                    now_ms=stamp.now_ms,
                )
                self.forked = reason
                self.forget()
            case MarkRows():
                mark_next(self._db, me, now_ms=stamp.now_ms)
            case SealRows(lane=lane):
                stream = store.streams(self._db, me.epoch)[lane]
                share = structs.replace(self.share, size_max=size_max)
                seal_rows(self._db, me, stream, self._key, stamp, share)

    def _me(self) -> Identity:
        me = store.identity(self._db)
        assert me is not None
        assert me.hub_id is not None, "a session begins after enrolment"
        return me

    def _view(self, me: Identity) -> View:
        return View(
            heard=self._heard,
            has_rows_to_mark=me.remark_tbl is not None,
            recovery_due=me.recovery_due,
            lanes=store.lane_views(self._db, me.epoch, self.share.rank_max),
        )

    def question(self, stamp: Stamp) -> HelloRequest:
        """Say where this board stands, for a hub that will read it on a stick."""
        return self._hello(self._me(), stamp)

    def _hello(self, me: Identity, stamp: Stamp) -> HelloRequest:
        receipt = None if me.receipt is None else decode(me.receipt, SignedReceipt)
        self._nonce = self._chance.nonce()
        return HelloRequest(
            node_id=me.node_id,
            epoch=me.epoch,
            streams=self._asked_about(me),
            incarnation=me.incarnation,
            self_cursor=me.self_cursor,
            receipt=receipt,
            nonce=self._nonce,
            backlog=store.backlog(self._db, me.epoch),
            schema_version=stamp.schema_version,
            app_version=stamp.app_version,
            clock_ms=stamp.now_ms,
            clock_quality=stamp.clock_quality,
            scopes=scopes.cursors(self._db),
        )

    def _asked_about(self, me: Identity) -> list[StreamState]:
        """A lane never used is not worth 80 bytes; if a clone has used it, the hub names it."""
        states = store.stream_states(self._db, me.epoch)
        return [each for each in states if each.cur_n or each.lane == LANES[0]]

    # What the hub answered.

    def take_hello(self, signed: SignedHello, *, now_ms: int) -> None:
        """Judge where both stand. Raises HubUntrusted."""
        me = self._me()
        answer = self._open_hello(me, signed)
        own_hashes = {
            position.lane: store.own_hash(self._db, me, position.lane, position.received_n)
            for position in answer.streams
        }
        fork = judge_hello(
            answer,
            incarnation=me.incarnation,
            streams=store.stream_states(self._db, me.epoch),
            own_hashes=own_hashes,
        )
        self._forks += fork is not None
        if self._forks > FORKS_MAX:
            raise HubUntrusted(f"hello: {fork} again, of an epoch that has just begun")
        with self._db.changing() as tx:
            tx.run(store.NOTE_CONTACT, (now_ms,))
            tx.run(store.NOTE_STATE, (answer.node_state,))
            if fork is None:
                store.note_hello(tx, me, answer)
                if answer.receipt is not None:
                    store.keep_receipt(tx, answer.receipt, self._open_receipt(me, answer.receipt))
        self._incarnation = answer.incarnation
        self.hub_time_ms = answer.hub_time_ms
        self._heard = Heard(fork, answer.pull)
        self.agreed = answer if fork is None else None

    def take_segment_answer(self, sent: Send, answer: SegmentAnswer) -> None:
        """Note the receipt, if it speaks of our own chain and of every row; else say hello."""
        me = self._me()
        receipt = self._open_receipt(me, answer.receipt)
        is_progress = self._is_ours(me, receipt) and receipt.received_n >= sent.n
        if not is_progress or answer.has_exceptions:
            self.forget()
            return
        with self._db.changing() as tx:
            store.move_stream(tx, me, receipt)
            store.keep_receipt(tx, answer.receipt, receipt)

    def take_page(self, page: PullPage, *, now_ms: int) -> int:
        """Apply a page; return how many rows it brought."""
        me = self._me()
        receipt = self._open_receipt(me, page.receipt)
        if page.incarnation != me.incarnation or receipt.incarnation != me.incarnation:
            self.forget()
            return 0
        rows = apply_page(self._db, me, page, receipt, now_ms=now_ms)
        self._heard = Heard(None, page.more)
        return rows

    def _is_ours(self, me: Identity, receipt: Receipt) -> bool:
        """Say whether a receipt is about this lineage, at the hub we know, and the latest."""
        if (receipt.epoch, receipt.incarnation) != (me.epoch, me.incarnation):
            return False
        if receipt.no < me.receipt_no:  # one that lay in a drawer must not look like a rollback
            return False
        own = store.own_hash(self._db, me, receipt.lane, receipt.received_n)
        return own == receipt.received_hash

    def _open_hello(self, me: Identity, signed: SignedHello) -> Hello:
        verify(me, hello_message(signed.body), signed.signature)
        answer = decoded(signed.body, Hello)
        asked = (me.node_id, me.epoch, self._nonce)
        if (answer.node_id, answer.epoch, answer.nonce) != asked:
            raise HubUntrusted("hello: the answer is to another question")
        unanswered = {each.lane for each in self._asked_about(me)}
        unanswered -= {at.lane for at in answer.streams}
        if unanswered or any(at.applied_n > at.received_n for at in answer.streams):
            raise HubUntrusted("hello: the positions contradict the question or each other")
        return answer

    def _open_receipt(self, me: Identity, signed: SignedReceipt) -> Receipt:
        verify(me, receipt_message(signed.body), signed.signature)
        receipt = decoded(signed.body, Receipt)
        named = (receipt.hub_id, receipt.school_id, receipt.node_id)
        if named != (me.hub_id, me.school_id, me.node_id):
            raise HubUntrusted("receipt: it is not about this box")
        return receipt


def decoded(body: bytes, shape: type[T]) -> T:
    """Read what the hub has signed. Raises HubUntrusted."""
    try:
        return decode(body, shape)
    except msgspec.DecodeError as error:
        raise HubUntrusted(f"signed, but not readable as {shape.__name__}: {error}") from error


def verify(me: Identity, message: bytes, signature: bytes) -> None:
    """Raise HubUntrusted unless the key pinned at enrolment signed this."""
    assert me.hub_key is not None
    try:
        VerifyKey(me.hub_key).verify(message, signature)
    except BadSignatureError as error:
        raise HubUntrusted("the pinned key did not sign this") from error
