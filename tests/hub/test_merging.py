"""The merge in PostgreSQL against merge.judge, image by image, and against each other."""

import asyncio
import itertools
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from sync.merge import CONFLICTS, Outcome, image_of, judge
from sync.protocol import SegmentAnswer, decode
from sync.registry import TABLE
from tests.hub.cast import facts, new_id, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

COUNTED = {
    Outcome.INSERTED: "inserted",
    Outcome.UPDATED: "updated",
    Outcome.SUPERSEDED: "superseded",
    Outcome.DUPLICATE: "duplicate",
    Outcome.DISPLACED: "conflict",
    Outcome.OUTRANKED: "conflict",
}
IMAGES = st.tuples(
    st.integers(0, 1),  # which epoch
    st.integers(0, 1),  # owner_epoch
    st.integers(1, 2),  # version
    st.sampled_from(["rain", "snow"]),
)


@pytest.fixture
async def box(district):
    return await district.school()


class Model:
    """What merge.judge makes of one row."""

    def __init__(self, table):
        self.table = table
        self.current = None
        self.kept = set()

    def meet(self, row, epoch):
        incoming = image_of(self.table, row, epoch)
        outcome = judge(self.current, incoming)
        if outcome in CONFLICTS:
            loser = self.current if outcome is Outcome.DISPLACED else incoming
            self.kept.add(loser.row_hash)
        if outcome is Outcome.DUPLICATE and epoch != self.current.src_epoch:
            self.current = structs.replace(self.current, holder=epoch)
        if outcome in {Outcome.INSERTED, Outcome.UPDATED, Outcome.DISPLACED}:
            self.current = incoming
        return COUNTED[outcome]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(images=st.lists(IMAGES, min_size=1, max_size=7))
async def test_postgresql_judges_as_merge_does(box, see, images):
    table, one = TABLE["module"], new_id()
    model, expected = Model(table), []
    epochs = [box.epoch, UUID(int=box.epoch.int ^ 1)]
    for which, owner_epoch, version, title in images:
        row = values(
            "module",
            id=one,
            owner_epoch=owner_epoch,
            version=version,
            title=title,
            course_version_id=bytes(16),
        )
        await send_under(box, epochs[which], rows("module", row))
        expected.append(model.meet(row, epochs[which].bytes))
    stored = await see.fetchrow(
        "SELECT row_hash, src_epoch FROM module WHERE id = $1", UUID(bytes=one)
    )
    assert (stored["row_hash"], stored["src_epoch"].bytes) == (
        model.current.row_hash,
        model.current.src_epoch,
    )
    kept = await see.fetch("SELECT row_hash FROM sync_conflict WHERE pk = $1", UUID(bytes=one))
    assert {row["row_hash"] for row in kept} == model.kept
    counted = await see.fetch(
        "SELECT inserted, updated, superseded, conflict, duplicate FROM sync_inbox"
        " ORDER BY log_no DESC LIMIT $1",
        len(images),
    )
    found = [next(name for name, count in record.items() if count) for record in counted]
    assert found[::-1] == expected


async def send_under(box, epoch, *tables):
    """Send as the epoch that is named; each has a chain of its own."""
    chains = box.__dict__.setdefault("chains", {})
    chains[box.epoch] = (box.n, box.hash)
    box.epoch = epoch
    box.n, box.hash = chains.get(epoch, (0, None))
    await box.send(*tables)


async def test_a_segment_that_arrives_twice_at_once_is_merged_once(box, see):
    sealed = box.seal(facts(50))
    answers = await asyncio.gather(*(box.put(sealed, n=1) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    told = {decode(answer.content, SegmentAnswer).received_hash for answer in answers}
    assert told == {sealed.hash}
    assert await see.fetchval("SELECT count(*) FROM sync_inbox") == 1
    assert await see.fetchval("SELECT count(*) FROM progress_fact") == 50


async def test_schools_send_at_once_without_mixing_their_numbers(district, see):
    boxes = [await district.school(f"School {number}") for number in range(4)]

    async def work(box):
        for _ in range(3):
            await box.send(facts(20))

    await asyncio.gather(*(work(box) for box in boxes))
    for box in boxes:
        numbers = await see.fetch(
            "SELECT change_no FROM progress_fact WHERE school_id = $1 ORDER BY change_no",
            box.school_id,
        )
        assert [row["change_no"] for row in numbers] == list(range(1, 61))


async def test_two_boards_of_one_school_take_turns(box, see):
    """A cloned card: both boards push under epochs of their own at the same moment."""
    other = type(box)(box.client)
    other.__dict__.update(box.__dict__)
    other.begin_epoch()
    await asyncio.gather(
        *itertools.chain(
            (one.send(facts(30)) for one in (box, other)),
        )
    )
    numbers = await see.fetch("SELECT log_no FROM sync_inbox ORDER BY log_no")
    assert [row["log_no"] for row in numbers] == [1, 2]
    assert await see.fetchval("SELECT count(DISTINCT change_no) FROM progress_fact") == 60


async def test_a_new_fact_beside_a_repeated_one_is_added(box, see):
    first = facts(3)
    await box.send(first)
    await box.send(rows("progress_fact", *first.rows, values("progress_fact")))
    assert await see.fetchval("SELECT count(*) FROM progress_fact") == 4
    last = await see.fetchrow("SELECT inserted, duplicate FROM sync_inbox WHERE n = 2")
    assert tuple(last) == (1, 3)
