"""People the district has asked this school to forget.

Looked at in every conversation, after the school's work was sent and the list was fetched.
Files and rows go first, then what was sealed and has arrived; when no deleted byte is left in
the database, and no file beside it that nobody names, the box says so. Whatever is still on its
way to the district is waited for, and an older backup that brings somebody back begins it again.
What is remembered between two conversations is in the database: the list, the answers, and whom
this very file has forgotten.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, LiteralString, cast
from uuid import UUID

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.erasures.commands import forget_some
from appliance.erasures.listing import add_to_list
from sync.agent.blobs import orphans
from sync.agent.store import Identity, streams
from sync.protocol import LANES
from sync.registry import TABLES

PAYLOADS_AT_ONCE: Final = 4  # of 128 KB, zeroed: 10 ms on the board

# Also somebody who was forgotten before, and whom a backup has brought back.
TO_FORGET: Final[LiteralString] = """
SELECT e.id
  FROM erasure AS e
  LEFT JOIN sync_forgotten AS f
    ON f.epoch     = ?1
   AND f.person_id = e.id
  LEFT JOIN person AS p
    ON p.id     = e.id
   AND p.state <> 'erased'
 WHERE f.person_id IS NULL
    OR p.id IS NOT NULL
 ORDER BY e.id
"""

NOTE_FORGOTTEN: Final[LiteralString] = """
INSERT INTO sync_forgotten (epoch, person_id)
VALUES (?1, ?2)
    ON CONFLICT (epoch, person_id) DO NOTHING
"""

# Of earlier epochs everything may go: their rows were marked and sealed again.
SOME_PAYLOADS: Final[LiteralString] = """
SELECT rowid
  FROM sync_segment
 WHERE lane = ?1
   AND (epoch <> ?2 OR n <= ?3)
 LIMIT ?4
"""
DROP_PAYLOAD: Final[LiteralString] = "DELETE FROM sync_segment WHERE rowid = ?1"

NOTE_TRIMMED: Final[LiteralString] = """
UPDATE sync_stream
   SET trimmed_n = ?3
 WHERE lane = ?1 AND epoch = ?2 AND trimmed_n < ?3 AND ?3 <= applied_n
"""

ARE_PAYLOADS_LEFT: Final[LiteralString] = """
SELECT EXISTS (SELECT 1 FROM sync_segment WHERE lane = ?1)
"""

ANSWER: Final[LiteralString] = """
INSERT INTO erasure_answer (id, erasure_id, node_id, rows_erased, at_ms)
VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (id) DO NOTHING
"""


def erase_people(
    db: AgentDatabase, me: Identity, listed: Path, *, files: Path, now_ms: int
) -> Iterator[int]:
    """Forget whoever is to be forgotten; each step is one short transaction."""
    people = to_forget(db, me)
    if not people:
        return
    removed = dict.fromkeys(people, 0)
    with db.overwriting():
        for person_id in people:
            add_to_list(listed, person_id)
            for rows in _forget(db, person_id, files, now_ms):
                removed[person_id] += rows
                yield rows
        if me.recovery_due or me.remark_tbl is not None:
            return  # sealed once more first
        yield from _drop_payloads(db, me)
    if not are_traces_sealed(db) and not orphans(db, files) and db.scrub():
        yield _answer(db, me, removed, now_ms=now_ms)


def are_traces_sealed(db: AgentDatabase) -> bool:
    """Whether a payload that may hold somebody has not reached the district yet."""
    lanes = {table.lane for table in TABLES if table.subject is not None}
    return any(db.value(ARE_PAYLOADS_LEFT, (lane,)) for lane in sorted(lanes))


class Listed(Struct, frozen=True):
    """Somebody on the district's list."""

    id: UUID


def to_forget(db: AgentDatabase, me: Identity) -> list[UUID]:
    """Whom this lineage of the log has not forgotten, or has again.

    A copy of this card, and what was on it before a restore, have answered for themselves: the
    recovery pull brings their answers, also of a lineage that this board alone goes on with, and
    may bring a teacher's row that has lost its name, while marks, secrets and images of theirs
    still lie here.
    """
    return [each.id for each in db.rows(Listed, TO_FORGET, (me.epoch,))]


def answer_id(me: Identity, person_id: UUID) -> UUID:
    """One answer for one lineage of a box's log and person, however often it is given."""
    lineage = me.node_id.bytes + me.epoch.bytes
    named = hashlib.sha256(b"darasa erased\0" + lineage + person_id.bytes).digest()
    return UUID(bytes=named[:16], version=5)


def _forget(db: AgentDatabase, person_id: UUID, files: Path, now_ms: int) -> Iterator[int]:
    while True:
        with db.changing() as tx:
            rows = forget_some(tx, person_id, files=files, now_ms=now_ms)
        if not rows:
            return
        yield rows


def _drop_payloads(db: AgentDatabase, me: Identity) -> Iterator[int]:
    """Sealed rows that have arrived: the chain keeps their hashes, nobody needs the bytes."""
    applied = {stream.lane: stream.applied_n for stream in streams(db, me.epoch)}
    for lane in LANES:
        args = (lane, me.epoch, applied.get(lane, 0), PAYLOADS_AT_ONCE)
        while found := db.tuples(SOME_PAYLOADS, args):
            with db.changing() as tx:
                tx.run(NOTE_TRIMMED, args[:3])
                tx.run_many(DROP_PAYLOAD, cast(list[tuple[int]], found))
            yield 0


def _answer(db: AgentDatabase, me: Identity, removed: dict[UUID, int], *, now_ms: int) -> int:
    with db.changing() as tx:
        for person_id, rows in removed.items():
            names = (answer_id(me, person_id), person_id, me.node_id)
            tx.run(ANSWER, (*names, rows, now_ms))
            tx.run(NOTE_FORGOTTEN, (me.epoch, person_id))
    return 0
