"""Keeping drafts and taking hand-ins.

The phone makes the id of a revision before its first letter is typed; drafts, the hand-in
and every repetition of it carry the same id. So nothing here asks "have I seen this
request?": what is there under the id is the answer.
"""

from typing import Final, Literal, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.assignments.queries import task_learnt
from appliance.database.transaction import Transaction
from appliance.errors import NotFound
from appliance.submissions.faults import AlreadyHandedIn, RevisionIdTaken
from appliance.submissions.models import Draft, DraftEdit, HandIn, Receipt, Stamp
from appliance.submissions.queries import ReceiptRow, own_receipt, receipt_of, receipt_row
from appliance.submissions.rules import content_hash, kept_text, late_ms, place_of, work_text

OWNS: Final = ("submission", "submission_revision", "submission_draft")

# WHERE: two tabs, or a request overtaken by a later one, may bring an older edit.
PUT_DRAFT: Final[LiteralString] = """
INSERT INTO submission_draft (revision_id, assessment_id, person_id, edit_no, body, saved_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (revision_id) DO UPDATE
   SET edit_no     = excluded.edit_no,
       body        = excluded.body,
       saved_at_ms = excluded.saved_at_ms
 WHERE excluded.edit_no > submission_draft.edit_no
"""

DRAFT_OWNER: Final[LiteralString] = """
SELECT person_id, assessment_id
  FROM submission_draft
 WHERE revision_id = ?1
"""

DRAFT: Final[LiteralString] = """
SELECT revision_id, assessment_id, edit_no, body, saved_at_ms
  FROM submission_draft
 WHERE revision_id = ?1
"""

DROP_DRAFT: Final[LiteralString] = """
DELETE FROM submission_draft
 WHERE revision_id = ?1
"""

# Any enrolment ever: who was moved to another class while the phone was offline still
# hands in what was written before. The teacher sees it, nothing is lost.
TASK_WORKED_ON: Final[LiteralString] = """
SELECT a.due_at_ms, a.attempts_max
  FROM assessment AS a
  JOIN enrolment AS e
    ON e.course_run_id = a.course_run_id
   AND e.person_id = ?2
 WHERE a.id = ?1
"""

LATEST_SUBMISSION: Final[LiteralString] = """
SELECT s.id, s.attempt_no, s.state, s.clock_quality,
       (SELECT max(v.rev)
          FROM submission_revision AS v
         WHERE v.submission_id = s.id) AS rev
  FROM submission AS s
 WHERE s.assessment_id = ?1
   AND s.person_id = ?2
   AND s.deleted_at_ms IS NULL
 ORDER BY s.attempt_no DESC, s.id DESC
 LIMIT 1
"""

OPEN_SUBMISSION: Final[LiteralString] = """
INSERT INTO submission (id, assessment_id, person_id, attempt_no, state, submitted_at_ms, late_ms,
                        clock_quality, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 'submitted', ?5, ?6, ?7, 1, ?5)
"""

# Back on the teacher's desk whatever the state was: a mark for earlier words, also a saved
# one, is not a mark for these. The raised version makes a stale marking page fail.
HAND_IN_AGAIN: Final[LiteralString] = """
UPDATE submission
   SET state           = 'submitted',
       submitted_at_ms = ?2,
       late_ms         = ?3,
       clock_quality   = ?4,
       version         = version + 1,
       updated_at_ms   = ?2
 WHERE id = ?1
"""

# Only from the marking desk (appliance.grading), in the transaction of the mark.
MARK_SUBMISSION: Final[LiteralString] = """
UPDATE submission
   SET state         = ?2,
       version       = version + 1,
       updated_at_ms = ?3
 WHERE id = ?1
"""

ADD_REVISION: Final[LiteralString] = """
INSERT INTO submission_revision (id, submission_id, person_id, rev, body, content_hash, saved_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
"""


class DraftOwner(Struct, frozen=True):
    """Whose draft this is, and for which task."""

    person_id: UUID
    assessment_id: UUID


class TaskTerms(Struct, frozen=True):
    """What a hand-in needs to know of its task."""

    due_at_ms: int | None
    attempts_max: int


class LatestSubmission(Struct, frozen=True):
    """The pupil's latest attempt and its highest revision."""

    id: UUID
    attempt_no: int
    state: str
    clock_quality: int
    rev: int | None


def put_draft(
    tx: Transaction, person_id: UUID, revision_id: UUID, edit: DraftEdit, *, now_ms: int
) -> Draft:
    """Keep what was typed unless a later edit is here already; return what is here.

    Raises NotFound for another pupil's draft and AlreadyHandedIn when it comes too late.
    """
    _refuse_handed_in(tx, person_id, revision_id)
    owner = tx.row(DraftOwner, DRAFT_OWNER, (revision_id,))
    if owner is not None and owner != DraftOwner(person_id, edit.assessment_id):
        raise NotFound(f"draft {revision_id}")
    if owner is None:
        task_learnt(tx, edit.assessment_id, person_id)
    body = kept_text(edit.body)
    tx.run(PUT_DRAFT, (revision_id, edit.assessment_id, person_id, edit.edit_no, body, now_ms))
    draft = tx.row(Draft, DRAFT, (revision_id,))
    assert draft is not None
    return draft


def hand_in(
    tx: Transaction,
    person_id: UUID,
    revision_id: UUID,
    work: HandIn,
    *,
    submission_id: UUID,
    stamp: Stamp,
) -> Receipt:
    """Take work in and return its receipt. The same again returns the same receipt.

    `submission_id` is used if this opens an attempt. Raises RevisionIdTaken when the id was
    handed in with other words, NotFound when it is another pupil's.
    """
    body = work_text(work.body)
    kept = receipt_row(tx, revision_id)
    if kept is not None:
        return _receipt_again(kept, person_id, work.assessment_id, content_hash(body))
    _refuse_strange_draft(tx, person_id, revision_id)
    terms = tx.row(TaskTerms, TASK_WORKED_ON, (work.assessment_id, person_id))
    if terms is None:
        raise NotFound(f"task {work.assessment_id}")
    into, rev = _submission_for(tx, person_id, work.assessment_id, terms, submission_id, stamp)
    digest = content_hash(body)
    tx.run(ADD_REVISION, (revision_id, into, person_id, rev, body, digest, stamp.now_ms))
    tx.run(DROP_DRAFT, (revision_id,))
    return own_receipt(tx, revision_id, person_id)


def mark_submission(
    tx: Transaction, submission_id: UUID, state: Literal["graded", "returned"], *, now_ms: int
) -> None:
    """Note that the work was marked, or given back; whether it may be is the caller's rule."""
    tx.run(MARK_SUBMISSION, (submission_id, state, now_ms))


def _submission_for(
    tx: Transaction,
    person_id: UUID,
    task_id: UUID,
    terms: TaskTerms,
    submission_id: UUID,
    stamp: Stamp,
) -> tuple[UUID, int]:
    """Open an attempt or reopen the latest; return it and the number of the new revision."""
    latest = tx.row(LatestSubmission, LATEST_SUBMISSION, (task_id, person_id))
    place = place_of(
        latest.attempt_no if latest else 0, latest.state if latest else None, terms.attempts_max
    )
    now_ms, quality = stamp.now_ms, stamp.clock_quality
    if latest is None or place.is_new_attempt:
        late = late_ms(terms.due_at_ms, now_ms, quality)
        opened = (submission_id, task_id, person_id, place.attempt_no, now_ms, late, quality)
        tx.run(OPEN_SUBMISSION, opened)
        return submission_id, 1
    # As sure as its least sure revision, so that no receipt calls one of them late wrongly.
    quality = min(quality, latest.clock_quality)
    late = late_ms(terms.due_at_ms, now_ms, quality)
    tx.run(HAND_IN_AGAIN, (latest.id, now_ms, late, quality))
    return latest.id, (latest.rev or 0) + 1


def _receipt_again(kept: ReceiptRow, person_id: UUID, task_id: UUID, digest: bytes) -> Receipt:
    if kept.person_id != person_id:
        raise NotFound(f"revision {kept.revision_id}")
    if (kept.assessment_id, kept.content_hash) != (task_id, digest):
        raise RevisionIdTaken(kept.revision_id)
    return receipt_of(kept)


def _refuse_strange_draft(tx: Transaction, person_id: UUID, revision_id: UUID) -> None:
    owner = tx.row(DraftOwner, DRAFT_OWNER, (revision_id,))
    if owner is not None and owner.person_id != person_id:
        raise NotFound(f"revision {revision_id}")


def _refuse_handed_in(tx: Transaction, person_id: UUID, revision_id: UUID) -> None:
    kept = receipt_row(tx, revision_id)
    if kept is None:
        return
    if kept.person_id != person_id:
        raise NotFound(f"draft {revision_id}")
    raise AlreadyHandedIn(revision_id)
