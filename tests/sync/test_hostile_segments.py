"""Whatever a box that was broken, or broken into, may seal: a plain refusal in bounded memory."""

import tracemalloc
from contextlib import suppress

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.core.columns import BlockCorrupt, unpack_body
from sync.core.segment import (
    SegmentCorrupt,
    SegmentRefused,
    check_signature,
    open_body,
    read_segment,
    seal,
)
from sync.protocol import HUB_SEGMENT_RAW_BYTES_MAX, SegmentHeader, encode, segment_message
from tests.sync.test_segment import KEY, NAMES, header_of, sealed

FUZZ = settings(max_examples=150, derandomize=True, deadline=None)
MEMORY_BYTES_MAX = 4 * HUB_SEGMENT_RAW_BYTES_MAX
FILLER = HUB_SEGMENT_RAW_BYTES_MAX - 4_096
ROW = ["person", ["id"], [["v", [b"x" * 16]]], 1]


def signed(raw, rows=1, **changes):
    """A segment of a box that has its key and no manners."""
    body = zstandard.ZstdCompressor(level=1).compress(raw)
    return seal(header_of(body, len(raw), rows, **changes), body, KEY).payload


def opened(payload):
    segment = read_segment(payload)
    check_signature(segment, KEY.verify_key.encode())
    return open_body(segment)


def long_list(size):
    """The head of a msgpack list of `size` things."""
    return b"\xdd" + size.to_bytes(4, "big")


def block(column, rows=1):
    """The bytes of one body with one block of one column, the column as it is given."""
    return b"\x91\x94" + encode("person") + encode(["id"]) + b"\x91" + column + encode(rows)


NESTED = b"\x91" * 100_000 + b"\xc0"
EMPTY_LISTS = long_list(FILLER) + b"\x90" * FILLER
EMPTY_MAPS = long_list(FILLER) + b"\x80" * FILLER
BOMBS = {
    "nested-body": NESTED,
    "nested-column": block(NESTED),
    "nested-same": block(b"\x92\xa1s" + NESTED),
    "nested-value": block(b"\x92\xa1v\x91" + NESTED),
    "nested-steps": block(b"\x92\xa1d\x91" + NESTED),
    "lists-for-blocks": EMPTY_LISTS,
    "lists-for-columns": b"\x91\x94" + encode("person") + encode(["id"]) + EMPTY_LISTS + b"\x01",
    "lists-for-names": b"\x91\x94" + encode("person") + EMPTY_LISTS + b"\x90\x01",
    "lists-for-values": block(b"\x92\xa1v" + EMPTY_LISTS),
    "maps-for-values": block(b"\x92\xa1v" + EMPTY_MAPS),
    "lists-in-a-value": block(b"\x92\xa1v\x91" + EMPTY_LISTS),
    "lists-in-same": block(b"\x92\xa1s" + EMPTY_LISTS),
    "lists-for-steps": block(b"\x92\xa1d" + EMPTY_LISTS),
    "numbers-for-steps": block(b"\x92\xa1d" + long_list(FILLER) + bytes(FILLER)),
    "numbers-for-values": block(b"\x92\xa1v" + long_list(FILLER) + bytes(FILLER)),
    "one-same-column-too-many": encode(
        [["person", [f"c{n}" for n in range(65)], [["s", None]] * 65, 5_000]]
    ),
    "same-in-every-block": encode([["person", ["id"], [["s", None]], 5_000]] * 64),
    "a-list-said-longer-than-it-is": b"\xdd\xff\xff\xff\xff",
    "a-text-said-longer-than-it-is": block(b"\x92\xa1s\xdb\xff\xff\xff\xff"),
    "more-blocks-than-tables": encode([ROW] * 65),
    "no-rows": encode([["person", ["id"], [["v", []]], 0]]),
    "rows-past-64-bits": encode([["person", ["id"], [["s", 1]], 1 << 63]]),
    "a-number-past-64-bits": block(b"\x92\xa1v\x91\xcf" + b"\xff" * 8),
    "a-text-that-is-no-utf-8": block(b"\x92\xa1v\x91\xa2\xff\xfe"),
    "an-instant": block(b"\x92\xa1v\x91\xd6\xff" + bytes(4)),
    "an-extension": block(b"\x92\xa1s\xd4\x05\x01"),
    "a-truth": block(b"\x92\xa1v\x91\xc3"),
}


@pytest.mark.parametrize("raw", BOMBS.values(), ids=BOMBS)
def test_a_bomb_that_is_signed_is_refused_in_bounded_memory(raw):
    payload = signed(raw)
    tracemalloc.start()
    try:
        with pytest.raises(SegmentCorrupt):
            opened(payload)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [HUB_SEGMENT_RAW_BYTES_MAX + 1, 1 << 40, (1 << 63) - 1])
def test_a_frame_that_lies_about_its_size_allocates_nothing(size):
    """The zstd frame's own claim and the header's are compared before either is believed."""
    whole = zstandard.ZstdCompressor().compress(bytes(1 << 20))
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=27)
    stretched = zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(1 << 20))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    for body in (whole, stretched, unsized):
        header = header_of(body, size, 1)
        tracemalloc.start()
        try:
            with pytest.raises(SegmentRefused):
                opened(seal(header, body, KEY).payload)
            assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
        finally:
            tracemalloc.stop()


def test_a_body_larger_than_it_says_is_not_unpacked_to_its_end():
    body = zstandard.ZstdCompressor().compress(bytes(8 << 20))
    with pytest.raises(SegmentCorrupt):
        opened(seal(header_of(body, 100, 1), body, KEY).payload)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=40),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@FUZZ
@given(ANYTHING)
def test_any_message_at_all_is_rows_or_a_refusal(message):
    with pytest.raises(BlockCorrupt):
        unpack_body(encode([message, *([ROW] * 65)]))
    with suppress(BlockCorrupt):
        unpack_body(encode(message))


COLUMN = st.tuples(st.sampled_from("sidvx"), ANYTHING).map(list) | ANYTHING


@FUZZ
@given(st.text(max_size=70), st.lists(st.text(max_size=5), max_size=4), st.lists(COLUMN), st.data())
def test_a_block_is_whole_or_refused(table, names, columns, data):
    count = data.draw(st.integers(-1, 6))
    try:
        (found,) = unpack_body(encode([[table, names, columns, count]]))
    except BlockCorrupt:
        return
    assert len(found.rows) == count
    assert all(len(row) == len(names) for row in found.rows)
    assert {type(cell) for row in found.rows for cell in row} <= {type(None), int, str, bytes}


@FUZZ
@given(st.binary(max_size=200), st.integers(0, 400), st.integers(0, 40))
def test_bytes_put_into_a_body_are_noticed_or_harmless(noise, at, cut):
    """Signed again with the key: only the codec stands between these and the tables."""
    raw = zstandard.ZstdDecompressor().decompress(read_segment(sealed([NAMES]).payload).body)
    hurt = raw[:at] + noise + raw[at + cut :]
    try:
        tables = opened(signed(hurt, rows=4))
    except SegmentCorrupt:
        return
    assert sum(len(rows.rows) for rows in tables) == 4


@FUZZ
@given(st.dictionaries(st.sampled_from(SegmentHeader.__struct_fields__), SCALARS, min_size=1))
@example({"n": 0})
@example({"rows": 5_001})
@example({"sealed_at_ms": 1 << 63})
@example({"body_raw_size": -1})
@example({"codec": "none"})
def test_a_hostile_header_is_read_whole_or_refused(changes):
    segment = read_segment(sealed([NAMES]).payload)
    named = {name: getattr(segment.header, name) for name in SegmentHeader.__struct_fields__}
    head = encode(named | changes)
    signature = KEY.sign(segment_message(head)).signature
    payload = b"OSEG1" + len(head).to_bytes(4, "big") + head + segment.body + signature
    try:
        tables = opened(payload)
    except SegmentRefused:
        return
    assert tables == [NAMES]


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), min_size=1, max_size=8))
def test_bytes_changed_anywhere_are_noticed(changes):
    whole = sealed([NAMES]).payload
    hurt = bytearray(whole)
    for at, byte in changes:
        hurt[at % len(hurt)] = byte
    if bytes(hurt) == whole:
        return
    with pytest.raises(SegmentRefused):
        opened(bytes(hurt))


def test_a_header_with_a_thousand_lists_in_each_other_is_refused():
    segment = read_segment(sealed([NAMES]).payload)
    count = len(SegmentHeader.__struct_fields__) + 1  # more than 15: a map of 3 bytes of head
    later = encode("of_a_later_release") + b"\x91" * 3_000 + b"\xc0"
    head = b"\xde" + count.to_bytes(2, "big") + segment.signed[3:] + later
    payload = b"OSEG1" + len(head).to_bytes(4, "big") + head + segment.body + bytes(64)
    with pytest.raises(SegmentCorrupt, match="recursion"):
        opened(payload)
