"""Joining a district: what the keeper asked for on the box's page, carried out.

`adopt` keeps the school this box already is; `replace` is for a board without one, which
takes over an existing school and fetches everything first. Both may be repeated: the hub
gives the same node, key and token the same answer.
"""

from collections.abc import Callable
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct
from nacl.signing import SigningKey

from appliance.database.agent import AgentDatabase
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from sync.agent.boards import new_node_id
from sync.agent.faults import HubUntrusted
from sync.agent.recovery import enter_epoch
from sync.agent.sealing import Stamp
from sync.agent.store import Identity, identity, open_streams, streams
from sync.protocol import EnrolAnswer, EnrolRequest

READ_WISH: Final[LiteralString] = """
SELECT hub_url, token, requested_at_ms, is_new_identity
  FROM hub_enrolment
"""

READ_SCHOOL_NAME: Final[LiteralString] = """
SELECT name
  FROM org_unit
 WHERE id = ?1
"""

WRITE_WISH: Final[LiteralString] = """
INSERT INTO hub_enrolment (id, hub_url, token, requested_at_ms)
VALUES (1, ?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE
   SET hub_url         = excluded.hub_url,
       token           = excluded.token,
       requested_at_ms = excluded.requested_at_ms,
       is_new_identity = 0,
       error           = NULL
"""

WRITE_IDENTITY_WISH: Final[LiteralString] = """
INSERT INTO hub_enrolment (id, hub_url, token, requested_at_ms, is_new_identity)
SELECT 1, i.hub_url, ?1, ?2, 1
  FROM sync_identity AS i
 WHERE i.hub_url IS NOT NULL
    ON CONFLICT (id) DO UPDATE
   SET hub_url         = excluded.hub_url,
       token           = excluded.token,
       requested_at_ms = excluded.requested_at_ms,
       is_new_identity = 1,
       error           = NULL
"""

NOTE_WISH_ERROR: Final[LiteralString] = """
UPDATE hub_enrolment
   SET error = ?1
 WHERE error IS NOT ?1
"""

GRANT_WISH: Final[LiteralString] = "DELETE FROM hub_enrolment"

# What another hub signed means nothing to this one.
JOIN: Final[LiteralString] = """
UPDATE sync_identity
   SET hub_id        = ?1,
       hub_key       = ?2,
       hub_url       = ?3,
       incarnation   = ?4,
       receipt       = CASE WHEN hub_id IS ?1 THEN receipt END,
       receipt_no    = CASE WHEN hub_id IS ?1 THEN receipt_no ELSE 0 END,
       contact_error = NULL
"""

# Receipts are about the node they name.
BECOME: Final[LiteralString] = """
UPDATE sync_identity
   SET node_id             = ?1,
       node_state          = 'active',
       board_changed_at_ms = NULL,
       receipt             = NULL,
       receipt_no          = 0
"""

TAKE_OVER: Final[LiteralString] = """
INSERT INTO sync_identity (node_id, school_id, epoch, hub_id, hub_key, hub_url, incarnation)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
"""


class Wish(Struct, frozen=True):
    """What the keeper typed: where the hub is, and the one-time token.

    `is_new_identity`: this board shares its node with another one, and is to have its own.
    """

    hub_url: str
    token: str
    requested_at_ms: int
    is_new_identity: bool = False


def wish(db: Reader) -> Wish | None:
    """Return None when nothing is asked for."""
    return db.row(Wish, READ_WISH)


def request_for(
    db: Reader, asked: Wish, key: SigningKey, stamp: Stamp, hardware: str
) -> EnrolRequest:
    """Say who asks. Without a school this board can only replace a lost one."""
    me = identity(db)
    public = key.verify_key.encode()
    name = None if me is None else db.value(READ_SCHOOL_NAME, (me.school_id,))
    return EnrolRequest(
        token=asked.token,
        mode="replace" if me is None else "adopt",
        node_id=new_node_id(public) if me is None or asked.is_new_identity else me.node_id,
        node_key=public,
        school_id=None if me is None else me.school_id,
        school_name=None if name is None else str(name),
        hardware=hardware,
        app_version=stamp.app_version,
        schema_version=stamp.schema_version,
    )


def join(
    db: AgentDatabase,
    asked: Wish,
    request: EnrolRequest,
    answer: EnrolAnswer,
    new_epoch: Callable[[], UUID],
) -> None:
    """Pin the hub and open the streams, in one transaction."""
    with db.changing() as tx:
        me = identity(tx)
        if me is None:
            take_over(tx, asked, request, answer, new_epoch())
        else:
            if me.node_id != request.node_id:
                tx.run(BECOME, (request.node_id,))
            adopt(tx, me, asked, answer, new_epoch)
        tx.run(GRANT_WISH)


def take_over(
    tx: Transaction, asked: Wish, request: EnrolRequest, answer: EnrolAnswer, epoch: UUID
) -> None:
    """Become the school's box: everything is owed, nothing is sent before it is here."""
    who = (request.node_id, answer.school_id, epoch)
    hub = (answer.hub_id, answer.hub_key, asked.hub_url, answer.incarnation)
    tx.run(TAKE_OVER, (*who, *hub))
    enter_epoch(tx, epoch, answer.incarnation)


def adopt(
    tx: Transaction, me: Identity, asked: Wish, answer: EnrolAnswer, new_epoch: Callable[[], UUID]
) -> None:
    """Join as the school we are. A chain is bound to its hub: at another one it begins anew."""
    if answer.school_id != me.school_id:
        raise HubUntrusted(f"enrol: the hub calls this school {answer.school_id}")
    is_first = not streams(tx, me.epoch)
    tx.run(JOIN, (answer.hub_id, answer.hub_key, asked.hub_url, answer.incarnation))
    if not is_first:
        enter_epoch(tx, new_epoch(), answer.incarnation)
        return
    joined = identity(tx)
    assert joined is not None
    open_streams(tx, joined)
