"""Sealing rows into a segment and opening one: the same bytes on the wire and on a stick.

    "OSEG1" | header length, 4 bytes big endian | header, msgpack | body, zstd | signature, 64 bytes

The signature covers the header and the header names the body by SHA-256, so everything is
checked before anything is unpacked, and nothing is unpacked past a bound.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import zstandard
from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from sync.core.columns import BlockCorrupt, Rows, pack_body, unpack_body
from sync.protocol import (
    HUB_SEGMENT_BYTES_MAX,
    HUB_SEGMENT_RAW_BYTES_MAX,
    SegmentHeader,
    decode,
    encode,
    segment_message,
)

MAGIC: Final = b"OSEG1"
LENGTH_BYTES: Final = 4
SIGNATURE_BYTES: Final = 64
HEADER_BYTES_MAX: Final = 4_096  # a header is 400 bytes; releases may add to it
ZSTD_LEVEL: Final = 9  # 2-4 µs a row; 19 saves 8 % and costs a board ten times the time


class SegmentRefused(ValueError):
    """These bytes are not a segment this side may take; `code` is the problem's code."""

    code = "segment-refused"


class SegmentCorrupt(SegmentRefused):
    """Damaged on the way: sending it again helps."""

    code = "segment-corrupt"


class SegmentTooLarge(SegmentRefused):
    """Larger than agreed; sending it again does not help."""

    code = "segment-too-large"


class SignatureWrong(SegmentRefused):
    """Not signed by the key this node enrolled with."""

    code = "signature-wrong"


class Segment(Struct, frozen=True):
    """A segment whose header has been read; its body is still packed."""

    header: SegmentHeader
    hash: bytes
    signed: bytes
    body: bytes
    signature: bytes


class Sealed(Struct, frozen=True):
    """A segment ready to be stored and sent."""

    payload: bytes
    hash: bytes


def pack_rows(tables: Sequence[Rows]) -> tuple[bytes, int]:
    """Compress rows into a body; returns it with its size before."""
    raw = pack_body(tables)
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(raw), len(raw)


def seal(header: SegmentHeader, body: bytes, key: SigningKey) -> Sealed:
    """Put header, body and signature together; the header already names the body."""
    assert header.body_sha256 == hashlib.sha256(body).digest()
    head = encode(header)
    signature = key.sign(segment_message(head)).signature
    length = len(head).to_bytes(LENGTH_BYTES, "big")
    return Sealed(b"".join((MAGIC, length, head, body, signature)), hashlib.sha256(head).digest())


def signed_again(payload: bytes, key: SigningKey) -> bytes:
    """Sign a sealed segment with the key the box has now.

    The signature is no part of the hash, so the chain and what the hub knows stay true.
    """
    start = len(MAGIC) + LENGTH_BYTES
    length = int.from_bytes(payload[len(MAGIC) : start], "big")
    signature = key.sign(segment_message(payload[start : start + length])).signature
    return payload[:-SIGNATURE_BYTES] + signature


def read_segment(payload: bytes) -> Segment:
    """Read the header and check everything about the body but its content.

    Raises SegmentCorrupt or SegmentTooLarge. The signature is not looked at: whose key it
    should be is found by the header.
    """
    if len(payload) > HUB_SEGMENT_BYTES_MAX:
        raise SegmentTooLarge(f"{len(payload)} bytes; at most {HUB_SEGMENT_BYTES_MAX}")
    head, body, signature = _cut(payload)
    try:
        header = decode(head, SegmentHeader)
    except msgspec.DecodeError as error:
        raise SegmentCorrupt(f"the header is not readable: {error}") from error
    if header.body_raw_size > HUB_SEGMENT_RAW_BYTES_MAX:
        raise SegmentTooLarge(f"{header.body_raw_size} bytes unpacked")
    if len(body) != header.body_size or hashlib.sha256(body).digest() != header.body_sha256:
        raise SegmentCorrupt(f"segment {header.n}: the body is not what its header names")
    return Segment(header, hashlib.sha256(head).digest(), head, body, signature)


def is_intact(payload: bytes, link: bytes) -> bool:
    """Whether kept bytes are what was sealed: the chain's `link` names head and body both."""
    try:
        return read_segment(payload).hash == link
    except SegmentRefused:
        return False


def is_readable(payload: bytes) -> bool:
    """Whether a segment can be opened: the hub's question, asked before anything is sent again."""
    try:
        open_body(read_segment(payload))
    except SegmentRefused:
        return False
    return True


def _cut(payload: bytes) -> tuple[bytes, bytes, bytes]:
    start = len(MAGIC) + LENGTH_BYTES
    if payload[: len(MAGIC)] != MAGIC or len(payload) < start:
        raise SegmentCorrupt("this is not a segment")
    length = int.from_bytes(payload[len(MAGIC) : start], "big")
    if not 0 < length <= HEADER_BYTES_MAX or len(payload) < start + length + SIGNATURE_BYTES:
        raise SegmentCorrupt("the segment is cut off, or its header too long")
    body = payload[start + length : -SIGNATURE_BYTES]
    return payload[start : start + length], body, payload[-SIGNATURE_BYTES:]


def check_signature(segment: Segment, node_key: bytes) -> None:
    """Raise SignatureWrong unless the node's key signed this header."""
    try:
        VerifyKey(node_key).verify(segment_message(segment.signed), segment.signature)
    except BadSignatureError as error:
        raise SignatureWrong(f"segment {segment.header.n}: the signature is wrong") from error


def open_body(segment: Segment) -> list[Rows]:
    """Unpack the rows. Raises SegmentCorrupt; never returns a part."""
    try:
        tables = unpack_body(_decompress(segment))
    except BlockCorrupt as error:
        raise SegmentCorrupt(f"segment {segment.header.n}: {error}") from error
    if sum(len(rows.rows) for rows in tables) != segment.header.rows:
        raise SegmentCorrupt(f"segment {segment.header.n}: not {segment.header.rows} rows")
    return tables


def _decompress(segment: Segment) -> bytes:
    """Unpack to exactly the announced size: the frame's own claim is compared first."""
    size = segment.header.body_raw_size
    try:
        if zstandard.frame_content_size(segment.body) != size:
            raise SegmentCorrupt(f"segment {segment.header.n}: the body's size is not as announced")
        unpacker = zstandard.ZstdDecompressor(max_window_size=HUB_SEGMENT_RAW_BYTES_MAX)
        return unpacker.decompress(segment.body, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise SegmentCorrupt(f"segment {segment.header.n}: {error}") from error
