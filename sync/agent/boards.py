"""Which board this card is in: cards are copied and moved, and two of one are two lineages.

The hash chain finds out in any case, at the first contact. The board's own marks say it
sooner, and let the keeper be told in words. A board that names neither itself nor its card
(a container, most PCs) is never judged by them.
"""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct
from nacl.signing import SigningKey

from appliance.database.agent import AgentDatabase
from sync.agent.keys import IDENTITY_KEY, read_next_key, take_next_key
from sync.agent.recovery import enter_epoch
from sync.agent.store import Identity, identity

logger = logging.getLogger(__name__)

SERIAL: Final = "firmware/devicetree/base/serial-number"

READ_BOARD: Final[LiteralString] = """
SELECT hw_fingerprint
  FROM sync_identity
"""

NOTE_BOARD: Final[LiteralString] = """
UPDATE sync_identity
   SET hw_fingerprint = ?1
"""

NOTE_OTHER_BOARD: Final[LiteralString] = """
UPDATE sync_identity
   SET hw_fingerprint = ?1, board_changed_at_ms = ?2
"""


class KnownBoard(Struct, frozen=True):
    """The board this card was last in."""

    hw_fingerprint: bytes | None


def fingerprint(data_dir: Path, sys: Path = Path("/sys")) -> bytes:
    """Hash the board's serial number and its card's own number; empty when it says neither."""
    marks = (_read(sys / SERIAL), _card_id(data_dir, sys))
    return hashlib.sha256(b"\0".join(marks)).digest() if any(marks) else b""


def _card_id(data_dir: Path, sys: Path) -> bytes:
    """The number burnt into the card that holds the data, by way of its partition."""
    device = data_dir.stat().st_dev
    partition = (sys / "dev/block" / f"{os.major(device)}:{os.minor(device)}").resolve()
    return next(filter(None, (_read(at / "device/cid") for at in partition.parents)), b"")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().strip(b"\0 \n")
    except OSError:
        return b""


def notice_board(
    db: AgentDatabase, found: bytes, new_epoch: Callable[[], UUID], *, now_ms: int
) -> bool:
    """Begin a lineage of its own when the card is in another board; return whether it is."""
    known = db.row(KnownBoard, READ_BOARD)
    if not found or known is None or known.hw_fingerprint == found:
        return False
    with db.changing() as tx:
        if known.hw_fingerprint is None:
            tx.run(NOTE_BOARD, (found,))
            return False
        tx.run(NOTE_OTHER_BOARD, (found, now_ms))
        me = identity(tx)
        if me is not None and me.incarnation is not None:
            enter_epoch(tx, new_epoch(), me.incarnation)
    logger.warning("this card was last in another board; a new epoch was begun")
    return True


def new_node_id(public_key: bytes) -> UUID:
    """An id that is the same at every try, because nothing else of this node is stored yet."""
    return UUID(bytes=hashlib.sha256(b"darasa node\0" + public_key).digest()[:16], version=4)


def settle_identity(keys: Path, me: Identity) -> None:
    """Take the key of the new identity once the database has it: the one follows the other."""
    waiting = read_next_key(keys, IDENTITY_KEY)
    if waiting is not None and new_node_id(_public(waiting)) == me.node_id:
        take_next_key(keys, IDENTITY_KEY)


def _public(key: SigningKey) -> bytes:
    return key.verify_key.encode()
