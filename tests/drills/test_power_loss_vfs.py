from random import Random

import pytest

from tests.drills.power_loss_vfs import SECTOR_BYTES, Shadow, Truncate, Write


def possible(durable, pending, times=300):
    shadow = Shadow(bytearray(durable), list(pending))
    chance = Random(3)
    return {shadow.possible(chance) for _ in range(times)}


def test_what_is_synced_survives_every_cut():
    shadow = Shadow(bytearray(b"old"), [Write(0, b"new"), Write(5, b"!")])
    shadow.sync()
    assert {shadow.possible(Random(n)) for n in range(20)} == {b"new\0\0!"}


@pytest.mark.parametrize(
    ("pending", "outcomes"),
    [
        ([], {b"abc"}),
        ([Write(1, b"X")], {b"abc", b"aXc"}),
        ([Write(0, b"X"), Write(2, b"Y")], {b"abc", b"Xbc", b"abY", b"XbY"}),
        ([Truncate(1)], {b"abc", b"a"}),
    ],
)
def test_what_is_not_synced_may_or_may_not_be_there(pending, outcomes):
    assert possible(b"abc", pending) == outcomes


def test_a_write_tears_at_the_sectors_of_the_disk():
    old, new = bytes(2 * SECTOR_BYTES), b"\1" * SECTOR_BYTES
    outcomes = possible(old, [Write(SECTOR_BYTES - 2, new)])
    assert len(outcomes) == 4
    for outcome in outcomes:
        first = outcome[SECTOR_BYTES - 2 : SECTOR_BYTES]
        rest = outcome[SECTOR_BYTES : 2 * SECTOR_BYTES - 2]
        assert len(set(first)) == 1
        assert len(set(rest)) == 1
        assert outcome[: SECTOR_BYTES - 2] == old[: SECTOR_BYTES - 2]
