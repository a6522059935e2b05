"""Drafts, receipts and a pupil's own hand-ins. Marks only where they were given back."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.database.reader import Reader
from appliance.errors import NotFound
from appliance.ids import receipt_code
from appliance.submissions.models import (
    Custody,
    CustodyLevel,
    Draft,
    HandInLine,
    OwnHandIn,
    OwnRevision,
    Receipt,
    ReturnedMark,
)
from appliance.submissions.rules import is_clock_sure, late_ms, place_of

HAND_INS_MAX: Final = 500  # of one pupil: two a day through a school year
REVISIONS_MAX: Final = 200  # of one attempt; more is a phone gone wild, the newest are shown

DRAFT_OF: Final[LiteralString] = """
SELECT revision_id, assessment_id, edit_no, body, saved_at_ms
  FROM submission_draft
 WHERE assessment_id = ?1
   AND person_id = ?2
 ORDER BY saved_at_ms DESC, revision_id DESC
 LIMIT 1
"""

RECEIPT_OF_REVISION: Final[LiteralString] = """
SELECT revision_id, submission_id, person_id, assessment_id, title, attempt_no, rev, content_hash,
       saved_at_ms, due_at_ms, clock_quality, custody_level, contact_at_ms
  FROM receipt
 WHERE revision_id = ?1
"""

RECEIPTS_OF_TASK: Final[LiteralString] = """
SELECT r.revision_id, r.submission_id, r.person_id, r.assessment_id, r.title, r.attempt_no, r.rev,
       r.content_hash, r.saved_at_ms, r.due_at_ms, r.clock_quality, r.custody_level,
       r.contact_at_ms
  FROM submission AS s
  JOIN receipt AS r
    ON r.submission_id = s.id
 WHERE s.assessment_id = ?1
   AND s.person_id = ?2
   AND s.deleted_at_ms IS NULL
 ORDER BY r.attempt_no DESC, r.rev DESC, r.revision_id DESC
 LIMIT ?3
"""

# The newest revision of each submission, found by the index (submission_id, rev).
HAND_INS: Final[LiteralString] = """
SELECT r.revision_id, r.submission_id, r.person_id, r.assessment_id, r.title, r.attempt_no, r.rev,
       r.content_hash, r.saved_at_ms, r.due_at_ms, r.clock_quality, r.custody_level,
       r.contact_at_ms, a.points_max_mp,
       (SELECT g.points_mp
          FROM grade AS g
         WHERE g.submission_id = s.id
           AND g.state = 'released'
         ORDER BY g.seq DESC, g.id DESC
         LIMIT 1) AS returned_points_mp
  FROM submission AS s
  JOIN assessment AS a
    ON a.id = s.assessment_id
  JOIN receipt AS r
    ON r.revision_id = (SELECT v.id
                          FROM submission_revision AS v
                         WHERE v.submission_id = s.id
                         ORDER BY v.rev DESC, v.id DESC
                         LIMIT 1)
 WHERE s.person_id = ?1
   AND s.deleted_at_ms IS NULL
 ORDER BY r.saved_at_ms DESC, r.revision_id DESC
 LIMIT ?2
"""

OWN_SUBMISSION: Final[LiteralString] = """
SELECT s.id AS submission_id, s.assessment_id, a.title, s.attempt_no, a.attempts_max, s.state
  FROM submission AS s
  JOIN assessment AS a
    ON a.id = s.assessment_id
 WHERE s.id = ?1
   AND s.person_id = ?2
   AND s.deleted_at_ms IS NULL
"""

REVISIONS: Final[LiteralString] = """
SELECT r.revision_id, r.submission_id, r.person_id, r.assessment_id, r.title, r.attempt_no, r.rev,
       r.content_hash, r.saved_at_ms, r.due_at_ms, r.clock_quality, r.custody_level,
       r.contact_at_ms, v.body
  FROM receipt AS r
  JOIN submission_revision AS v
    ON v.id = r.revision_id
 WHERE r.submission_id = ?1
 ORDER BY r.rev DESC, r.revision_id DESC
 LIMIT ?2
"""

RETURNED_MARKS: Final[LiteralString] = """
SELECT g.points_mp, a.points_max_mp, g.comment, p.display_name AS by_name,
       g.graded_at_ms AS returned_at_ms
  FROM grade AS g
  JOIN submission AS s
    ON s.id = g.submission_id
  JOIN assessment AS a
    ON a.id = s.assessment_id
  JOIN person AS p
    ON p.id = g.by_person_id
 WHERE g.submission_id = ?1
   AND g.state = 'released'
 ORDER BY g.seq DESC, g.id DESC
"""


class ReceiptRow(Struct, frozen=True):
    """A row of the view `receipt`."""

    revision_id: UUID
    submission_id: UUID
    person_id: UUID
    assessment_id: UUID
    title: str
    attempt_no: int
    rev: int
    content_hash: bytes
    saved_at_ms: int
    due_at_ms: int | None
    clock_quality: int
    custody_level: CustodyLevel
    contact_at_ms: int | None


class HandInRow(ReceiptRow, frozen=True):
    """The newest receipt of a submission and the mark that was given back."""

    points_max_mp: int
    returned_points_mp: int | None


class RevisionRow(ReceiptRow, frozen=True):
    """A receipt and the words it stands for."""

    body: str


class SubmissionRow(Struct, frozen=True):
    """A piece of work of this pupil; `state` is the teacher's business and is not passed on."""

    submission_id: UUID
    assessment_id: UUID
    title: str
    attempt_no: int
    attempts_max: int
    state: str


def receipt_of(row: ReceiptRow) -> Receipt:
    """Say what a row of the view `receipt` proves."""
    is_at_district = row.custody_level != "box" and row.contact_at_ms is not None
    as_of_ms = row.contact_at_ms if is_at_district else row.saved_at_ms
    assert as_of_ms is not None
    return Receipt(
        revision_id=row.revision_id,
        submission_id=row.submission_id,
        assessment_id=row.assessment_id,
        title=row.title,
        attempt_no=row.attempt_no,
        rev=row.rev,
        code=receipt_code(row.revision_id, row.content_hash),
        content_hash=row.content_hash.hex(),
        saved_at_ms=row.saved_at_ms,
        late_ms=late_ms(row.due_at_ms, row.saved_at_ms, row.clock_quality),
        is_clock_sure=is_clock_sure(row.clock_quality),
        custody=Custody(level=row.custody_level, as_of_ms=as_of_ms),
    )


def draft_of(db: Reader, task_id: UUID, person_id: UUID) -> Draft | None:
    """Return what this pupil wrote last and has not handed in."""
    return db.row(Draft, DRAFT_OF, (task_id, person_id))


def receipt_row(db: Reader, revision_id: UUID) -> ReceiptRow | None:
    """Return what is kept under this id, whoever's it is."""
    return db.row(ReceiptRow, RECEIPT_OF_REVISION, (revision_id,))


def own_receipt(db: Reader, revision_id: UUID, person_id: UUID) -> Receipt:
    """Return the receipt of this pupil's own revision, or raise NotFound."""
    row = receipt_row(db, revision_id)
    if row is None or row.person_id != person_id:
        raise NotFound(f"revision {revision_id}")
    return receipt_of(row)


def receipts_of_task(db: Reader, task_id: UUID, person_id: UUID) -> list[Receipt]:
    """Everything this pupil handed in for one task, newest first."""
    rows = db.rows(ReceiptRow, RECEIPTS_OF_TASK, (task_id, person_id, REVISIONS_MAX))
    return [receipt_of(row) for row in rows]


def hand_ins(db: Reader, person_id: UUID) -> list[HandInLine]:
    """Everything this pupil handed in, newest first."""
    rows = db.rows(HandInRow, HAND_INS, (person_id, HAND_INS_MAX))
    return [
        HandInLine(
            submission_id=row.submission_id,
            assessment_id=row.assessment_id,
            title=row.title,
            attempt_no=row.attempt_no,
            points_max_mp=row.points_max_mp,
            returned_points_mp=row.returned_points_mp,
            receipt=receipt_of(row),
        )
        for row in rows
    ]


def revisions(db: Reader, submission_id: UUID) -> list[OwnRevision]:
    """Every word of one submission, newest first."""
    rows = db.rows(RevisionRow, REVISIONS, (submission_id, REVISIONS_MAX))
    return [OwnRevision(row.body, receipt_of(row)) for row in rows]


def own_hand_in(db: Reader, submission_id: UUID, person_id: UUID) -> OwnHandIn:
    """Return this pupil's own work with the marks given back, or raise NotFound."""
    row = db.row(SubmissionRow, OWN_SUBMISSION, (submission_id, person_id))
    if row is None:
        raise NotFound(f"submission {submission_id}")
    return OwnHandIn(
        submission_id=row.submission_id,
        assessment_id=row.assessment_id,
        title=row.title,
        attempt_no=row.attempt_no,
        attempts_max=row.attempts_max,
        may_start_again=place_of(row.attempt_no, row.state, row.attempts_max).is_new_attempt,
        revisions=revisions(db, submission_id),
        marks=db.rows(ReturnedMark, RETURNED_MARKS, (submission_id,)),
    )
