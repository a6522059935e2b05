"""A box changes its key: asked with the old one and the new one, over our challenge.

Safe to repeat: a box that lost our answer asks again, and hears that the new key counts.
"""

from typing import Final, LiteralString
from uuid import UUID

from sync.core.segment import Segment, SignatureWrong, check_signature
from sync.hub.database import Link, rows, set_scope
from sync.hub.faults import BadSignature
from sync.hub.intake.former_keys import OVERLAP_MS, FormerKey, keep_former_key
from sync.hub.intake.nodes import NODES_NAMED, Node, has_signed, require_open
from sync.protocol import NewKeyAnswer, NewKeyRequest, new_key_message

CHANGE_KEY: Final[LiteralString] = """
UPDATE node
   SET node_key = $3
 WHERE school_id = $1
   AND id        = $2
   AND node_key  = $4
"""


async def register_key(
    link: Link, hub_id: UUID, district_id: UUID, request: NewKeyRequest, *, now_ms: int
) -> NewKeyAnswer:
    """Let the new key count. Raises BadSignature, NodeRevoked.

    The old signature must be the present key's: a request of years ago changes nothing back.
    """
    words = new_key_message(hub_id, request.node_id, request.new_key, request.challenge)
    await set_scope(link, district_id=district_id)
    found = await rows(link, Node, NODES_NAMED, request.node_id)
    if not has_signed(request.new_key, words, request.new_signature):
        raise BadSignature(f"node {request.node_id}: the new key did not sign")
    for node in found:
        if node.node_key == request.new_key:
            require_open(node)
            return NewKeyAnswer(former_good_until_ms=now_ms + OVERLAP_MS)
        if has_signed(node.node_key, words, request.old_signature):
            return await _change(link, require_open(node), request.new_key, now_ms=now_ms)
    raise BadSignature(f"node {request.node_id}: its present key did not sign")


async def _change(link: Link, node: Node, new_key: bytes, *, now_ms: int) -> NewKeyAnswer:
    await set_scope(link, school_id=node.school_id)
    changed = await link.execute(CHANGE_KEY, node.school_id, node.id, new_key, node.node_key)
    if changed != "UPDATE 1":  # a board with a copy of this card asked at the same moment
        raise BadSignature(f"node {node.id}: its key was changed meanwhile")
    until_ms = await keep_former_key(link, node.school_id, node.id, node.node_key, now_ms=now_ms)
    return NewKeyAnswer(former_good_until_ms=until_ms)


def why_rows_wait(
    segment: Segment, node: Node, former: list[FormerKey], *, now_ms: int
) -> str | None:
    """Say why an authentic segment's rows must wait for a person; None: they need not.

    Raises SignatureWrong when no key of this node, past or present, signed it.
    """
    key = signing_key(segment, node, former)
    if node.state == "revoked":
        return "node-revoked"
    if key is not None and key.good_until_ms < now_ms:
        return "node-key-retired"
    return None


def signing_key(segment: Segment, node: Node, former: list[FormerKey]) -> FormerKey | None:
    """Find the former key that signed; None for the present one. Raises SignatureWrong."""
    for key in former:
        if key.school_id == node.school_id and has_signed_segment(segment, key.node_key):
            return key
    check_signature(segment, node.node_key)
    return None


def has_signed_segment(segment: Segment, key: bytes) -> bool:
    """Whether `key` signed this segment's header."""
    try:
        check_signature(segment, key)
    except SignatureWrong:
        return False
    return True
