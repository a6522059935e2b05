"""What is sealed comes out unchanged; what was damaged comes out not at all."""

import hashlib
from uuid import UUID

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from sync.core.columns import BlockCorrupt, Rows, pack, pack_body, unpack, unpack_body
from sync.core.segment import (
    SegmentCorrupt,
    SegmentRefused,
    SegmentTooLarge,
    SignatureWrong,
    check_signature,
    is_readable,
    open_body,
    pack_rows,
    read_segment,
    seal,
)
from sync.protocol import SegmentHeader, encode, genesis, segment_message

KEY = SigningKey(bytes(range(32)))
HUB, NODE, SCHOOL, EPOCH = (UUID(int=number) for number in (1, 2, 3, 4))

CELLS = st.one_of(
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.text(),
    st.binary(max_size=40),
    st.binary(min_size=16, max_size=16),
)
TABLES = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=12).map(
        lambda rows: Rows("person", tuple(f"c{number}" for number in range(width)), rows)
    )
)


def header_of(body, raw_size, rows, **changes):
    fields = {
        "hub_id": HUB,
        "node_id": NODE,
        "school_id": SCHOOL,
        "epoch": EPOCH,
        "lane": 0,
        "n": 1,
        "prev_hash": genesis(HUB, NODE, EPOCH, 0),
        "rows": rows,
        "body_size": len(body),
        "body_raw_size": raw_size,
        "body_sha256": hashlib.sha256(body).digest(),
        "schema_version": 2,
        "app_version": "0.1.0",
        "sealed_at_ms": 1_760_000_000_000,
        "clock_quality": 3,
    }
    return SegmentHeader(**fields | changes)


def sealed(tables, **changes):
    body, raw_size = pack_rows(tables)
    count = sum(len(rows.rows) for rows in tables)
    return seal(header_of(body, raw_size, count, **changes), body, KEY)


def take(payload):
    check_signature(read_segment(bytes(payload)), KEY.verify_key.encode())


NAMES = Rows(
    "person",
    ("id", "display_name", "updated_at_ms", "deleted_at_ms"),
    [
        (bytes([number]) * 16, name, 1_760_000_000_000 + number, None)
        for number, name in enumerate(
            ("Amina Otieno", "José Álvarez-Núñez", "نور الهدى", "Nguyễn Thị Ánh")
        )
    ],
)


@given(st.lists(TABLES, min_size=1, max_size=4))
def test_rows_come_out_of_a_segment_as_they_went_in(tables):
    segment = read_segment(sealed(tables).payload)
    check_signature(segment, KEY.verify_key.encode())
    assert open_body(segment) == tables


def test_the_hash_of_a_segment_is_that_of_its_header():
    made = sealed([NAMES])
    segment = read_segment(made.payload)
    assert segment.hash == made.hash == hashlib.sha256(segment.signed).digest()
    assert segment.header.prev_hash == genesis(HUB, NODE, EPOCH, 0)


@settings(max_examples=300)
@given(st.integers(0), st.integers(0, 7))
def test_any_flipped_bit_is_noticed(position, bit):
    payload = bytearray(sealed([NAMES]).payload)
    payload[position % len(payload)] ^= 1 << bit
    with pytest.raises(SegmentRefused):
        take(payload)


def test_a_segment_cut_off_anywhere_is_noticed():
    payload = sealed([NAMES]).payload
    for length in range(len(payload)):
        with pytest.raises(SegmentRefused):
            take(payload[:length])


def test_another_boxs_signature_is_refused():
    segment = read_segment(sealed([NAMES]).payload)
    with pytest.raises(SignatureWrong):
        check_signature(segment, SigningKey(bytes(32)).verify_key.encode())


@given(st.binary(max_size=300))
def test_noise_is_not_a_segment(noise):
    with pytest.raises(SegmentCorrupt):
        read_segment(b"OSEG1" + noise)


def test_a_bomb_is_refused_before_it_is_unpacked():
    body, _ = pack_rows([NAMES])
    with pytest.raises(SegmentTooLarge):
        read_segment(seal(header_of(body, 33 << 20, 4), body, KEY).payload)
    understated = seal(header_of(body, 10, 4), body, KEY)
    with pytest.raises(SegmentCorrupt):
        open_body(read_segment(understated.payload))
    with pytest.raises(SegmentTooLarge):
        read_segment(bytes((4 << 20) + 1))


def test_a_miscounted_segment_is_refused():
    body, raw_size = pack_rows([NAMES])
    with pytest.raises(SegmentCorrupt):
        open_body(read_segment(seal(header_of(body, raw_size, 3), body, KEY).payload))


@pytest.mark.parametrize(
    "block",
    [
        ("person", ["id"], [], 1),
        ("person", [], [], 1),
        ("person", ["id", "id"], [["s", 1], ["s", 1]], 1),
        ("person", ["id"], [["s", "x" * 65]], 5_000),
        ("person", ["id"], [["s", None]], 5_001),
        ("person", ["id"], [["i", b"x" * 33]], 2),
        ("person", ["id"], [["d", [(1 << 63) - 1, 1]]], 2),
        ("person", ["id"], [["v", [1]]], 2),
        ("person", ["id"], [["v", [1.5]]], 1),
        ("person", ["id"], [["x", 1]], 1),
        ("person", ["id"], [7], 1),
    ],
)
def test_a_block_that_contradicts_itself_is_refused(block):
    with pytest.raises(BlockCorrupt):
        unpack_body(encode([block]))


def test_numbers_far_apart_survive():
    rows = Rows("x", ("a",), [(-(1 << 63),), ((1 << 63) - 1,), (0,)])
    assert unpack(pack(rows)) == rows


def test_a_body_that_is_signed_and_still_not_readable_is_refused():
    for raw in (b"\xc1", b"\x91\x01", b"\x91\x94\xa1x\x91\xa1a\x91\x92\xa1s\x01\x00"):
        body = zstandard.ZstdCompressor().compress(raw)
        segment = read_segment(seal(header_of(body, len(raw), 1), body, KEY).payload)
        with pytest.raises(SegmentCorrupt):
            open_body(segment)


def test_too_many_tables_are_refused():
    tables = [Rows(f"t{number}", ("id",), [(number,)]) for number in range(65)]
    with pytest.raises(SegmentCorrupt):
        open_body(read_segment(sealed(tables).payload))


def test_two_bodies_glued_together_are_refused():
    raw = pack_body([NAMES])
    body = zstandard.ZstdCompressor().compress(raw) * 2
    with pytest.raises(SegmentCorrupt):
        open_body(read_segment(seal(header_of(body, len(raw), 4), body, KEY).payload))


def test_a_body_that_is_not_compressed_is_refused():
    body = b"not zstd at all"
    with pytest.raises(SegmentCorrupt):
        open_body(read_segment(seal(header_of(body, 40, 4), body, KEY).payload))


def test_what_the_hub_could_open_is_told_from_what_it_could_not():
    body, raw_size = pack_rows([NAMES])
    sound = seal(header_of(body, raw_size, 4), body, KEY).payload
    wrongly_sealed = seal(header_of(b"no zstd", 40, 4), b"no zstd", KEY).payload
    assert [is_readable(each) for each in (sound, wrongly_sealed, sound[:-70])] == [
        True,
        False,
        False,
    ]


def test_a_header_of_nonsense_is_refused():
    head = b"\x81\xa1n\x01"
    payload = b"OSEG1" + len(head).to_bytes(4, "big") + head + bytes(64)
    with pytest.raises(SegmentCorrupt):
        read_segment(payload)


def test_a_later_release_may_add_to_the_header():
    body, raw_size = pack_rows([NAMES])
    head = encode(msgspec.structs.asdict(header_of(body, raw_size, 4)) | {"colour": "blue"})
    signature = KEY.sign(segment_message(head)).signature
    payload = b"OSEG1" + len(head).to_bytes(4, "big") + head + body + signature
    segment = read_segment(payload)
    check_signature(segment, KEY.verify_key.encode())
    assert open_body(segment) == [NAMES]
