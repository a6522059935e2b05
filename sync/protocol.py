"""The wire contract between a school box (node) and the district's hub.

Bodies are msgpack maps (what stands in them often: arrays, which grow at the end); unknown
fields are ignored, so either side may be a release ahead. Ids travel as 16 bytes. What a
segment looks like inside: sync/core/segment.py.

    POST /sync/v1/enrol       EnrolRequest      -> EnrolAnswer
    POST /sync/v1/challenge   ChallengeRequest  -> Challenge
    POST /sync/v1/token       TokenRequest      -> Token (bearer for everything below)
    POST /sync/v1/node-key    NewKeyRequest     -> NewKeyAnswer (no token: two signatures)
    POST /sync/v1/hello       HelloRequest      -> Hello signed by the hub (SignedHello)
    PUT  /sync/v1/streams/{node_id}/{epoch}/{lane}/segments/{n}   .seg -> SegmentAnswer
    GET  /sync/v1/streams/…/segments/{n}/start                    -> UploadStart
    PATCH /sync/v1/streams/…/segments/{n}?offset=                 the rest -> SegmentAnswer
    GET  /sync/v1/pull?epoch=&cursor=&limit=                      -> PullPage
    GET  /sync/v1/feed?scope_id=&incarnation=&system=&timeline=&xid=&no=&limit=  -> SignedFeed
    GET  /sync/v1/time?nonce=                                     -> SignedTime (no token)
    POST /sync/v1/blobs       BlobChunk         -> BlobState
    GET  /sync/v1/blobs/{sha256}?offset=                          -> BlobPart
    GET  /sync/v1/digests?own=                                    -> Digests
    GET  /sync/v1/digests?buckets=1&table=                        -> BucketDigests
    GET  /sync/v1/digests/{table}/{bucket}?after=                 -> BucketPage
    POST /sync/v1/rows        RowsRequest       -> RowsPage

The school's log. The hub numbers the segments it accepts for one school, of all nodes,
epochs and lanes: 1, 2, 3 … and chains them: log_hash(k) = SHA-256(log_hash(k-1) || hash
of the segment accepted as number k), log_hash(0) = 32 zero bytes. A receipt states the
log's head. A hub whose log, at a number it signed under its present incarnation, does not
hold that hash was rolled back, whatever has been pushed to it since.
"""

import hashlib
from typing import Annotated, Final, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

CONTENT_TYPE: Final = "application/msgpack"
SEGMENT_CONTENT_TYPE: Final = "application/vnd.darasa.segment"
PROTOCOL_VERSION: Final = 1
LANES: Final = (0, 1)  # 0: the school's work; 1: telemetry, the first to be shed

SEGMENT_ROWS_MAX: Final = 5_000  # one merge at the hub stays under 200 ms
SEGMENT_RAW_BYTES_MAX: Final = 1 << 20  # what a node aims at, before compression
HUB_SEGMENT_BYTES_MAX: Final = 4 << 20  # as received; one row may exceed a node's aim
HUB_SEGMENT_RAW_BYTES_MAX: Final = 32 << 20  # unpacked; refused before it is allocated
SEGMENT_TABLES_MAX: Final = 64
TABLE_COLUMNS_MAX: Final = 64  # the widest table has 16
PAGE_ROWS_MAX: Final = 500  # a page is applied in one transaction on the box's card
PAGE_RAW_BYTES_MAX: Final = 1 << 20
EXCEPTIONS_MAX: Final = 1_000  # more are counted, not listed
SCOPES_MAX: Final = 8  # the school, its district, whatever may stand above
FILES_ASKED_MAX: Final = 400  # in one manifest: 14 KB of its 64; the rest with the next
BLOB_CHUNK_BYTES_MAX: Final = 256 << 10  # eight seconds at 256 kbit/s; what a cut may cost
TOKEN_S: Final = 900
CHALLENGE_BYTES: Final = 32
NONCE_BYTES: Final = 16

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Number = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
Lane = Annotated[int, Meta(ge=0, le=255)]
Name = Annotated[str, Meta(min_length=1, max_length=63)]  # of a table or a column
Cell = None | int | str | bytes
Mode = Literal["adopt", "replace"]

LOG_BEGIN: Final = bytes(32)


class EnrolRequest(Struct, frozen=True, kw_only=True):
    """A box asks to become one of the district's; `token` was given to its keeper."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]
    mode: Mode
    node_id: UUID
    node_key: Key
    school_id: UUID | None  # None in mode replace: the hub says which school it becomes
    school_name: Annotated[str, Meta(max_length=200)] | None
    hardware: Annotated[str, Meta(max_length=200)]
    app_version: Annotated[str, Meta(max_length=40)]
    schema_version: Count


class EnrolAnswer(Struct, frozen=True, kw_only=True):
    """Who the hub is, from now on pinned. The same node, key and token get the same answer."""

    hub_id: UUID
    hub_key: Key
    incarnation: UUID
    school_id: UUID
    district_id: UUID
    mode: Mode


class ChallengeRequest(Struct, frozen=True, kw_only=True):
    """The first half of signing in."""

    node_id: UUID


class Challenge(Struct, frozen=True, kw_only=True):
    """Chance to be signed: `sign_in_message(hub_id, challenge)`."""

    challenge: Annotated[bytes, Meta(min_length=CHALLENGE_BYTES, max_length=CHALLENGE_BYTES)]


class TokenRequest(Struct, frozen=True, kw_only=True):
    """The second half of signing in."""

    node_id: UUID
    challenge: Annotated[bytes, Meta(min_length=CHALLENGE_BYTES, max_length=CHALLENGE_BYTES)]
    signature: Signature


class Token(Struct, frozen=True, kw_only=True):
    """A bearer token and how long it lives."""

    token: str
    expires_in_s: Annotated[int, Meta(ge=1, le=TOKEN_S)]


class NewKeyRequest(Struct, frozen=True, kw_only=True):
    """A box changes its key: both keys sign `new_key_message` over a fresh challenge."""

    node_id: UUID
    challenge: Annotated[bytes, Meta(min_length=CHALLENGE_BYTES, max_length=CHALLENGE_BYTES)]
    new_key: Key
    old_signature: Signature
    new_signature: Signature


class NewKeyAnswer(Struct, frozen=True, kw_only=True):
    """The new key counts from now on, the old one as well until then."""

    former_good_until_ms: int


class StreamState(Struct, frozen=True, kw_only=True, array_like=True):
    """Where the node's own chain of one lane stands."""

    lane: Lane
    cur_n: Count
    cur_hash: Hash
    trimmed_n: Count  # payloads up to here are gone; only the chain remembers them


class Receipt(Struct, frozen=True, kw_only=True, array_like=True):
    """The hub's word about what it keeps. `no` and `log_hash` are the school's log (above)."""

    hub_id: UUID
    incarnation: UUID
    school_id: UUID
    node_id: UUID
    epoch: UUID
    lane: Lane
    received_n: Count
    received_hash: Hash
    applied_n: Count
    no: Count
    log_hash: Hash
    issued_at_ms: int
    generation: Count = 0  # of the hub's life that signed; 0: a hub of before 0.2.0


class SignedReceipt(Struct, frozen=True, kw_only=True, array_like=True):
    """`body` is an encoded Receipt, kept as bytes so that the signature outlives releases."""

    body: bytes
    signature: Signature


class Backlog(Struct, frozen=True, kw_only=True, array_like=True):
    """What still waits on the box, for the district's page; computed from the log."""

    waiting: Count
    oldest_since_ms: int | None


class ScopeCursor(Struct, frozen=True, kw_only=True, array_like=True):
    """How far a box has read what the hub writes for one scope: a school or its district.

    A place counts only at the PostgreSQL that gave it: `system` is its system identifier,
    `timeline` changes when a replica is promoted. All empty: read from the beginning.
    """

    scope_id: UUID
    incarnation: UUID | None = None
    system: Annotated[str, Meta(max_length=40)] = ""
    timeline: Count = 0
    xid: Count = 0
    no: Count = 0


class HelloRequest(Struct, frozen=True, kw_only=True):
    """Everything the hub needs to say where both stand. Less than 1 KB."""

    node_id: UUID
    epoch: UUID
    streams: list[StreamState]
    incarnation: UUID | None
    self_cursor: Count
    receipt: SignedReceipt | None  # the one with the highest number this node holds
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    backlog: Backlog
    schema_version: Count
    app_version: Annotated[str, Meta(max_length=40)]
    clock_ms: int
    clock_quality: Annotated[int, Meta(ge=0, le=3)]
    scopes: Annotated[list[ScopeCursor], Meta(max_length=SCOPES_MAX)] = []


class StreamPosition(Struct, frozen=True, kw_only=True, array_like=True):
    """Where the hub stands in one lane of the epoch asked about; (0, genesis) when new.

    `backed_up_n`: how much of it a restored and verified backup of the hub holds.
    """

    lane: Lane
    received_n: Count
    received_hash: Hash
    applied_n: Count
    backed_up_n: Count = 0


class RowException(Struct, frozen=True, kw_only=True, array_like=True):
    """A row of this school that the hub has put aside: quarantined, dismissed, conflict.

    The list has an end. One with an empty `pk` stands for all rows of its table that are not
    on it: none of those may be called safe.
    """

    tbl: Count  # the registry's number
    pk: bytes
    reason: Annotated[str, Meta(max_length=500)]


class Limits(Struct, frozen=True, kw_only=True, array_like=True):
    """What the hub takes at once."""

    segment_bytes_max: Number = HUB_SEGMENT_BYTES_MAX
    segment_rows_max: Number = SEGMENT_ROWS_MAX


class ScopeState(Struct, frozen=True, kw_only=True, array_like=True):
    """What a box should do about one scope.

    level: nothing. behind: fetch from its cursor. replace: its cursor counts nothing here;
    fetch from the beginning, and what that does not bring is gone.
    """

    scope_id: UUID
    state: Literal["level", "behind", "replace"]


class Hello(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the hub stands. `pull`: rows of this school past `self_cursor`, other epochs.

    `scopes`: the school's and each ancestor's, also those the box did not name. `node_state`:
    a box whose place another one has taken is told "replaced"; its work is still taken.
    """

    node_id: UUID
    epoch: UUID
    streams: list[StreamPosition]  # each that was asked about or is held
    incarnation: UUID
    pull: bool
    exceptions: list[RowException]
    hub_time_ms: int
    receipt: SignedReceipt | None  # the school's log as of this answer
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]
    limits: Limits = Limits()
    scopes: list[ScopeState] = []
    node_state: str = "active"


class SignedHello(Struct, frozen=True, kw_only=True):
    """`body` is an encoded Hello, signed with the key pinned at enrolment."""

    body: bytes
    signature: Signature


class HubTime(Struct, frozen=True, kw_only=True):
    """What time it is at the hub, for boxes that woke in 1970 and can verify nothing else yet."""

    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    hub_time_ms: int


class SignedTime(Struct, frozen=True, kw_only=True):
    """`body` is an encoded HubTime, signed with the key pinned at enrolment."""

    body: bytes
    signature: Signature


class SegmentAnswer(Struct, frozen=True, kw_only=True):
    """The segment is kept. Also for a duplicate, when the hash agrees.

    `has_exceptions`: some of its rows were put aside. The node says hello, which names them,
    before it calls anything of this segment safe.
    """

    received_n: Count
    received_hash: Hash
    applied_n: Count
    incarnation: UUID
    receipt: SignedReceipt
    has_exceptions: bool = False


class UploadStart(Struct, frozen=True, kw_only=True):
    """How much of a segment that was cut on its way is still here, and its SHA-256.

    A node whose own first `offset` bytes have that hash sends the rest by PATCH; every other
    node, and one whose PATCH is refused, sends all of it by PUT.
    """

    offset: Count
    sha256: Hash


class ChainBroken(Struct, frozen=True, kw_only=True):
    """Extra members of the 409 problem `chain-broken`: where the hub stands."""

    received_n: Count
    received_hash: Hash


class Block(Struct, frozen=True, kw_only=True, array_like=True):
    """Rows of one table by columns; names travel along, so any release can map them.

    Bounded before it is read: a few KB may unpack to as many empty lists as memory holds.
    """

    t: Name
    c: Annotated[list[Name], Meta(max_length=TABLE_COLUMNS_MAX)]
    # Packed columns, unread: see sync/core/columns.py.
    v: Annotated[list[msgspec.Raw], Meta(max_length=TABLE_COLUMNS_MAX)]
    rows: Annotated[int, Meta(ge=1, le=SEGMENT_ROWS_MAX)]


class PullPage(Struct, frozen=True, kw_only=True):
    """Rows of this school written under other epochs, by change number after the cursor."""

    rows: list[Block]
    next_cursor: Count
    more: bool
    incarnation: UUID
    receipt: SignedReceipt  # the log as of this page: rows that were read prove it was there


class Gone(Struct, frozen=True, kw_only=True, array_like=True):
    """A row that was in this scope and is not any more: erased, or given to the school."""

    t: Annotated[str, Meta(min_length=1, max_length=63)]
    pk: Annotated[bytes, Meta(min_length=16, max_length=16)]


class FeedPage(Struct, frozen=True, kw_only=True):
    """Rows the hub owns in one scope, in the order of their last change, from `since` on.

    Closed over references: what a row names comes with it or came before. Applied in one
    transaction with `cursor`, and only where `since` is still the box's cursor.
    """

    node_id: UUID
    since: ScopeCursor
    cursor: ScopeCursor
    rows: list[Block]
    gone: list[Gone]
    more: bool


class SignedFeed(Struct, frozen=True, kw_only=True):
    """`body` is an encoded FeedPage, signed: it may also come on a stick."""

    body: bytes
    signature: Signature


class BlobChunk(Struct, frozen=True, kw_only=True):
    """A piece of a file that a row of this school names; without `data` a question.

    Taken only where the hub's part of the file ends at `offset`; else its answer says where.
    """

    sha256: Hash
    offset: Count
    data: Annotated[bytes, Meta(max_length=BLOB_CHUNK_BYTES_MAX)] = b""
    digest: Annotated[bytes, Meta(max_length=32)] = b""  # SHA-256 of `data`


class BlobState(Struct, frozen=True, kw_only=True):
    """How much of a file the hub has; `is_whole`: its content was hashed and is what it says."""

    sha256: Hash
    size_bytes: Count
    have_bytes: Count
    is_whole: bool
    incarnation: UUID


class BlobPart(Struct, frozen=True, kw_only=True):
    """A piece of a file on its way back to a box."""

    size_bytes: Count
    offset: Count
    data: Annotated[bytes, Meta(max_length=BLOB_CHUNK_BYTES_MAX)]
    digest: Hash


class TableDigest(Struct, frozen=True, kw_only=True):
    """How many rows, and the sum of merge.digest_part over them modulo 2^64."""

    rows: Count
    digest: Annotated[bytes, Meta(min_length=8, max_length=8)]


class Digests(Struct, frozen=True, kw_only=True):
    """All synced tables of one school, deleted rows included.

    Asked with `own=1`: only what the box that asks is the owner of, and only tables it must
    not let go of. `change_no`: the school's, at the moment the rows were read.
    """

    incarnation: UUID
    tables: dict[str, TableDigest]
    change_no: Count = 0


class Bucket(Struct, frozen=True, kw_only=True, array_like=True):
    """The box's own rows of one table whose ids end in one byte (merge.bucket_of)."""

    bucket: Annotated[int, Meta(ge=0, le=255)]
    rows: Count
    digest: Annotated[bytes, Meta(min_length=8, max_length=8)]


class BucketDigests(Struct, frozen=True, kw_only=True):
    """Buckets that are not empty, table by table."""

    incarnation: UUID
    tables: dict[str, list[Bucket]]


class RowState(Struct, frozen=True, kw_only=True, array_like=True):
    """Which image of a row the hub has: the order of images, without the image."""

    pk: Annotated[bytes, Meta(min_length=16, max_length=16)]
    owner_epoch: Count
    version: Count
    row_hash: Hash


class BucketPage(Struct, frozen=True, kw_only=True):
    """The rows of one bucket in the order of their ids."""

    incarnation: UUID
    rows: list[RowState]
    more: bool


class RowsRequest(Struct, frozen=True, kw_only=True):
    """Rows of the box's own school that differ or are missing there, by id."""

    table: Annotated[str, Meta(min_length=1, max_length=63)]
    ids: Annotated[
        list[Annotated[bytes, Meta(min_length=16, max_length=16)]], Meta(max_length=PAGE_ROWS_MAX)
    ]


class RowsPage(Struct, frozen=True, kw_only=True):
    """Those of the rows that fit into one page; ask again for the others."""

    incarnation: UUID
    rows: list[Block]


class SegmentHeader(Struct, frozen=True, kw_only=True):
    """What a segment says about itself. Signed; its SHA-256 is the link the next one names."""

    hub_id: UUID
    node_id: UUID
    school_id: UUID
    epoch: UUID
    lane: Lane
    n: Number
    prev_hash: Hash
    rows: Annotated[int, Meta(ge=1, le=SEGMENT_ROWS_MAX)]
    body_size: Count  # as sent
    body_raw_size: Count  # unpacked
    body_sha256: Hash  # of the bytes as sent
    codec: Literal["zstd"] = "zstd"
    schema_version: Count
    app_version: str
    sealed_at_ms: int
    clock_quality: Annotated[int, Meta(ge=0, le=3)]


T = TypeVar("T")

_encoder: Final = msgspec.msgpack.Encoder(uuid_format="bytes")


def encode(message: object) -> bytes:
    """Bytes of any message above."""
    return _encoder.encode(message)


def decode(body: bytes, shape: type[T]) -> T:
    """Read a message. Raises msgspec.DecodeError, whatever stands in `body`."""
    try:
        return msgspec.msgpack.decode(body, type=shape)
    except (RecursionError, UnicodeDecodeError) as error:  # a thousand lists in each other
        raise msgspec.DecodeError(str(error)) from error


def genesis(hub_id: UUID, node_id: UUID, epoch: UUID, lane: int) -> bytes:
    """The link before the first: a chain cannot be replayed at another hub or as another node."""
    named = hub_id.bytes + node_id.bytes + epoch.bytes + lane.to_bytes(1, "big")
    return hashlib.sha256(named).digest()


def next_log_hash(log_hash: bytes, segment_hash: bytes) -> bytes:
    """Append an accepted segment to the school's log."""
    return hashlib.sha256(log_hash + segment_hash).digest()


# Each signed kind of bytes begins with its own name, so that none passes for another.


def sign_in_message(hub_id: UUID, challenge: bytes) -> bytes:
    """What a node signs to get a token."""
    return b"darasa sign-in\0" + hub_id.bytes + challenge


def new_key_message(hub_id: UUID, node_id: UUID, new_key: bytes, challenge: bytes) -> bytes:
    """What a node signs, with its old and its new key, to change the one for the other."""
    return b"darasa new key\0" + hub_id.bytes + node_id.bytes + new_key + challenge


def receipt_message(body: bytes) -> bytes:
    """What the hub signs in a SignedReceipt."""
    return b"darasa receipt\0" + body


def hello_message(body: bytes) -> bytes:
    """What the hub signs in a SignedHello; the nonce inside is the node's."""
    return b"darasa hello\0" + body


def feed_message(body: bytes) -> bytes:
    """What the hub signs in a SignedFeed."""
    return b"darasa feed\0" + body


def time_message(body: bytes) -> bytes:
    """What the hub signs in a SignedTime; the nonce inside is the node's."""
    return b"darasa time\0" + body


def segment_message(header: bytes) -> bytes:
    """What a node signs of a segment: the header, which names the body by its hash."""
    return b"darasa segment\0" + header
