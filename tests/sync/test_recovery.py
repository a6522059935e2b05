"""The one repair, seen from the box: marks, pages, debts, and answers that are not believed."""

from uuid import UUID

import httpx
import msgspec
import pytest
from nacl.signing import SigningKey

from sync.agent.keys import read_node_key
from sync.agent.line import QUIET_S
from sync.agent.pace import WAIT_S_MAX
from sync.agent.session import Session
from sync.agent.status import status
from sync.core.node import Fork, Heard
from sync.protocol import Receipt, SignedReceipt, decode, encode, receipt_message
from tests.sync.web import add_group, claim, problem, told, wish

pytestmark = pytest.mark.anyio

MANY = 450  # more than are marked, or fetched, in one transaction
WAITING = "SELECT count(*) FROM sync_dirty"
EPOCH = "SELECT epoch FROM sync_identity"
SCHOOL = UUID(int=2)


@pytest.fixture
async def joined(agent, web, box):
    """A school of many classes, all of it at the hub."""
    claim(box)
    for number in range(MANY):
        add_group(box, 1_000 + number)
    wish(box)
    assert await agent.one_try() == QUIET_S
    return agent


def change_incarnation(web):
    web.hub.incarnation = web.hub.new_incarnation()


async def test_a_school_larger_than_one_step_is_marked_and_sent_whole(joined, web, db):
    before = db.value(EPOCH)
    web.hub.schools[SCHOOL].rows.clear()
    change_incarnation(web)
    await joined.one_try()
    assert db.value(EPOCH) != before
    assert len(web.hub.schools[SCHOOL].rows) == MANY + 1
    assert status(db).recovery_due is False


async def test_a_school_larger_than_one_page_comes_back_whole(joined, web, box, db):
    box.execute("UPDATE sync_identity SET applying = 1")
    box.execute("DELETE FROM class_group")
    box.execute("UPDATE sync_identity SET applying = 0, epoch = ?1", (UUID(int=9),))
    box.execute("DELETE FROM sync_stream")
    wish(box)  # the same box asks again after its card was repaired by hand
    await joined.one_try()
    assert db.value("SELECT count(*) FROM class_group") == MANY
    assert [path for _, path in web.asked].count("/sync/v1/pull") >= MANY // 100


async def test_a_page_cut_off_leaves_the_debt_and_the_next_try_pays_it(joined, web, db):
    change_incarnation(web)
    seen = iter(range(1_000))

    def cut_second_page(request):
        if request.url.path.endswith("/pull") and next(seen) == 1:
            raise httpx.ReadError("cut")

    web.trouble = cut_second_page
    await joined.one_try()
    assert status(db).recovery_due is True
    assert db.value("SELECT cur_n FROM sync_stream WHERE lane = 0") == 0  # nothing is sealed
    web.trouble = lambda _request: None
    await joined.one_try()
    assert status(db).recovery_due is False


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (["person", ["id"], [["i", b"short"]], 1], "refused"),
        (["table_of_next_year", ["id"], [["i", bytes(16)]], 1], "newer release"),
    ],
)
async def test_a_page_that_cannot_be_read_is_kept_in_no_part(joined, web, db, block, words):
    change_incarnation(web)
    pull = web.hub.pull

    def spoilt(*args):
        page = pull(*args)
        bad = decode(encode(block), type(page.rows[0]))
        return msgspec.structs.replace(page, rows=[*page.rows, bad], more=True)

    web.hub.pull = spoilt
    assert await joined.one_try() == WAIT_S_MAX
    assert words in status(db).contact.error
    assert db.value("SELECT self_cursor FROM sync_identity") == 0
    web.hub.pull = pull
    await joined.one_try()
    assert status(db).contact.error is None


async def test_joining_another_district_begins_a_new_chain(joined, web, box, db):
    before = db.value(EPOCH)
    first = web.hub
    web.hub = type(first)(first.dice, first.folder)
    wish(box)
    await joined.one_try()
    assert db.value(EPOCH) != before
    assert len(web.hub.schools[SCHOOL].rows) == MANY + 1


async def test_a_hub_that_calls_the_school_by_another_id_is_not_joined(agent, web, box, db):
    claim(box)
    wish(box)
    enrol = web.enrol

    def renamed(asked):
        answer = enrol(asked).content
        return told(msgspec.msgpack.decode(answer) | {"school_id": bytes(16)})

    web.enrol = renamed
    assert await agent.one_try() == WAIT_S_MAX
    assert status(db).is_enrolled is False


def forged(answer, key, **changes):
    """The same answer with a receipt that says something else."""
    receipt = msgspec.structs.replace(decode(answer.receipt.body, Receipt), **changes)
    body = encode(receipt)
    signed = SignedReceipt(body=body, signature=key.sign(receipt_message(body)).signature)
    return msgspec.structs.replace(answer, receipt=signed)


@pytest.mark.parametrize("forger", ["a stranger", "the hub about another box", "nonsense"])
async def test_custody_is_believed_only_from_the_hub_about_this_box(joined, web, box, db, forger):
    put = web.hub.put
    stranger = SigningKey(bytes(32))

    def forge(*asked):
        answer = put(*asked)
        if forger == "a stranger":
            return forged(answer, stranger)
        if forger == "nonsense":
            body = b"\xc1"
            signature = web.hub.key.sign(receipt_message(body)).signature
            signed = SignedReceipt(body=body, signature=signature)
            return msgspec.structs.replace(answer, receipt=signed)
        return forged(answer, web.hub.key, node_id=UUID(int=8))

    web.hub.put = forge
    add_group(box, 10)
    assert await joined.one_try() == WAIT_S_MAX
    assert status(db).waiting == 1


async def test_a_receipt_about_another_chain_leads_to_hello_and_not_to_custody(
    joined, web, box, db
):
    put = web.hub.put
    lies = iter([{"received_hash": bytes(32)}, {"received_n": 0}, {"epoch": UUID(int=5)}])

    def lie(*asked):
        answer = put(*asked)
        changes = next(lies, None)
        return answer if changes is None else forged(answer, web.hub.key, **changes)

    web.hub.put = lie
    for number in range(3):
        add_group(box, 10 + number)
        web.asked.clear()
        await joined.one_try()
        assert [path for _, path in web.asked].count("/sync/v1/hello") == 2
    assert status(db).waiting == 0


async def test_an_old_answer_to_hello_is_not_taken_for_a_new_one(joined, web, db):
    hello = web.hub.hello
    kept = []

    def replay(request):
        kept.append(hello(request))
        return kept[0]

    web.hub.hello = replay
    assert await joined.one_try() == QUIET_S
    assert await joined.one_try() == WAIT_S_MAX
    assert "another question" in status(db).contact.error


async def test_a_segment_damaged_on_the_way_is_sent_again_soon(joined, web, box, db):
    add_group(box, 10)
    damaged = iter([problem(400, "segment-corrupt", "Damaged")])
    web.trouble = lambda request: next(damaged, None) if request.method == "PUT" else None
    assert await joined.one_try() < WAIT_S_MAX
    assert await joined.one_try() == QUIET_S
    assert status(db).waiting == 0


@pytest.mark.parametrize(
    ("heard", "sql", "is_complete"),
    [
        (Heard(None, pull=False), "SELECT 1", True),
        (None, "SELECT 1", False),
        (Heard(None, pull=True), "SELECT 1", False),
        (Heard(Fork.HUB_AHEAD, pull=False), "SELECT 1", False),
        (Heard(None, pull=False), "UPDATE sync_identity SET recovery_due = 1", False),
        (Heard(None, pull=False), "UPDATE sync_identity SET remark_tbl = 1", False),
    ],
)
async def test_a_box_is_complete_when_nothing_it_wrote_is_elsewhere(
    joined, db, box, settings, heard, sql, is_complete
):
    """Before that, a file that no row names may be one whose row comes back."""
    box.execute(sql)
    session = Session(db, read_node_key(settings.keys), joined._chance)
    session._heard = heard
    assert session.is_complete is is_complete
