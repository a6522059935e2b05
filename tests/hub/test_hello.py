"""Hello: where both stand, whether the hub was rolled back, what is to be pulled."""

import asyncio

import pytest
from nacl.signing import SigningKey, VerifyKey

from sync.core.columns import unpack
from sync.hub.intake.hello import SCHEMA_OF_ALL_LANES
from sync.merge import digest
from sync.merge import row_hash as hash_of
from sync.protocol import (
    LOG_BEGIN,
    Receipt,
    SignedHello,
    SignedReceipt,
    StreamState,
    decode,
    encode,
    hello_message,
    next_log_hash,
    receipt_message,
)
from sync.registry import TABLE, TABLES
from tests.hub.cast import facts, receipt_of, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


@pytest.fixture
async def box(district):
    return await district.school()


async def test_a_new_stream_stands_at_its_genesis(box):
    stream = (await box.hello()).streams[0]
    assert (stream.received_n, stream.received_hash, stream.applied_n) == (0, box.genesis(), 0)


async def test_every_lane_asked_about_is_answered(box):
    lanes = [StreamState(lane=lane, cur_n=0, cur_hash=bytes(32), trimmed_n=0) for lane in (0, 1)]
    assert [each.lane for each in (await box.hello(streams=lanes)).streams] == [0, 1]


@pytest.mark.parametrize(("schema_version", "lanes"), [(SCHEMA_OF_ALL_LANES, [0, 1]), (3, [1])])
async def test_a_lane_that_a_copy_of_the_card_has_used_is_answered_unasked(
    box, schema_version, lanes
):
    await box.send(facts(1))
    asked = [StreamState(lane=1, cur_n=0, cur_hash=bytes(32), trimmed_n=0)]
    told = await box.hello(streams=asked, schema_version=schema_version)
    assert [at.lane for at in told.streams] == lanes


async def test_hello_is_signed_and_carries_the_nonce(box):
    answer = await box.hello_answer(nonce=b"sixteen bytes ok")
    signed = decode(answer.content, SignedHello)
    VerifyKey(box.hub.hub_key).verify(hello_message(signed.body), signed.signature)
    assert b"sixteen bytes ok" in signed.body


async def test_receipts_are_signed_and_follow_the_school_s_log(box):
    log = LOG_BEGIN
    for number in (1, 2, 3):
        told = await box.send(facts(1))
        log = next_log_hash(log, box.hash)
        VerifyKey(box.hub.hub_key).verify(
            receipt_message(told.receipt.body), told.receipt.signature
        )
        receipt = receipt_of(told.receipt)
        assert (receipt.no, receipt.log_hash) == (number, log)
    assert receipt_of((await box.hello()).receipt).no == 3


async def test_hello_for_another_node_is_refused(box, district):
    other = await district.school("Riverside School")
    answer = await box.hello_answer(node_id=other.node_id)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong-school")


async def test_a_hub_behind_its_own_receipt_changes_its_incarnation_once(box, as_role):
    await box.send(facts(1))
    await box.send(facts(1))
    before = (await box.hello()).incarnation
    # What a restored backup looks like: the second segment never came.
    past = await as_role("postgres")
    await past.execute("DELETE FROM sync_inbox WHERE n = 2")
    await past.execute("UPDATE school_sync SET log_no = 1")
    after = (await box.hello()).incarnation
    assert after != before
    assert (await box.hello()).incarnation == after


async def test_a_hub_that_went_another_way_since_is_noticed_too(box, as_role):
    await box.send(facts(1))
    before = (await box.hello()).incarnation
    past = await as_role("postgres")
    await past.execute("UPDATE sync_inbox SET log_hash = $1", bytes(32))
    assert (await box.hello()).incarnation != before


async def test_a_receipt_the_hub_never_signed_changes_nothing(box, as_role):
    told = await box.send(facts(1))
    receipt = receipt_of(told.receipt)
    forged = encode(
        Receipt(**{name: getattr(receipt, name) for name in Receipt.__struct_fields__} | {"no": 99})
    )
    signature = SigningKey.generate().sign(receipt_message(forged)).signature
    answer = await box.hello_answer(receipt=SignedReceipt(body=forged, signature=signature))
    assert (answer.status_code, answer.json()["code"]) == (403, "bad-signature")
    assert (await box.hello()).incarnation == box.incarnation


async def test_nothing_is_to_be_pulled_while_one_epoch_writes(box):
    await box.send(facts(3))
    assert not (await box.hello()).pull


async def test_a_new_epoch_pulls_what_the_old_one_wrote_and_then_no_more(box):
    sent = facts(7)
    await box.send(sent)
    box.begin_epoch()
    assert (await box.hello()).pull
    page = await box.pull()
    assert set(unpack(page.rows[0]).rows) == set(sent.rows)
    assert not page.more
    box.self_cursor = page.next_cursor
    assert not (await box.hello()).pull
    # Sent again, as recovery does: duplicates give nobody anything to pull.
    await box.send(sent)
    assert not (await box.hello()).pull


async def test_a_cursor_of_another_incarnation_counts_for_nothing(box, as_role):
    await box.send(facts(1))
    box.begin_epoch()
    box.self_cursor = 1_000
    assert not (await box.hello()).pull
    box.incarnation = box.epoch
    assert (await box.hello()).pull


async def test_pages_follow_each_other_without_gap_or_repeat(box):
    sent = facts(25)
    await box.send(sent)
    box.begin_epoch()
    cursor, found, more = 0, [], True
    while more:
        page = await box.pull(cursor, limit=10)
        found += [row for block in page.rows for row in unpack(block).rows]
        cursor, more = page.next_cursor, page.more
    assert sorted(found) == sorted(sent.rows)


async def test_a_page_brings_the_rows_its_rows_refer_to(box):
    """Hand-ins are sealed first, so they stand before their pupils in the sequence."""
    person = values("person", box.school_id)
    assessment = values("assessment")
    submission = values("submission", person_id=person[0], assessment_id=assessment[0])
    revision = values("submission_revision", person_id=person[0], submission_id=submission[0])
    await box.send(rows("submission_revision", revision))
    await box.send(
        rows("submission", submission), rows("assessment", assessment), rows("person", person)
    )
    box.begin_epoch()
    page = await box.pull(limit=1)
    assert {block.t for block in page.rows} == {
        "submission_revision",
        "submission",
        "assessment",
        "person",
    }
    assert [block.t for block in page.rows][-1] == "submission_revision"
    assert page.more


async def test_a_page_ends_before_it_is_too_large_for_a_box(box):
    long = rows(
        "submission_revision",
        *(values("submission_revision", body="x" * 400_000) for _ in range(4)),
    )
    await box.send(long)
    box.begin_epoch()
    page = await box.pull()
    assert (sum(block.rows for block in page.rows), page.more) == (2, True)


async def test_one_school_pulls_nothing_of_another(box, district):
    await box.send(facts(5))
    other = await district.school("Riverside School")
    page = await other.pull()
    assert (page.rows, page.more) == ([], False)


async def test_digests_are_what_the_box_computes(box):
    sent = facts(20)
    people = rows(
        "person", *(values("person", box.school_id, version=version) for version in (1, 2, 70_000))
    )
    await box.send(sent, people)
    found = await box.digests()
    assert set(found.tables) == {table.name for table in TABLES}
    for each in (sent, people):
        table = TABLE[each.table]
        version_at = None if table.is_fact else len(table.columns) - 5
        expected = digest(
            [
                (row[0], 1 if version_at is None else row[version_at], hash_of(table, row))
                for row in each.rows
            ]
        )
        told = found.tables[each.table]
        assert (told.rows, told.digest) == (len(each.rows), expected.to_bytes(8, "big"))
    assert found.tables["grade"].rows == 0


@pytest.mark.parametrize("query", ["", "epoch=x&cursor=0", "epoch={e}&cursor=-1", "epoch={e}"])
async def test_a_pull_that_says_too_little_is_refused(box, query):
    answer = await box.client.get("/sync/v1/pull?" + query.format(e=box.epoch), headers=box.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


async def test_two_boards_on_one_card_are_shown_to_the_district(box, district, watch):
    await box.hello()
    first = box.epoch
    watch.now_ms += 60_000
    box.begin_epoch()
    await box.hello()
    schools = (await district.client.get("/api/v1/schools")).json()
    assert not schools[0]["has_two_live_epochs"]
    watch.now_ms += 60_000
    await box.hello(epoch=first)
    schools = (await district.client.get("/api/v1/schools")).json()
    assert schools[0]["has_two_live_epochs"]


async def test_a_receipt_of_an_empty_log_proves_nothing(box):
    empty = (await box.hello()).receipt
    assert receipt_of(empty).no == 0
    await box.send(facts(1))
    assert (await box.hello(receipt=empty)).incarnation == box.incarnation


async def test_another_school_s_receipt_proves_nothing(box, district):
    other = await district.school("Riverside School")
    await other.send(facts(1))
    assert (await box.hello(receipt=other.receipt)).incarnation == box.incarnation


async def test_two_boxes_that_notice_one_roll_back_get_one_new_incarnation(box, district, as_role):
    other = await district.school("Riverside School")
    for each in (box, other):
        await each.send(facts(1))
    past = await as_role("postgres")
    await past.execute("DELETE FROM sync_inbox")
    answers = await asyncio.gather(box.hello(), other.hello())
    assert len({answer.incarnation for answer in answers}) == 1
    assert answers[0].incarnation != box.incarnation


async def test_a_receipt_that_is_no_receipt_is_refused(box):
    words = SignedReceipt(body=b"\xc1", signature=bytes(64))
    answer = await box.hello_answer(receipt=words)
    assert (answer.status_code, answer.json()["code"]) == (403, "bad-signature")
