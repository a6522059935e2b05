"""A box proves who it is: it signs the hub's challenge and gets a token for 15 minutes.

Neither challenge nor token is stored: both carry the hub's own mark. A challenge is good
for one token; whether a box was closed is asked of the database at every request.
"""

import base64
import binascii
import secrets
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from sync.hub.database import Link, rows
from sync.hub.faults import BadSignature, NodeKeyRetired, NodeRevoked, NodeUnknown
from sync.hub.intake.former_keys import FormerKey, former_keys
from sync.hub.keys import MAC_BYTES, HubKey
from sync.protocol import TOKEN_S, TokenRequest, sign_in_message

CHALLENGE_S: Final = 60
CHANCE_BYTES: Final = 8
INSTANT_BYTES: Final = 8
CLAIM_BYTES: Final = 16 + 16 + INSTANT_BYTES
USED_MAX: Final = 10_000  # of the last minute; beyond it the oldest are forgotten


class Node(Struct, frozen=True):
    """An enrolled box."""

    school_id: UUID
    id: UUID
    node_key: bytes
    state: str


class NodeClaim(Struct, frozen=True):
    """What a token says: this node of this school, until then."""

    node_id: UUID
    school_id: UUID
    expires_at_ms: int


NODES_NAMED: Final[LiteralString] = """
SELECT n.school_id, n.id, n.node_key, n.state
  FROM node AS n
 WHERE n.id = $1
"""

NODE: Final[LiteralString] = """
SELECT n.school_id, n.id, n.node_key, n.state
  FROM node AS n
 WHERE n.school_id = $1
   AND n.id        = $2
"""

SCHEMA: Final[LiteralString] = """
SELECT n.schema_version
  FROM node AS n
 WHERE n.school_id = $1
   AND n.id        = $2
"""


class Challenges:
    """Gives out challenges and remembers those already answered."""

    def __init__(self, key: HubKey) -> None:
        self._key: Final = key
        self._used: Final[dict[bytes, None]] = {}

    def give(self, node_id: UUID, *, now_ms: int) -> bytes:
        """Return 32 bytes for `node_id` to sign: an instant, chance, and our mark."""
        until = (now_ms + CHALLENGE_S * 1_000).to_bytes(INSTANT_BYTES, "big")
        open_part = until + secrets.token_bytes(CHANCE_BYTES)
        return open_part + self._key.mark(_challenge_words(node_id, open_part))

    def take(self, node_id: UUID, challenge: bytes, *, now_ms: int) -> None:
        """Use a challenge up. Raises NodeUnknown when it is not ours, too old or used."""
        open_part, mark = challenge[:-MAC_BYTES], challenge[-MAC_BYTES:]
        if not self._key.is_ours(_challenge_words(node_id, open_part), mark):
            raise NodeUnknown("this challenge was not given to this node")
        if int.from_bytes(open_part[:INSTANT_BYTES], "big") < now_ms or challenge in self._used:
            raise NodeUnknown("this challenge is used or too old")
        self._used[challenge] = None
        if len(self._used) > USED_MAX:
            del self._used[next(iter(self._used))]


def new_token(key: HubKey, node: Node, *, now_ms: int) -> str:
    """Return a bearer token for TOKEN_S seconds."""
    until = (now_ms + TOKEN_S * 1_000).to_bytes(INSTANT_BYTES, "big")
    claim = node.id.bytes + node.school_id.bytes + until
    return base64.urlsafe_b64encode(claim + key.mark(b"token" + claim)).decode()


def read_token(key: HubKey, authorization: str, *, now_ms: int) -> NodeClaim:
    """Read an Authorization header. Raises NodeUnknown."""
    kind, _, token = authorization.partition(" ")
    try:
        words = base64.urlsafe_b64decode(token)
    except (binascii.Error, ValueError) as error:
        raise NodeUnknown("the bearer token is not readable") from error
    claim, mark = words[:CLAIM_BYTES], words[CLAIM_BYTES:]
    if kind.lower() != "bearer" or not key.is_ours(b"token" + claim, mark):
        raise NodeUnknown("this is not a bearer token of this hub")
    until_ms = int.from_bytes(claim[32:], "big")
    if until_ms < now_ms:
        raise NodeUnknown("the bearer token has run out")
    return NodeClaim(UUID(bytes=claim[:16]), UUID(bytes=claim[16:32]), until_ms)


async def prove(connection: Link, hub_id: UUID, request: TokenRequest, *, now_ms: int) -> Node:
    """Return the node that signed. Raises NodeUnknown, BadSignature, NodeRevoked, NodeKeyRetired.

    Another school's box may carry the same id; only one of them can sign with the key
    that was enrolled.
    """
    found = await rows(connection, Node, NODES_NAMED, request.node_id)
    if not found:
        raise NodeUnknown(f"node {request.node_id} is not enrolled here")
    words = sign_in_message(hub_id, request.challenge)
    former = await former_keys(connection, request.node_id)
    for node in found:
        if has_signed(node.node_key, words, request.signature):
            return require_open(node)
        for key in former:
            if key.school_id == node.school_id and has_signed(
                key.node_key, words, request.signature
            ):
                return require_current(require_open(node), key, now_ms=now_ms)
    raise BadSignature(f"node {request.node_id}: the challenge is signed by another key")


async def schema_of(connection: Link, claim: NodeClaim) -> int:
    """Which schema a box last said it has: it is sent nothing that it has no place for."""
    found: int | None = await connection.fetchval(SCHEMA, claim.school_id, claim.node_id)
    return found or 1


async def node_of(connection: Link, claim: NodeClaim) -> Node:
    """Return the node a token names. Raises NodeUnknown, NodeRevoked."""
    return require_open(await node_named(connection, claim))


async def node_named(connection: Link, claim: NodeClaim) -> Node:
    """Return the node a token names, closed or not. Raises NodeUnknown."""
    found = await rows(connection, Node, NODE, claim.school_id, claim.node_id)
    if not found:
        raise NodeUnknown(f"node {claim.node_id} is not enrolled here")
    return found[0]


def require_current(node: Node, key: FormerKey, *, now_ms: int) -> Node:
    """Raise NodeKeyRetired when the month in which two keys count has passed."""
    if key.good_until_ms < now_ms:
        raise NodeKeyRetired(f"node {node.id} has had another key for more than a month")
    return node


def require_open(node: Node) -> Node:
    """Raise NodeRevoked when the district has closed it."""
    if node.state == "revoked":
        raise NodeRevoked(f"node {node.id} was revoked")
    return node


def has_signed(key: bytes, words: bytes, signature: bytes) -> bool:
    """Whether `signature` is `key`'s over `words`."""
    try:
        VerifyKey(key).verify(words, signature)
    except BadSignatureError:
        return False
    return True


def _challenge_words(node_id: UUID, open_part: bytes) -> bytes:
    return b"challenge" + node_id.bytes + open_part
