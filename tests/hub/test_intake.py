"""Segments on their way in: placed, kept, merged, counted, answered."""

from uuid import UUID

import pytest

from sync.core.columns import Rows
from sync.merge import row_hash
from sync.protocol import HUB_SEGMENT_BYTES_MAX, SegmentAnswer, decode
from sync.registry import TABLE
from tests.hub.cast import NOW_MS, facts, new_id, receipt_of, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
async def box(district):
    return await district.school()


ACCOUNT = """
SELECT rows, inserted, updated, superseded, conflict, duplicate, quarantined
  FROM sync_inbox ORDER BY log_no
"""


async def account(see):
    return [tuple(record) for record in await see.fetch(ACCOUNT)]


async def test_a_segment_is_merged_kept_raw_and_answered_with_a_receipt(box, see):
    told = await box.send(rows("person", values("person", box.school_id, display_name="Amina")))
    assert (told.received_n, told.applied_n, told.received_hash) == (1, 1, box.hash)
    receipt = receipt_of(told.receipt)
    assert (receipt.no, receipt.received_n, receipt.epoch) == (1, 1, box.epoch)
    assert await see.fetchval("SELECT display_name FROM person WHERE display_name = 'Amina'")
    assert await see.fetchval("SELECT length(raw) FROM sync_raw") > 100
    assert await account(see) == [(1, 1, 0, 0, 0, 0, 0)]


async def test_the_hash_at_the_hub_is_the_hash_on_the_box(box, see):
    row = values("section", body="الدرس الأول")
    await box.send(rows("section", row))
    assert await see.fetchval("SELECT row_hash FROM section") == row_hash(TABLE["section"], row)


async def test_the_same_segment_again_gets_the_same_answer_and_changes_nothing(box, see):
    sealed = box.seal(facts(3))
    answers = [await box.put(sealed, n=1) for _ in range(3)]
    told = [decode(answer.content, SegmentAnswer) for answer in answers]
    assert {(each.received_n, each.received_hash, each.applied_n) for each in told} == {
        (1, sealed.hash, 1)
    }
    assert {receipt_of(each.receipt).no for each in told} == {1}
    assert await account(see) == [(3, 3, 0, 0, 0, 0, 0)]


async def test_the_same_number_with_another_hash_is_refused(box):
    await box.send(facts(1))
    other = box.seal(facts(1), n=1, prev_hash=box.genesis())
    answer = await box.put(other, n=1)
    assert answer.status_code == 409
    assert answer.json()["code"] == "chain-broken"
    assert answer.json()["received_n"] == 1
    assert answer.json()["received_hash"] == box.hash.hex()


async def test_a_gap_is_refused_and_nothing_of_it_is_kept(box, see):
    answer = await box.put(box.seal(facts(1), n=2), n=2)
    assert (answer.status_code, answer.json()["code"]) == (409, "chain-broken")
    assert await account(see) == []
    assert await see.fetchval("SELECT count(*) FROM progress_fact") == 0


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"school_id": UUID(int=7)}, 403, "wrong-school"),
        ({"node_id": UUID(int=7)}, 403, "wrong-school"),
        ({"hub_id": UUID(int=7)}, 403, "wrong-school"),
        ({"epoch": UUID(int=7)}, 400, "invalid"),
        ({"n": 2}, 400, "invalid"),
        ({"lane": 1}, 400, "invalid"),
        ({"rows": 2}, 400, "segment-corrupt"),
        ({"body_size": 7}, 400, "segment-corrupt"),
        ({"body_sha256": bytes(32)}, 400, "segment-corrupt"),
        ({"body_raw_size": 33 << 20}, 413, "too-large"),
    ],
)
async def test_a_segment_that_is_not_this_box_s_is_refused(box, see, changes, status, code):
    sealed = None
    try:
        sealed = box.seal(facts(1), **changes)
    except AssertionError:  # sealing checks the body's hash; a liar does not
        sealed = box.seal(facts(1))
        sealed = type(sealed)(sealed.payload[:-80] + bytes(16) + sealed.payload[-64:], sealed.hash)
    answer = await box.put(sealed, n=1)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await account(see) == []


async def test_a_segment_signed_with_another_key_is_refused(box, district):
    other = await district.school("Riverside School")
    answer = await box.put(box.seal(facts(1), key=other.key), n=1)
    assert (answer.status_code, answer.json()["code"]) == (403, "bad-signature")


@pytest.mark.parametrize("length", [0, 4, 20, 200, -1])
async def test_a_truncated_segment_is_refused(box, length):
    sealed = box.seal(facts(5))
    cut = type(sealed)(sealed.payload[:length], sealed.hash)
    answer = await box.put(cut, n=1)
    assert (answer.status_code, answer.json()["code"]) == (400, "segment-corrupt")


async def test_a_body_larger_than_agreed_is_refused_by_its_length(box):
    answer = await box.client.put(
        f"/sync/v1/streams/{box.node_id}/{box.epoch}/0/segments/1",
        content=b"x" * (HUB_SEGMENT_BYTES_MAX + 1),
        headers=box.headers,
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


async def test_every_image_of_a_row_is_counted_once(box, see):
    one = new_id()

    def person(version, name="Amina", **more):
        return rows(
            "person", values("person", box.school_id, id=one, version=version, display_name=name)
        )

    await box.send(person(2))
    await box.send(person(3, "Amina O."))
    await box.send(person(1, "older"))
    await box.send(person(3, "Amina O."))
    assert await account(see) == [
        (1, 1, 0, 0, 0, 0, 0),
        (1, 0, 1, 0, 0, 0, 0),
        (1, 0, 0, 1, 0, 0, 0),
        (1, 0, 0, 0, 0, 1, 0),
    ]
    assert await see.fetchval("SELECT display_name FROM person WHERE id = $1", UUID(bytes=one)) == (
        "Amina O."
    )


async def test_two_images_from_two_epochs_are_both_kept(box, see):
    one = new_id()
    table = TABLE["person"]
    images = [
        values("person", box.school_id, id=one, version=2, display_name=name)
        for name in ("Nguyễn Thị Ánh", "José Álvarez-Núñez")
    ]
    await box.send(rows("person", images[0]))
    box.begin_epoch()
    await box.send(rows("person", images[1]))
    later, earlier = sorted(images, key=lambda image: row_hash(table, image), reverse=True)
    assert await see.fetchval("SELECT row_hash FROM person WHERE id = $1", UUID(bytes=one)) == (
        row_hash(table, later)
    )
    assert await see.fetchval("SELECT row_hash FROM sync_conflict") == row_hash(table, earlier)
    assert (await account(see))[1] == (1, 0, 0, 0, 1, 0, 0)
    # Sent again under a third epoch, the loser is not kept twice.
    box.begin_epoch()
    await box.send(rows("person", earlier))
    assert await see.fetchval("SELECT count(*) FROM sync_conflict") == 1


async def test_a_fact_that_was_made_twice_ends_the_same_in_either_order(box, district, see):
    one = new_id()
    images = [
        values("submission_revision", id=one, body=body, submission_id=new_id())
        for body in ("river", "lake")
    ]
    other = await district.school("Riverside School")
    for school, order in ((box, images), (other, images[::-1])):
        for image in order:
            await school.send(rows("submission_revision", image))
            school.begin_epoch()
    assert await see.fetchval("SELECT count(DISTINCT row_hash) FROM submission_revision") == 1
    assert await see.fetchval("SELECT count(DISTINCT row_hash) FROM sync_conflict") == 1
    hello = await box.hello()
    assert [(e.tbl, e.pk, e.reason) for e in hello.exceptions] == [(16, one, "conflict")]


async def test_a_bad_row_is_put_aside_and_the_rows_around_it_are_merged(box, see):
    good = [values("progress_fact") for _ in range(40)]
    bad = [
        values("progress_fact", percent=101),
        values("progress_fact", percent=None),
        values("progress_fact", percent="many"),
        values("progress_fact", person_id=b"short"),
    ]
    mixed = rows("progress_fact", *good[:7], bad[0], *good[7:20], *bad[1:], *good[20:])
    await box.send(mixed)
    assert await account(see) == [(44, 40, 0, 0, 0, 0, 4)]
    assert await see.fetchval("SELECT count(*) FROM progress_fact") == 40
    reasons = {row["reason"] for row in await see.fetch("SELECT reason FROM sync_quarantine")}
    assert reasons == {
        "CheckViolationError progress_fact_percent_check",
        "NotNullViolationError percent",
        "percent-is-no-int",
        "person_id-is-no-id",
    }
    hello = await box.hello()
    assert {e.pk for e in hello.exceptions} == {row[0] for row in bad}
    await box.send(facts(1))
    assert (await box.hello()).streams[0].applied_n == 2


async def test_a_text_postgresql_cannot_hold_is_put_aside(box, see):
    await box.send(rows("section", values("section", body="a\0b"), values("section", body="sound")))
    assert await account(see) == [(2, 1, 0, 0, 0, 0, 1)]


async def test_a_row_that_comes_again_mended_settles_its_quarantine(box, see):
    one = new_id()
    await box.send(rows("class_group", values("class_group", box.school_id, id=one, name="")))
    assert len((await box.hello()).exceptions) == 1
    await box.send(
        rows("class_group", values("class_group", box.school_id, id=one, name="6 East", version=2))
    )
    assert (await box.hello()).exceptions == []


@pytest.mark.parametrize(
    ("table", "column"),
    [("org_unit", "id"), ("person", "org_id"), ("class_group", "org_id"), ("course", "org_id")],
)
async def test_a_row_that_names_another_school_is_put_aside(box, see, table, column):
    row = values(table, box.school_id, **{column: UUID(int=9).bytes})
    await box.send(rows(table, row, values(table, box.school_id)))
    assert await account(see) == [(2, 1, 0, 0, 0, 0, 1)]
    assert await see.fetchval("SELECT reason FROM sync_quarantine") == "foreign-school"


async def test_an_unknown_table_or_column_is_parked_and_the_stream_goes_on(box, see):
    await box.send(
        Rows("badge", ("id", "name"), [(new_id(), "Reader")]),
        Rows("streak", ("days",), [(3,)]),
        Rows("module", ("id", "colour"), [(new_id(), "green")]),
        facts(1),
    )
    assert await account(see) == [(4, 1, 0, 0, 0, 0, 3)]


async def test_columns_in_another_order_are_mapped_by_name(box, see):
    table = rows("module", values("module", title="Rain"))
    turned = Rows("module", table.columns[::-1], [row[::-1] for row in table.rows])
    await box.send(turned)
    assert await see.fetchval("SELECT title FROM module") == "Rain"


async def test_two_images_of_one_row_in_one_segment_are_judged_in_turn(box, see):
    one = new_id()
    first = values("module", id=one, version=1, title="Rain")
    second = values("module", id=one, version=2, title="Rain and snow")
    await box.send(rows("module", first, second))
    assert await account(see) == [(2, 1, 1, 0, 0, 0, 0)]
    assert await see.fetchval("SELECT title FROM module") == "Rain and snow"


async def test_progress_is_projected_in_the_same_transaction_and_never_falls(box, see):
    who, where = new_id(), new_id()
    for percent in (40, 100, 60):
        fact = values("progress_fact", enrolment_id=who, section_id=where, percent=percent)
        await box.send(rows("progress_fact", fact))
    assert await see.fetchval("SELECT percent FROM section_progress") == 100


async def test_duplicates_do_not_touch_the_row_and_never_enter_the_feed(box, see):
    row = values("person", box.school_id)
    await box.send(rows("person", row))
    before = await see.fetchrow("SELECT * FROM person WHERE id = $1", UUID(bytes=row[0]))
    box.begin_epoch()
    await box.send(rows("person", row))
    assert await see.fetchrow("SELECT * FROM person WHERE id = $1", UUID(bytes=row[0])) == before
    assert await see.fetchval("SELECT count(*) FROM sync_feed_head") == 1


async def test_a_full_house_is_told_to_come_back(box, app):
    gate = app.state.hub.gate
    gate.inside = 100
    answer = await box.put(box.seal(facts(1)), n=1)
    gate.inside = 0
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 10


async def test_contact_is_noted_for_the_district(box, district):
    await box.hello()
    answer = await district.client.get("/api/v1/schools")
    school = answer.json()[0]
    assert (school["waiting"], school["oldest_since_ms"], school["app_version"]) == (
        3,
        NOW_MS - 1_000,
        "0.1.0",
    )
