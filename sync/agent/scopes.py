"""The box's books of the way down.

How far each scope is read, what a new reading has brought, and rows that have no place yet.
"""

from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from sync.protocol import ScopeCursor

READ_SCOPES: Final[LiteralString] = """
SELECT scope_id, incarnation, system_identifier, timeline, xid, feed_no
  FROM sync_scope
 ORDER BY scope_id
"""

IS_REPLACING: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM sync_scope WHERE replacing = 1)
"""

LEAVE_SCOPES: Final[LiteralString] = "DELETE FROM sync_scope"
FORGET_SEEN: Final[LiteralString] = "DELETE FROM sync_seen"
FORGET_PARKED: Final[LiteralString] = "DELETE FROM sync_parked"

BEGIN_SCOPE: Final[LiteralString] = """
INSERT INTO sync_scope (scope_id, incarnation, replacing)
VALUES (?1, ?2, 1)
"""

MOVE_SCOPE: Final[LiteralString] = """
UPDATE sync_scope
   SET system_identifier = ?2,
       timeline          = ?3,
       xid               = ?4,
       feed_no           = ?5,
       read_at_ms        = ?6
 WHERE scope_id = ?1
"""

END_REPLACING: Final[LiteralString] = """
UPDATE sync_scope
   SET replacing = 0
 WHERE replacing = 1
"""

NOTE_SEEN: Final[LiteralString] = """
INSERT INTO sync_seen (scope_id, tbl, pk)
VALUES (?1, ?2, ?3)
    ON CONFLICT (scope_id, tbl, pk) DO NOTHING
"""

UNSEE: Final[LiteralString] = "DELETE FROM sync_seen WHERE tbl = ?1 AND pk = ?2"

PARK: Final[LiteralString] = """
INSERT INTO sync_parked (scope_id, tbl, pk, image, came_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (scope_id, tbl, pk) DO UPDATE
   SET image      = excluded.image,
       came_at_ms = excluded.came_at_ms
"""

UNPARK: Final[LiteralString] = "DELETE FROM sync_parked WHERE tbl = ?1 AND pk = ?2"

NEXT_PARKED: Final[LiteralString] = """
SELECT scope_id, tbl, pk, image
  FROM sync_parked
 WHERE (scope_id, tbl, pk) > (?1, ?2, ?3)
 ORDER BY scope_id, tbl, pk
 LIMIT ?4
"""


class Parked(Struct, frozen=True):
    """A row as it came, for which this release has no place, or not a whole one."""

    scope_id: UUID
    tbl: str
    pk: bytes
    image: bytes


class Scope(Struct, frozen=True):
    """A row of READ_SCOPES."""

    scope_id: UUID
    incarnation: UUID | None
    system_identifier: str
    timeline: int
    xid: int
    feed_no: int


def cursors(db: Reader) -> list[ScopeCursor]:
    """How far each scope is read; none before the first hello of a hub that writes."""
    return [
        ScopeCursor(
            scope_id=at.scope_id,
            incarnation=at.incarnation,
            system=at.system_identifier,
            timeline=at.timeline,
            xid=at.xid,
            no=at.feed_no,
        )
        for at in db.rows(Scope, READ_SCOPES)
    ]


def is_replacing(db: Reader) -> bool:
    """Whether the scopes are being read from the beginning."""
    return bool(db.value(IS_REPLACING))


def begin_anew(tx: Transaction, scopes: Sequence[UUID], incarnation: UUID) -> None:
    """Put every scope to its beginning under this incarnation of the hub.

    All of them together: a table of the box does not know which scope brought a row, so
    what none of the new readings brings is what is gone.
    """
    tx.run(LEAVE_SCOPES)
    tx.run(FORGET_SEEN)
    tx.run(FORGET_PARKED)
    tx.run_many(BEGIN_SCOPE, ((scope_id, incarnation) for scope_id in scopes))


def move(tx: Transaction, to: ScopeCursor, *, now_ms: int) -> None:
    """Note where a scope is read to, in the transaction that brought the rows."""
    tx.run(MOVE_SCOPE, (to.scope_id, to.system, to.timeline, to.xid, to.no, now_ms))


def end_replacing(tx: Transaction) -> None:
    """Everything that came is noted, everything else removed."""
    tx.run(END_REPLACING)
    tx.run(FORGET_SEEN)
