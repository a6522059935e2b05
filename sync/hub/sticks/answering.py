"""The answer that goes back on the stick: what a hello would have said, signed and locked."""

from typing import Final
from uuid import UUID

from sync.core.bundle import (
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
from sync.hub.intake.hello import stand
from sync.hub.intake.nodes import Node, NodeClaim
from sync.hub.intake.pulling import pull_page
from sync.hub.running import Hub
from sync.protocol import Hello, PullPage, Receipt, decode, encode
from sync.stick import Stick

PAGE_ROWS: Final = 100  # one transaction on the board


async def write_answer(hub: Hub, stick: Stick, node: Node, asked: Manifest) -> int | None:
    """Write where the hub stands; return the number of the answer. Raises StickFailed."""
    claim = NodeClaim(node.id, node.school_id, 0)
    hello = await stand(hub, claim, asked.hello)
    if hello.receipt is None:
        return None
    answer = Answer(
        hub_id=hub.hub_id,
        school_id=node.school_id,
        asked=asked.hello.incarnation,
        since=asked.hello.self_cursor,
        hello=hello,
        pages=await _pages(hub, claim, asked, hello),
        feed=[],
    )
    body = encode(answer)
    content = lock_answer(body, hub.key.sign(answer_message(body)), node.node_key)
    no = decode(hello.receipt.body, Receipt).no
    stick.write(receipt_place(node.id, hello.epoch, no), content)
    _remove_older(stick, node.id, hello.epoch, no)
    return no


async def _pages(hub: Hub, claim: NodeClaim, asked: Manifest, hello: Hello) -> list[PullPage]:
    """Add rows this board is owed, if it would believe them: it asked from where we stand."""
    is_owed = asked.recovery_due or hello.pull
    if not is_owed or asked.hello.incarnation != hello.incarnation:
        return []
    pages, size, cursor = [], 0, asked.hello.self_cursor
    while size < ANSWER_PAGES_BYTES_MAX:
        page = await pull_page(hub, claim, hello.epoch, cursor, PAGE_ROWS)
        pages.append(page)
        size, cursor = size + len(encode(page)), page.next_cursor
        if not page.more:
            break
    return pages


def _remove_older(stick: Stick, node_id: UUID, epoch: UUID, no: int) -> None:
    folder = stream_folder(node_id, epoch)
    for older, name in numbered(stick.names(folder), RECEIPT_NAME):
        if older < no:
            stick.remove(folder / name)
