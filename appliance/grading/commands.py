"""Marking and giving back.

A mark is a fact: saving again adds the next one, returning adds the same points and words
as `released`. The submission's version says what the teacher was looking at, so neither a
second teacher nor a second hand-in is ever overwritten unseen.
"""

from typing import Final, LiteralString
from uuid import UUID

from appliance.database.transaction import Transaction
from appliance.grading.faults import GradeIdTaken, MarkedMeanwhile, NoMarkYet, TooManyPoints
from appliance.grading.models import Grade, Graded, NewGrade, Return
from appliance.grading.queries import WorkRow, grade, grades_of, work_row
from appliance.submissions.commands import mark_submission

OWNS: Final = ("grade",)

ADD_GRADE: Final[LiteralString] = """
INSERT INTO grade (id, submission_id, person_id, seq, points_mp, comment, state, by_person_id,
                   graded_at_ms)
SELECT ?1, s.id, s.person_id,
       (SELECT coalesce(max(g.seq), 0) + 1
          FROM grade AS g
         WHERE g.submission_id = s.id),
       ?3, ?4, ?5, ?6, ?7
  FROM submission AS s
 WHERE s.id = ?2
"""


def save_grade(
    tx: Transaction, teacher_id: UUID, submission_id: UUID, new: NewGrade, *, now_ms: int
) -> Graded:
    """Save a mark the pupil does not see yet. The same again changes nothing.

    Raises MarkedMeanwhile when the submission is not the version the teacher looked at,
    GradeIdTaken, TooManyPoints, and NotFound for whoever does not teach the class.
    """
    row = work_row(tx, submission_id, teacher_id)
    kept = grade(tx, new.id)
    if kept is not None:
        wanted = (submission_id, new.points_mp, new.comment, "provisional", teacher_id)
        return _graded_again(tx, kept, wanted, teacher_id)
    if new.points_mp > row.points_max_mp:
        raise TooManyPoints(new.points_mp, points_max_mp=row.points_max_mp)
    _refuse_stale(tx, row, new.version)
    added = (new.id, submission_id, new.points_mp, new.comment, "provisional", teacher_id, now_ms)
    tx.run(ADD_GRADE, added)
    mark_submission(tx, submission_id, "graded", now_ms=now_ms)
    return _graded(tx, new.id, teacher_id)


def return_work(
    tx: Transaction, teacher_id: UUID, submission_id: UUID, wish: Return, *, now_ms: int
) -> Graded:
    """Give the saved mark to the pupil. The same again changes nothing.

    Raises NoMarkYet unless the words on the desk have a saved mark; else as save_grade.
    """
    row = work_row(tx, submission_id, teacher_id)
    kept = grade(tx, wish.id)
    if kept is not None:
        if (kept.submission_id, kept.state) != (submission_id, "released"):
            raise GradeIdTaken(wish.id)
        return _graded(tx, wish.id, teacher_id)
    _refuse_stale(tx, row, wish.version)
    if row.state != "graded":
        raise NoMarkYet(f"submission {submission_id} is {row.state}")
    saved = grades_of(tx, submission_id)[0]
    released = (wish.id, submission_id, saved.points_mp, saved.comment, "released", teacher_id)
    tx.run(ADD_GRADE, (*released, now_ms))
    mark_submission(tx, submission_id, "returned", now_ms=now_ms)
    return _graded(tx, wish.id, teacher_id)


def _graded_again(
    tx: Transaction,
    kept: Grade,
    wanted: tuple[UUID, int, str, str, UUID],
    teacher_id: UUID,
) -> Graded:
    there = (kept.submission_id, kept.points_mp, kept.comment, kept.state, kept.by_person_id)
    if there != wanted:
        raise GradeIdTaken(kept.id)
    return _graded(tx, kept.id, teacher_id)


def _graded(tx: Transaction, grade_id: UUID, teacher_id: UUID) -> Graded:
    kept = grade(tx, grade_id)
    assert kept is not None
    row = work_row(tx, kept.submission_id, teacher_id)
    return Graded(grade=kept, state=row.state, version=row.version)


def _refuse_stale(tx: Transaction, row: WorkRow, version: int) -> None:
    """Say what is there now, so that the teacher can decide."""
    if row.version == version:
        return
    now = {"version": str(row.version), "state": row.state}
    for latest in grades_of(tx, row.submission_id)[:1]:
        now |= {"points_mp": str(latest.points_mp), "comment": latest.comment}
        now |= {"by_name": latest.by_name}
    raise MarkedMeanwhile(row.submission_id, now=now)
