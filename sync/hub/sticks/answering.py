"""The answer that goes back on the stick: what a hello would have said, signed and locked."""

from typing import Final
from uuid import UUID

from sync.core.bundle import (
    ANSWER_FEED_BYTES_MAX,
    ANSWER_PAGES_BYTES_MAX,
    RECEIPT_NAME,
    Answer,
    Manifest,
    answer_message,
    lock_answer,
    numbered,
    receipt_place,
    stream_folder,
)
from sync.hub.blobs.keeping import whole_files
from sync.hub.database import scoped
from sync.hub.intake.hello import stand
from sync.hub.intake.nodes import Node, NodeClaim
from sync.hub.intake.pulling import pull_page
from sync.hub.outlet.feed import Question, feed_page
from sync.hub.running import Hub
from sync.protocol import (
    FeedPage,
    Hello,
    PullPage,
    Receipt,
    ScopeCursor,
    SignedFeed,
    decode,
    encode,
)
from sync.stick import Stick

PAGE_ROWS: Final = 100  # one transaction on the board


async def write_answer(hub: Hub, stick: Stick, node: Node, asked: Manifest) -> int | None:
    """Write where the hub stands; return the number of the answer. Raises StickFailed."""
    claim = NodeClaim(node.id, node.school_id, 0)
    hello = await stand(hub, claim, asked.hello)
    if hello.receipt is None:
        return None
    is_believed = asked.hello.incarnation == hello.incarnation  # otherwise it begins anew first
    pages = await _pages(hub, claim, asked, hello) if is_believed else []
    answer = Answer(
        hub_id=hub.hub_id,
        school_id=node.school_id,
        asked=asked.hello.incarnation,
        since=asked.hello.self_cursor,
        hello=hello,
        pages=pages,
        feed=await _feed(hub, claim, asked, hello) if is_believed else [],
        files=await _files(hub, node, asked),
    )
    body = encode(answer)
    content = lock_answer(body, hub.key.sign(answer_message(body)), node.node_key)
    no = decode(hello.receipt.body, Receipt).no
    stick.write(receipt_place(node.id, hello.epoch, no), content)
    _remove_older(stick, node.id, hello.epoch, no)
    return no


async def _files(hub: Hub, node: Node, asked: Manifest) -> list[bytes]:
    """Say which of the files the board has are here, whichever way they came."""
    async with scoped(hub.pools.ingest, school_id=node.school_id) as link:
        return await whole_files(hub, link, node.school_id, asked.files)


async def _pages(hub: Hub, claim: NodeClaim, asked: Manifest, hello: Hello) -> list[PullPage]:
    """Add rows of the school itself that this board is owed."""
    pages: list[PullPage] = []
    size, cursor, more = 0, asked.hello.self_cursor, asked.recovery_due or hello.pull
    while more and size < ANSWER_PAGES_BYTES_MAX:
        page = await pull_page(hub, claim, hello.epoch, cursor, PAGE_ROWS)
        pages.append(page)
        size, cursor, more = size + len(encode(page)), page.next_cursor, page.more
    return pages


async def _feed(hub: Hub, claim: NodeClaim, asked: Manifest, hello: Hello) -> list[SignedFeed]:
    """Add what the district writes, from where the board will look for it.

    One page of each scope even where nothing is new: a board in the middle of reading all
    scopes anew waits for each scope's end.
    """
    told = {cursor.scope_id: cursor for cursor in asked.hello.scopes}
    is_anew = any(each.state == "replace" for each in hello.scopes)
    pages: list[SignedFeed] = []
    for each in hello.scopes:
        beginning = ScopeCursor(scope_id=each.scope_id, incarnation=hello.incarnation)
        cursor = beginning if is_anew else told[each.scope_id]
        size, more = 0, True
        while more and size < ANSWER_FEED_BYTES_MAX:
            signed = await feed_page(hub, claim, Question(cursor, PAGE_ROWS))
            page = decode(signed.body, FeedPage)
            pages.append(signed)
            size, cursor, more = size + len(signed.body), page.cursor, page.more
    return pages


def _remove_older(stick: Stick, node_id: UUID, epoch: UUID, no: int) -> None:
    folder = stream_folder(node_id, epoch)
    for older, name in numbered(stick.names(folder), RECEIPT_NAME):
        if older < no:
            stick.remove(folder / name)
