"""Exactly how far a segment may go, and which form its columns take: a slip of one shows here."""

import msgspec
import pytest

from sync.core.columns import (
    SAME_BYTES_MAX,
    BlockCorrupt,
    Differences,
    Ids,
    Same,
    Values,
    pack_column,
    unpack_body,
)
from sync.core.segment import (
    HEADER_BYTES_MAX,
    SegmentCorrupt,
    SegmentTooLarge,
    is_intact,
    read_segment,
    seal,
    signed_again,
)
from sync.protocol import (
    HUB_SEGMENT_BYTES_MAX,
    HUB_SEGMENT_RAW_BYTES_MAX,
    SEGMENT_ROWS_MAX,
    encode,
)
from tests.sync.test_segment import KEY, NAMES, header_of, sealed

BEFORE_HEADER = len(b"OSEG1") + 4
SIGNATURE = 64
TEXT, LONG = "x" * SAME_BYTES_MAX, "x" * (SAME_BYTES_MAX + 1)


def with_header(length):
    """An empty segment whose header has so many bytes, thanks to a field of a later release."""
    plain = msgspec.structs.asdict(header_of(b"", 0, 1))
    padding = length - len(encode(plain | {"later": "x" * 3_000})) + 3_000
    head = encode(plain | {"later": "x" * padding})
    assert len(head) == length
    return b"OSEG1" + length.to_bytes(4, "big") + head + bytes(SIGNATURE)


def test_what_is_missing_is_said_to_be_missing_wherever_a_segment_is_cut():
    payload = seal(header_of(b"", 0, 1), b"", KEY).payload
    assert read_segment(payload).body == b""
    for length in range(len(payload)):
        words = "not a segment" if length < BEFORE_HEADER else "cut off"
        with pytest.raises(SegmentCorrupt, match=words):
            read_segment(payload[:length])


def test_a_header_may_grow_to_its_bound_and_no_further():
    assert len(read_segment(with_header(HEADER_BYTES_MAX)).signed) == HEADER_BYTES_MAX
    with pytest.raises(SegmentCorrupt, match="its header too long"):
        read_segment(with_header(HEADER_BYTES_MAX + 1))


def test_a_header_of_no_bytes_is_no_header():
    with pytest.raises(SegmentCorrupt, match="cut off"):
        read_segment(b"OSEG1" + bytes(4) + bytes(SIGNATURE))


def test_a_segment_may_be_as_large_as_agreed():
    with pytest.raises(SegmentCorrupt):  # but not for its size
        read_segment(bytes(HUB_SEGMENT_BYTES_MAX))
    with pytest.raises(SegmentTooLarge):
        read_segment(bytes(HUB_SEGMENT_BYTES_MAX + 1))


def test_a_body_may_announce_as_much_as_agreed():
    def announcing(size):
        return read_segment(seal(header_of(b"", size, 1), b"", KEY).payload)

    bound = HUB_SEGMENT_RAW_BYTES_MAX
    assert announcing(bound).header.body_raw_size == bound
    with pytest.raises(SegmentTooLarge):
        announcing(bound + 1)


def test_kept_bytes_are_intact_only_as_the_link_of_the_chain_that_names_them():
    whole, other = sealed([NAMES]), sealed([NAMES], n=2)
    assert is_intact(whole.payload, whole.hash)
    assert is_intact(signed_again(whole.payload, KEY), whole.hash)
    assert not is_intact(whole.payload, other.hash)
    assert not is_intact(whole.payload[:-1], whole.hash)
    assert not is_intact(b"", whole.hash)


@pytest.mark.parametrize(
    ("column", "form"),
    [
        ([None, None], Same),
        ([7, 7], Same),
        ([bytes(16)], Same),
        ([TEXT, TEXT], Same),
        ([LONG, LONG], Values),
        ([TEXT.encode(), TEXT.encode()], Same),
        ([LONG.encode(), LONG.encode()], Values),
        ([bytes(16), bytes([1]) * 16], Ids),
        ([bytes(16), bytes(15)], Values),
        ([bytes(16), None], Values),
        ([3, 5, 4], Differences),
        ([3, None, 4], Values),
        ([-(1 << 63), 0], Values),  # a step of 2^63
        ([1 - (1 << 63), 0], Differences),
        (["José Álvarez-Núñez", "نور الهدى"], Values),
    ],
    ids=repr,
)
def test_a_column_is_sent_in_its_shortest_form(column, form):
    assert type(pack_column(column)) is form


@pytest.mark.parametrize("stranger", [1.5, True, [1], {}])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_value_of_a_foreign_kind_is_noticed_in_any_row(stranger, place):
    values = [1, 2, 3]
    values[place] = stranger
    with pytest.raises(BlockCorrupt):
        unpack_body(encode([["person", ["id"], [["v", values]], 3]]))


@pytest.mark.parametrize("kinds", [[1, "a", b"b", None], ["a", None, 1], [b"b", None, 1]], ids=repr)
def test_kinds_may_be_mixed_in_one_column(kinds):
    (found,) = unpack_body(encode([["person", ["id"], [["v", kinds]], len(kinds)]]))
    assert found.rows == [(each,) for each in kinds]


def test_tables_together_have_no_more_rows_than_a_segment_may():
    def together(*counts):
        return unpack_body(encode([["person", ["id"], [["s", None]], rows] for rows in counts]))

    half = SEGMENT_ROWS_MAX // 2
    assert sum(len(each.rows) for each in together(half, half)) == SEGMENT_ROWS_MAX
    with pytest.raises(BlockCorrupt, match="more than"):
        together(half, half + 1)
