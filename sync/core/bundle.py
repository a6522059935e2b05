"""What lies on a stick that carries a school's work to the district and the answer back.

    darasa/<node>/<epoch>/manifest.bin          what this board brings and asks; signed by it
    darasa/<node>/<epoch>/<lane>/<n>.seg.box    a sealed segment, locked with the hub's key
    darasa/<node>/<epoch>/receipt-<no>.bin      the hub's signed answer, locked with the node's

Files of hand-ins lie beside them (parcel.py).
Sticks get lost. So nothing of a person or a school stands here in clear: names of files
are ids and numbers, the manifest holds positions, everything else is locked (X25519, from
the Ed25519 key that was pinned at enrolment). Whoever finds a stick may destroy what it
carries and no more; the box still has it.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Final, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from nacl.exceptions import BadSignatureError, CryptoError
from nacl.public import PrivateKey, SealedBox
from nacl.signing import SigningKey, VerifyKey

from sync.protocol import (
    FILES_ASKED_MAX,
    HUB_SEGMENT_BYTES_MAX,
    LANES,
    Count,
    Hash,
    Hello,
    HelloRequest,
    Lane,
    Number,
    PullPage,
    Receipt,
    Signature,
    SignedFeed,
    decode,
    encode,
)

TOP: Final = "darasa"
MANIFEST: Final = "manifest.bin"
LOCKED_MAGIC: Final = b"OSBX1"
MANIFEST_MAGIC: Final = b"OSMF1"
LOCK_BYTES: Final = 48  # the one-time key of who locked it, and the tag
LOCKED_SEGMENT_BYTES_MAX: Final = len(LOCKED_MAGIC) + LOCK_BYTES + HUB_SEGMENT_BYTES_MAX
MANIFEST_BYTES_MAX: Final = 64 << 10
ANSWER_BYTES_MAX: Final = 32 << 20  # read whole into a board's memory
ANSWER_PAGES_BYTES_MAX: Final = 8 << 20  # what the hub puts into one; the rest comes next time
ANSWER_FEED_BYTES_MAX: Final = 8 << 20  # of each scope

SEGMENT_NAME: Final = re.compile(r"([1-9][0-9]{0,17})\.seg\.box")
RECEIPT_NAME: Final = re.compile(r"receipt-(0|[1-9][0-9]{0,17})\.bin")

T = TypeVar("T")


Asked = Annotated[list[Hash], Meta(max_length=FILES_ASKED_MAX)]


class BundleCorrupt(ValueError):
    """Damaged, cut off, locked for somebody else, or not signed by who it should be."""


class LaneRange(Struct, frozen=True, kw_only=True, array_like=True):
    """The segments of one lane that were put on the stick: none when last_n < first_n."""

    lane: Lane
    first_n: Number
    last_n: Count


class Manifest(Struct, frozen=True, kw_only=True):
    """What a board brings, and the question it would ask over the net."""

    hub_id: UUID
    school_id: UUID
    hello: HelloRequest
    recovery_due: bool  # this board waits for its school's rows before it seals anything
    lanes: list[LaneRange]
    rows: Count
    made_at_ms: int
    files: Asked = []  # contents this board has and the district has not spoken of
    missing: Asked = []  # contents this board should have and has not


class Answer(Struct, frozen=True, kw_only=True):
    """What the hub says to a manifest.

    `asked` and `since` are the incarnation and the cursor the manifest named: an answer with
    another incarnation counts only for a board that still stands where it asked from.
    """

    hub_id: UUID
    school_id: UUID
    asked: UUID | None
    since: Count
    hello: Hello
    pages: list[PullPage]
    feed: list[SignedFeed]
    files: Asked = []  # those of the manifest's that are whole at the hub


class Signed(Struct, frozen=True, array_like=True):
    """Bytes and who vouches for them."""

    body: Annotated[bytes, Meta(max_length=ANSWER_BYTES_MAX)]
    signature: Signature


class Standing(StrEnum):
    """What an authentic answer is to the board that reads it."""

    NEWS = "news"
    NEW_INCARNATION = "new-incarnation"  # the hub went back in time since we last heard
    OLD = "old"  # this board has heard something later
    OTHER_EPOCH = "other-epoch"  # about a lineage that was left; its rows were marked again


# Where things lie.


def stream_folder(node_id: UUID, epoch: UUID) -> PurePosixPath:
    """Everything one board says of one epoch."""
    return PurePosixPath(TOP, str(node_id), str(epoch))


def segment_place(node_id: UUID, epoch: UUID, lane: int, n: int) -> PurePosixPath:
    """Where a segment lies."""
    return stream_folder(node_id, epoch) / str(lane) / f"{n}.seg.box"


def receipt_place(node_id: UUID, epoch: UUID, no: int) -> PurePosixPath:
    """Where an answer lies; `no` is the school's log as of it."""
    return stream_folder(node_id, epoch) / f"receipt-{no}.bin"


def numbered(names: Sequence[str], kind: re.Pattern[str]) -> list[tuple[int, str]]:
    """Find the files of one kind among `names`, by number; whatever else lies there is not ours."""
    found = ((kind.fullmatch(name), name) for name in names)
    return sorted((int(match[1]), name) for match, name in found if match is not None)


def read_id(name: str) -> UUID | None:
    """Read the name of a folder; None when it is no id as we write it."""
    try:
        found = UUID(name)
    except ValueError:
        return None
    return found if str(found) == name else None


def lanes_in(names: Sequence[str]) -> list[int]:
    """Find the lanes among the names of a folder."""
    return [lane for lane in LANES if str(lane) in names]


# Locked and signed.


def lock(content: bytes, reader_key: bytes) -> bytes:
    """Lock for whoever holds the private half of an Ed25519 key."""
    public = VerifyKey(reader_key).to_curve25519_public_key()
    return LOCKED_MAGIC + SealedBox(public).encrypt(content)


def unlock(content: bytes, private: PrivateKey) -> bytes:
    """Unlock; a single wrong bit is noticed. Raises BundleCorrupt."""
    if not content.startswith(LOCKED_MAGIC):
        raise BundleCorrupt("this is nothing a box or a hub has written")
    try:
        return SealedBox(private).decrypt(content[len(LOCKED_MAGIC) :])
    except CryptoError as error:
        raise BundleCorrupt("damaged, or locked for somebody else") from error


def write_manifest(manifest: Manifest, key: SigningKey) -> bytes:
    """Sign what the board brings."""
    body = encode(manifest)
    return MANIFEST_MAGIC + encode(Signed(body, key.sign(manifest_message(body)).signature))


def read_manifest(content: bytes) -> tuple[Manifest, Signed]:
    """Read a manifest; whose key should have signed it is found by it. Raises BundleCorrupt."""
    if not content.startswith(MANIFEST_MAGIC):
        raise BundleCorrupt("this is no manifest")
    signed = _decoded(content[len(MANIFEST_MAGIC) :], Signed)
    return _decoded(signed.body, Manifest), signed


def check_manifest(signed: Signed, node_key: bytes) -> None:
    """Raise BundleCorrupt unless the node's key signed it."""
    _check(manifest_message(signed.body), signed.signature, node_key)


def lock_answer(body: bytes, signature: bytes, node_key: bytes) -> bytes:
    """Lock a signed answer for the board that asked: it names pupils."""
    return lock(encode(Signed(body, signature)), node_key)


def read_answer(content: bytes, key: SigningKey, hub_key: bytes) -> Answer:
    """Unlock, verify and read an answer. Raises BundleCorrupt."""
    signed = _decoded(unlock(content, key.to_curve25519_private_key()), Signed)
    _check(answer_message(signed.body), signed.signature, hub_key)
    return _decoded(signed.body, Answer)


def manifest_message(body: bytes) -> bytes:
    """What a node signs in a manifest."""
    return b"darasa manifest\0" + body


def answer_message(body: bytes) -> bytes:
    """What the hub signs in an answer."""
    return b"darasa answer\0" + body


def _check(message: bytes, signature: bytes, key: bytes) -> None:
    try:
        VerifyKey(key).verify(message, signature)
    except BadSignatureError as error:
        raise BundleCorrupt("not signed by the key it should be") from error


def _decoded(body: bytes, shape: type[T]) -> T:
    try:
        return decode(body, shape)
    except msgspec.DecodeError as error:
        raise BundleCorrupt(f"not readable as {shape.__name__}: {error}") from error


# What an answer is worth.


def judge_answer(
    answer: Answer, receipt: Receipt, *, epoch: UUID, incarnation: UUID | None, held: Receipt | None
) -> Standing:
    """Compare an answer with what the board has heard; sticks come late and in any order.

    An old receipt must not look like a hub that fell behind, hence the numbers. Another
    incarnation is believed only from an answer to a question asked from the present one.
    """
    if answer.hello.epoch != epoch:
        return Standing.OTHER_EPOCH
    if answer.hello.incarnation != incarnation:
        return Standing.NEW_INCARNATION if answer.asked == incarnation else Standing.OLD
    if held is not None and _age(receipt) < _age(held):
        return Standing.OLD
    return Standing.NEWS


def _age(receipt: Receipt) -> tuple[int, int]:
    return receipt.no, receipt.issued_at_ms
