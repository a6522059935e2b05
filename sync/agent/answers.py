"""What comes back on a stick: the district's signed answers, taken in like a hello.

Sticks come late, twice and in any order. Answers are numbered; what is older than what this
box has heard is passed over, and what another hub signed or another box should read cannot
be read here at all. What would disturb a conversation waits until the agent is silent.
"""

from contextlib import suppress
from typing import Final, LiteralString

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.ids import uuid7
from sync.agent import retention, store
from sync.agent.blobs import drop_orphans
from sync.agent.downstream import Downstream, FetchPage
from sync.agent.erasing import erase_people
from sync.agent.parcels import bring_back, note_arrived, unload_files
from sync.agent.recovery import apply_page, begin_epoch
from sync.agent.stick import Tools, joined
from sync.agent.store import Identity
from sync.core.bundle import (
    ANSWER_BYTES_MAX,
    RECEIPT_NAME,
    Answer,
    BundleCorrupt,
    Standing,
    judge_answer,
    numbered,
    read_answer,
    read_id,
    stream_folder,
)
from sync.core.node import Fork, judge_hello
from sync.protocol import FeedPage, PullPage, Receipt, SignedReceipt, decode
from sync.stick import Stick, StickFailed

BUSY: Final = "darasa-agent is speaking with the district just now; import again in a minute"

# An answer on a stick was said when the hub wrote it, not when it was read here.
NOTE_WORD: Final[LiteralString] = """
UPDATE sync_identity
   SET contact_at_ms = max(ifnull(contact_at_ms, 0), min(?1, ?2))
"""


class Returned(Struct, frozen=True):
    """What became of one answer."""

    name: str
    is_news: bool
    words: str


def import_stick(tools: Tools, stick: Stick, *, now_ms: int) -> list[Returned]:
    """Take in every answer for this box, oldest first. Raises StickFailed, NotJoined."""
    me = joined(tools.db)
    top = stream_folder(me.node_id, me.epoch).parent
    found = []
    for folder in stick.names(top):
        epoch = read_id(folder)
        if epoch is None:
            continue
        for _, name in numbered(stick.names(top / folder), RECEIPT_NAME):
            content = stick.read(top / folder / name, bytes_max=ANSWER_BYTES_MAX)
            found.append(_import_one(tools, name, content, now_ms=now_ms))
    if tools.is_alone:
        found += _take_files(tools, stick, me)
        forget_people(tools, now_ms=now_ms)
    if any(each.is_news for each in found):
        with suppress(StickFailed):  # it may not be written to; the next export sees to it
            unload_files(stick, me)
    retention.trim(tools.db, now_ms=now_ms)
    return found


def _take_files(tools: Tools, stick: Stick, me: Identity) -> list[Returned]:
    back = bring_back(tools.db, tools.files, stick, me, tools.key)
    found = []
    if back.came:
        words = f"{back.came} files of hand-ins came back"
        found.append(Returned("files", is_news=True, words=words))
    if back.left:
        words = f"{back.left} stay on the stick: the card is almost full; import again later"
        found.append(Returned("files", is_news=False, words=words))
    return found


def forget_people(tools: Tools, *, now_ms: int) -> None:
    """Step by step, so that a teacher's write waits for none of them."""
    me, listed = joined(tools.db), tools.erased_people
    for _ in erase_people(tools.db, me, listed, files=tools.files, now_ms=now_ms):
        pass


def _import_one(tools: Tools, name: str, content: bytes | None, *, now_ms: int) -> Returned:
    me = joined(tools.db)
    assert me.hub_key is not None
    try:
        answer = read_answer(content or b"", tools.key, me.hub_key)
        receipt = _receipt_of(answer, me)
    except BundleCorrupt as error:
        return Returned(name, is_news=False, words=f"refused: {error}")
    standing = judge_answer(
        answer, receipt, epoch=me.epoch, incarnation=me.incarnation, held=_held(me)
    )
    match standing:
        case Standing.OTHER_EPOCH:
            words = "about an earlier life of this box's log; its rows go again in this one"
            return Returned(name, is_news=False, words=words)
        case Standing.OLD:
            return Returned(name, is_news=False, words="older than what this box has heard")
        case Standing.NEW_INCARNATION:
            return _fork(tools, name, answer, Fork.NEW_INCARNATION, now_ms=now_ms)
        case Standing.NEWS:
            return _take(tools, name, answer, receipt, now_ms=now_ms)


def _receipt_of(answer: Answer, me: Identity) -> Receipt:
    """Read the receipt inside; an answer about another box or without one is no answer."""
    signed = answer.hello.receipt
    if signed is None:
        raise BundleCorrupt("it holds no receipt")
    receipt = decode(signed.body, Receipt)
    named = (answer.hub_id, answer.school_id, answer.hello.node_id)
    if named != (me.hub_id, me.school_id, me.node_id) or receipt.node_id != me.node_id:
        raise BundleCorrupt("it is about another box")
    return receipt


def _held(me: Identity) -> Receipt | None:
    return None if me.receipt is None else decode(decode(me.receipt, SignedReceipt).body, Receipt)


def _take(tools: Tools, name: str, answer: Answer, receipt: Receipt, *, now_ms: int) -> Returned:
    me = joined(tools.db)
    fork = _fork_in(tools.db, me, answer)
    if fork is not None:
        return _fork(tools, name, answer, fork, now_ms=now_ms)
    signed = answer.hello.receipt
    assert signed is not None
    with tools.db.changing() as tx:
        tx.run(NOTE_WORD, (answer.hello.hub_time_ms, now_ms))
        store.note_hello(tx, me, answer.hello)
        store.keep_receipt(tx, signed, receipt)
    words = [f"the district has everything up to segment {receipt.received_n}"]
    arrived = note_arrived(tools.db, answer, now_ms=now_ms)
    if arrived:
        words.append(f"{arrived} files are there")
    if tools.is_alone:
        words += _take_pages(tools, answer, now_ms=now_ms)
        words += _take_feed(tools, answer, now_ms=now_ms)
        if is_complete(joined(tools.db), answer):
            drop_orphans(tools.db, tools.files)
    elif answer.pages or answer.feed:
        words.append(BUSY)
    return Returned(name, is_news=True, words="; ".join(words))


def is_complete(me: Identity, answer: Answer) -> bool:
    """Whether the box has everything that its school wrote, here or elsewhere."""
    is_owed = answer.hello.pull and (not answer.pages or answer.pages[-1].more)
    return not (me.recovery_due or me.remark_tbl is not None or is_owed)


def _fork_in(db: AgentDatabase, me: Identity, answer: Answer) -> Fork | None:
    """Compare as after a hello over the net."""
    return judge_hello(
        answer.hello,
        incarnation=me.incarnation,
        streams=store.stream_states(db, me.epoch),
        own_hashes={
            each.lane: store.own_hash(db, me, each.lane, each.received_n)
            for each in answer.hello.streams
        },
    )


def _fork(tools: Tools, name: str, answer: Answer, why: Fork, *, now_ms: int) -> Returned:
    if not tools.is_alone:
        return Returned(name, is_news=False, words=f"not taken in: {BUSY}")
    begin_epoch(
        tools.db,
        epoch=uuid7(now_ms),
        incarnation=answer.hello.incarnation,
        why=why,
        now_ms=now_ms,
    )
    words = f"a repair was begun ({why}): export again and carry the stick once more"
    return Returned(name, is_news=True, words=words)


def _take_pages(tools: Tools, answer: Answer, *, now_ms: int) -> list[str]:
    """Put back what this school wrote elsewhere, where this box still stands where it asked."""
    rows, since = 0, answer.since
    for page in answer.pages:
        me = joined(tools.db)
        if (me.self_cursor, me.incarnation) != (since, page.incarnation):
            break
        rows += apply_page(tools.db, me, page, _page_receipt(page), now_ms=now_ms)
        since = page.next_cursor
    return [f"{rows} rows of this school came back"] if rows else []


def _take_feed(tools: Tools, answer: Answer, *, now_ms: int) -> list[str]:
    """Read down what the district wrote, as far as the stick brings it."""
    pages = {decode(signed.body, FeedPage).since: signed for signed in answer.feed}
    reading, rows = Downstream(tools.db, answer.hello), 0
    while step := reading.next_request(now_ms=now_ms):
        if isinstance(step, FetchPage):
            signed = pages.pop(step.cursor, None)
            if signed is None:
                break  # the rest is for the next stick
            rows += reading.take_page(signed, now_ms=now_ms)
    return [f"{rows} rows came from the district"] if rows else []


def _page_receipt(page: PullPage) -> Receipt:
    return decode(page.receipt.body, Receipt)
