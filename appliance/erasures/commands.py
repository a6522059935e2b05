"""Forgetting a person: every row that is about them, children before parents.

The agent asks for it when the district's list has grown; the box asks itself, before it
serves, when a backup has brought somebody back. A few rows in each transaction, so that a
lesson does not notice, and safe to cut off and begin again: the person's own row goes last.

A file goes before the row that names it, so that its row is there while it is.
Nothing of it is captured: what the district has of this person it purges by the same list.
"""

from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.attachments.keeping import remove_files
from appliance.database.transaction import Transaction

OWNS: Final[frozenset[str]] = frozenset()  # whatever it deletes belongs to another feature
ROWS_AT_ONCE: Final = 25  # with zeroing what they held, a transaction of 5 ms on the board

# By the registry's number, children first; a test holds both against it.
FIND: Final[dict[int, LiteralString]] = {
    26: "SELECT id FROM attachment WHERE person_id = ?1 LIMIT ?2",
    22: "SELECT id FROM proposal WHERE person_id = ?1 LIMIT ?2",
    21: "SELECT id FROM command_result WHERE person_id = ?1 LIMIT ?2",
    20: "SELECT id FROM command WHERE person_id = ?1 LIMIT ?2",
    17: "SELECT id FROM grade WHERE person_id = ?1 LIMIT ?2",
    16: "SELECT id FROM submission_revision WHERE person_id = ?1 LIMIT ?2",
    15: "SELECT id FROM submission WHERE person_id = ?1 LIMIT ?2",
    13: "SELECT id FROM progress_fact WHERE person_id = ?1 LIMIT ?2",
    12: "SELECT id FROM enrolment WHERE person_id = ?1 LIMIT ?2",
    5: "SELECT id FROM class_member WHERE person_id = ?1 LIMIT ?2",
    3: "SELECT id FROM role_assignment WHERE person_id = ?1 LIMIT ?2",
}

REMOVE: Final[dict[int, LiteralString]] = {
    26: "DELETE FROM attachment WHERE id = ?1",
    22: "DELETE FROM proposal WHERE id = ?1",
    21: "DELETE FROM command_result WHERE id = ?1",
    20: "DELETE FROM command WHERE id = ?1",
    17: "DELETE FROM grade WHERE id = ?1",
    16: "DELETE FROM submission_revision WHERE id = ?1",
    15: "DELETE FROM submission WHERE id = ?1",
    13: "DELETE FROM progress_fact WHERE id = ?1",
    12: "DELETE FROM enrolment WHERE id = ?1",
    5: "DELETE FROM class_member WHERE id = ?1",
    3: "DELETE FROM role_assignment WHERE id = ?1",
}

REMOVE_PROGRESS: Final[LiteralString] = """
DELETE FROM section_progress
 WHERE enrolment_id IN (SELECT e.id FROM enrolment AS e WHERE e.person_id = ?1)
"""

# What the change log notes of a row that is gone.
UNMARK: Final[LiteralString] = "DELETE FROM sync_dirty WHERE tbl = ?1 AND pk = ?2"
UNTRACK: Final[LiteralString] = "DELETE FROM sync_custody WHERE tbl = ?1 AND pk = ?2"
UNEXCEPT: Final[LiteralString] = "DELETE FROM sync_exception WHERE tbl = ?1 AND pk = ?2"
REMOVE_LOSERS: Final[LiteralString] = "DELETE FROM sync_conflict WHERE tbl = ?1 AND pk = ?2"
REMOVE_LOOKS: Final[LiteralString] = "DELETE FROM conflict_look WHERE tbl = ?1 AND pk = ?2"

# Also of a file that others have handed in: the district may have let go of it with this person,
# before the others' rows came, and is asked again.
FORGET_FILE: Final[LiteralString] = """
DELETE FROM sync_blob
 WHERE sha256 = (SELECT a.sha256 FROM attachment AS a WHERE a.id = ?1)
"""

# An image (msgpack, column to value) says whom it is about. A parked row is of a table
# nobody here knows; naming this person is enough.
REMOVE_IMAGES: Final[LiteralString] = "DELETE FROM sync_conflict WHERE instr(image, ?1) > 0"
REMOVE_REPLACED: Final[LiteralString] = "DELETE FROM conflict_look WHERE instr(replaced, ?1) > 0"
REMOVE_PARKED: Final[LiteralString] = """
DELETE FROM sync_parked
 WHERE pk = ?1 OR instr(image, ?1) > 0
"""

SIGN_OUT: Final[LiteralString] = "DELETE FROM session WHERE person_id = ?1"
REMOVE_SECRETS: Final[LiteralString] = "DELETE FROM credential WHERE person_id = ?1"
REMOVE_DRAFTS: Final[LiteralString] = "DELETE FROM submission_draft WHERE person_id = ?1"

# A mark is its pupil's and names who gave it: then a row without a name stays in the place.
BLANK_PERSON: Final[LiteralString] = """
UPDATE person
   SET display_name  = '-',
       given_name    = NULL,
       family_name   = NULL,
       grade_level   = NULL,
       student_no    = NULL,
       source_id     = NULL,
       state         = 'erased',
       version       = version + 1,
       updated_at_ms = ?2
 WHERE id     = ?1
   AND state <> 'erased'
   AND EXISTS (SELECT 1 FROM grade AS g WHERE g.by_person_id = ?1)
"""

REMOVE_PERSON: Final[LiteralString] = "DELETE FROM person WHERE id = ?1 AND state <> 'erased'"

BEGIN_APPLYING: Final[LiteralString] = "UPDATE sync_identity SET applying = 1"
END_APPLYING: Final[LiteralString] = "UPDATE sync_identity SET applying = 0"

PERSON: Final = 2
ENROLMENT: Final = 12
ATTACHMENT: Final = 26
SUBJECT: Final = b"\xa9person_id\xc4\x10"  # as msgpack begins it; 16 bytes of id follow


class Key(Struct, frozen=True):
    """A row that goes."""

    id: bytes


def forget_some(tx: Transaction, person_id: UUID, *, files: Path, now_ms: int) -> int:
    """Remove the next few rows about a person; return how many, 0 when nothing is left."""
    tx.run(BEGIN_APPLYING)
    removed = _remove_rows(tx, person_id, files) or _remove_person(tx, person_id, now_ms=now_ms)
    tx.run(END_APPLYING)
    return removed


def _remove_rows(tx: Transaction, person_id: UUID, files: Path) -> int:
    for number in sorted(FIND, reverse=True):  # the registry has parents before children
        found = tx.rows(Key, FIND[number], (person_id, ROWS_AT_ONCE))
        if not found:
            continue
        if number == ENROLMENT:
            tx.run(REMOVE_PROGRESS, (person_id,))
        if number == ATTACHMENT:
            remove_files(tx, files, [key.id for key in found])
            tx.run_many(FORGET_FILE, ((key.id,) for key in found))
        for key in found:
            _remove_log(tx, number, key.id)
            tx.run(REMOVE[number], (key.id,))
        return len(found)
    return 0


def _remove_log(tx: Transaction, number: int, pk: bytes) -> None:
    where = (number, pk)
    tx.run(UNMARK, where)
    tx.run(UNTRACK, where)
    tx.run(UNEXCEPT, where)
    tx.run(REMOVE_LOSERS, where)
    tx.run(REMOVE_LOOKS, where)


def _remove_person(tx: Transaction, person_id: UUID, *, now_ms: int) -> int:
    tx.run(SIGN_OUT, (person_id,))
    tx.run(REMOVE_SECRETS, (person_id,))
    tx.run(REMOVE_DRAFTS, (person_id,))
    tx.run(REMOVE_IMAGES, (SUBJECT + person_id.bytes,))
    tx.run(REMOVE_REPLACED, (SUBJECT + person_id.bytes,))
    tx.run(REMOVE_PARKED, (person_id,))
    removed = tx.run(BLANK_PERSON, (person_id, now_ms)) + tx.run(REMOVE_PERSON, (person_id,))
    # Also where the hub's row without a name has come first: the name may lie beside it.
    _remove_log(tx, PERSON, person_id.bytes)
    return removed
