"""Two images meet: the outcome depends on them and on nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sync.merge import (
    BECOMES_CURRENT,
    CONFLICTS,
    Image,
    Outcome,
    digest,
    image_of,
    judge,
    order_of,
    row_hash,
    shorter_hashes,
)
from sync.registry import TABLE, TABLES, Column

HASHES = st.sampled_from([bytes([number]) * 32 for number in range(4)])
IMAGES = st.builds(
    Image,
    owner_epoch=st.integers(0, 2),
    version=st.integers(1, 3),
    row_hash=HASHES,
    src_epoch=st.sampled_from([b"a" * 16, b"b" * 16]),
)


def merged(images):
    """The current image and those put aside, after all have arrived in this order."""
    current, aside = None, set()
    for incoming in images:
        outcome = judge(current, incoming)
        if outcome in CONFLICTS:
            aside.add((current if outcome is Outcome.DISPLACED else incoming).order)
        if outcome in BECOMES_CURRENT:
            current = incoming
    return current, aside


LATER = (Column("room", "text", since=14), Column("bell", "int", since=14))
LATEST = Column("tint", "text", since=16)


def released(*late):
    """Classes as a later release declares them."""
    return structs.replace(TABLE["class_group"], columns=(*TABLE["class_group"].columns, *late))


@pytest.mark.parametrize(
    ("cells", "shorter"),
    [
        ((None, None, None), []),
        (("4a", None, None), [()]),
        (("4a", 7, None), [()]),
        ((None, None, "red"), [()]),
        (("4a", 7, "red"), [(), ("4a", 7)]),
    ],
)
def test_an_image_is_known_as_each_older_release_would_seal_it(cells, shorter):
    row = tuple(range(len(released().columns)))
    known = {(): released(), ("4a", 7): released(*LATER)}
    assert shorter_hashes(released(*LATER, LATEST), (*row, *cells)) == {
        row_hash(known[kept], (*row, *kept)) for kept in shorter
    }


@given(st.lists(IMAGES, min_size=1, max_size=6), st.randoms())
def test_the_current_image_does_not_depend_on_the_order_of_arrival(images, chance):
    shuffled = chance.sample(images, len(images))
    assert merged(images)[0].order == merged(shuffled)[0].order == max(i.order for i in images)


@given(st.lists(IMAGES, min_size=1, max_size=6))
def test_arriving_again_changes_nothing(images):
    current, _ = merged(images)
    assert judge(current, current) is Outcome.DUPLICATE
    assert merged([*images, *images])[0].order == current.order


@given(st.lists(IMAGES, min_size=1, max_size=6))
def test_an_image_of_another_epoch_is_current_or_kept(images):
    current, aside = merged(images)
    for image in images:
        others = [other for other in images if other.src_epoch != image.src_epoch]
        is_alone = image.order == current.order or image.order in aside
        assert is_alone or not others or any(other.order > image.order for other in images)


@given(IMAGES, IMAGES)
def test_no_meeting_lowers_the_current_image(current, incoming):
    outcome = judge(current, incoming)
    assert (outcome in BECOMES_CURRENT) == (incoming.order > current.order)


A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
LOW, HIGH = bytes(32), b"\1" * 32


@pytest.mark.parametrize(
    ("current", "incoming", "outcome"),
    [
        (None, Image(0, 1, LOW, A), Outcome.INSERTED),
        (Image(0, 1, LOW, A), Image(0, 1, LOW, B), Outcome.DUPLICATE),
        (Image(0, 1, LOW, A), Image(0, 2, HIGH, A), Outcome.UPDATED),
        (Image(0, 2, HIGH, A), Image(0, 1, LOW, A), Outcome.SUPERSEDED),
        (Image(0, 1, LOW, A), Image(0, 2, HIGH, B), Outcome.DISPLACED),
        (Image(0, 2, HIGH, A), Image(0, 1, LOW, B), Outcome.OUTRANKED),
        (Image(0, 2, LOW, A), Image(0, 2, HIGH, A), Outcome.DISPLACED),
        (Image(0, 2, HIGH, A), Image(0, 2, LOW, A), Outcome.OUTRANKED),
        (Image(0, 9, HIGH, A), Image(1, 1, LOW, B), Outcome.DISPLACED),  # a hub's fencing number
        # B sent the same again, so it wrote the next one on top of it; C never saw it.
        (Image(0, 1, LOW, A, B), Image(0, 2, HIGH, B), Outcome.UPDATED),
        (Image(0, 1, LOW, A, B), Image(0, 2, HIGH, A), Outcome.UPDATED),
        (Image(0, 2, HIGH, A, B), Image(0, 1, LOW, B), Outcome.SUPERSEDED),
        (Image(0, 1, LOW, A, B), Image(0, 2, HIGH, C), Outcome.DISPLACED),
        (Image(0, 2, LOW, A, B), Image(0, 2, HIGH, B), Outcome.DISPLACED),
    ],
)
def test_outcomes(current, incoming, outcome):
    assert judge(current, incoming) is outcome


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_hash_covers_every_column_but_the_one_for_people(table):
    values = [bytes(16) if column.type == "id" else 1 for column in table.columns]
    base = row_hash(table, values)
    for place, column in enumerate(table.columns):
        changed = [*values[:place], b"\1" * 16, *values[place + 1 :]]
        assert (row_hash(table, changed) == base) == (column.name == "updated_at_ms")


def test_the_order_of_a_row_is_read_from_its_last_columns():
    group = (b"g" * 16, b"o" * 16, "6B", None, None, 7, 3, None, 1_000, None)
    assert order_of(TABLE["class_group"], group) == (3, 7)
    image = image_of(TABLE["class_group"], group, A)
    assert (image.owner_epoch, image.version, image.src_epoch) == (3, 7, A)


GOLDEN = "f811f6798d324d3f378e5c38cf3884fe8ac016a5a8bd203e3403bcb56cefc3da"


def test_the_hash_of_a_row_never_changes_between_releases():
    group = (bytes(16), bytes(16), "الصف الأول", "7", None, 1, 0, None, 1_760_000_000_000, None)
    assert row_hash(TABLE["class_group"], group).hex() == GOLDEN


@given(
    st.lists(st.tuples(st.binary(min_size=16, max_size=16), st.integers(1, 9), HASHES)),
    st.randoms(),
)
def test_a_digest_does_not_depend_on_the_order_of_the_scan(rows, chance):
    assert digest(rows) == digest(chance.sample(rows, len(rows)))
    if rows:
        (pk, version, hashed), *rest = rows
        assert digest([(pk, version + 1, hashed), *rest]) != digest(rows)
