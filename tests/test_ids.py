from uuid import RFC_4122, UUID

import pytest

from appliance.ids import RECEIPT_LETTERS, receipt_code, uuid7

REVISION = UUID("0198c0de-0000-7000-8000-000000000001")


@pytest.mark.parametrize("now_ms", [0, 1, 1_763_700_000_000, (1 << 48) - 1])
def test_an_id_carries_its_millisecond(now_ms):
    made = uuid7(now_ms)
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == now_ms


def test_ids_of_one_millisecond_differ_in_all_their_chance_bits():
    made = [uuid7(1_763_700_000_000).int for _ in range(1_000)]
    assert len(set(made)) == 1_000
    zeros = ones = 0
    for one in made:
        zeros |= ~one
        ones |= one
    changing = zeros & ones & (1 << 80) - 1
    assert changing.bit_count() == 74


def test_later_ids_sort_later():
    made = [uuid7(1_763_700_000_000 + n) for n in range(100)]
    assert made == sorted(made)


@pytest.mark.parametrize("now_ms", [-1, 1 << 48])
def test_a_clock_outside_the_format_is_our_bug(now_ms):
    with pytest.raises(AssertionError):
        uuid7(now_ms)


def test_a_receipt_code_is_the_same_everywhere_and_for_ever():
    assert receipt_code(REVISION, bytes(32)) == "YWTYND"
    assert receipt_code(REVISION, bytes(31) + b"\1") != receipt_code(REVISION, bytes(32))


def test_receipt_codes_can_be_read_out_loud():
    codes = [receipt_code(uuid7(n), b"work") for n in range(2_000)]
    assert all(len(code) == 6 and set(code) <= set(RECEIPT_LETTERS) for code in codes)
    assert set("".join(codes)) == set(RECEIPT_LETTERS)
    assert not set(RECEIPT_LETTERS) & set("AEIOUL")
