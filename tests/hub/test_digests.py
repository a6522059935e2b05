"""What the hub has of a school, by table, by bucket and by row, as a box asks for it."""

from uuid import UUID

import pytest

from sync.core.columns import unpack
from sync.merge import COMPARED, bucket_of, digest, order_of, row_hash
from sync.protocol import BucketDigests, BucketPage, Digests, RowsPage, RowsRequest, decode, encode
from sync.registry import TABLE
from tests.hub.cast import facts, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


async def get(box, path, shape):
    answer = await box.client.get(path, headers=box.headers)
    assert answer.status_code == 200, answer.text
    return decode(answer.content, shape)


async def ask_rows(box, table, ids):
    body = encode(RowsRequest(table=table, ids=ids))
    answer = await box.client.post("/sync/v1/rows", content=body, headers=box.headers)
    assert answer.status_code == 200, answer.text
    blocks = decode(answer.content, RowsPage).rows
    return [row for block in blocks for row in unpack(block).rows]


def expected(table, found):
    return digest([(row[0], order_of(table, row)[1], row_hash(table, row)) for row in found])


@pytest.fixture
async def people(district, as_role):
    """A school of 40 pupils, and one that the district owns."""
    box = await district.school()
    own = [values("person", box.school_id) for _ in range(40)]
    theirs = values("person", box.school_id)
    await box.send(rows("person", *own, theirs), facts(5))
    owner = await as_role("postgres")
    await owner.execute(
        "UPDATE person SET owner_node_id = $1 WHERE id = $2", box.hub.hub_id, UUID(bytes=theirs[0])
    )
    box.people = own
    return box


async def test_a_box_s_own_rows_are_digested_without_the_district_s(people):
    told = await get(people, "/sync/v1/digests?own=1", Digests)
    table = TABLE["person"]
    assert set(told.tables) == {table.name for table in COMPARED}
    assert told.tables["person"].rows == 40
    assert told.tables["person"].digest == expected(table, people.people).to_bytes(8, "big")
    assert told.tables["progress_fact"].rows == 5
    assert (await people.digests()).tables["person"].rows == 41
    assert told.change_no == 46


async def test_buckets_follow_the_last_byte_and_only_those_with_rows_are_named(people):
    told = await get(people, "/sync/v1/digests?buckets=1&table=person", BucketDigests)
    assert set(told.tables) == {"person"}
    found = {}
    for row in people.people:
        found.setdefault(bucket_of(row[0]), []).append(row)
    assert {each.bucket for each in told.tables["person"]} == set(found)
    for each in told.tables["person"]:
        total = expected(TABLE["person"], found[each.bucket])
        assert (each.rows, each.digest) == (len(found[each.bucket]), total.to_bytes(8, "big"))
    everything = await get(people, "/sync/v1/digests?buckets=1", BucketDigests)
    assert sum(each.rows for each in everything.tables["progress_fact"]) == 5


async def test_a_bucket_lists_which_image_is_here_and_a_row_can_be_asked_for(people):
    row = people.people[7]
    page = await get(people, f"/sync/v1/digests/person/{bucket_of(row[0])}", BucketPage)
    (state,) = [each for each in page.rows if each.pk == row[0]]
    assert (state.owner_epoch, state.version) == (0, 1)
    assert state.row_hash == row_hash(TABLE["person"], row)
    assert not page.more
    after = f"/sync/v1/digests/person/{bucket_of(row[0])}?after={UUID(bytes=page.rows[-1].pk)}"
    assert (await get(people, after, BucketPage)).rows == []
    assert await ask_rows(people, "person", [row[0], bytes(16)]) == [row]


async def test_rows_come_in_pages_of_a_megabyte(people):
    big = [values("section", body="x" * 400_000) for _ in range(4)]
    await people.send(rows("section", *big))
    found = await ask_rows(people, "section", [row[0] for row in big])
    assert 1 <= len(found) < 4


async def test_another_school_is_never_seen(people, district):
    other = await district.school("Riverside School")
    told = await get(other, "/sync/v1/digests?own=1", Digests)
    assert told.tables["person"].rows == 0
    row = people.people[0]
    page = await get(other, f"/sync/v1/digests/person/{bucket_of(row[0])}", BucketPage)
    assert page.rows == []
    assert await ask_rows(other, "person", [row[0]]) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sync/v1/digests/sync_inbox/0", 404),
        ("/sync/v1/digests/setting/0", 404),  # the district's; its feed answers for it
        ("/sync/v1/digests/health_sample/0", 404),  # telemetry, the first to be shed
        ("/sync/v1/digests?buckets=1&table=credential", 404),
        ("/sync/v1/digests/person/99999999999999999999", 400),
        ("/sync/v1/digests/person/256", 200),
    ],
)
async def test_what_is_not_compared_is_not_told(people, path, status):
    assert (await people.client.get(path, headers=people.headers)).status_code == status


async def test_more_rows_than_a_page_are_refused(people):
    body = encode(RowsRequest(table="person", ids=[bytes(16)] * 501))
    answer = await people.client.post("/sync/v1/rows", content=body, headers=people.headers)
    assert answer.status_code == 400
