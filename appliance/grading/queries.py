"""The teacher's view of a task: one statement for the whole class, and one piece of work."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.accounts.names import name_key
from appliance.assignments.queries import run_taught, task_taught
from appliance.database.reader import Reader
from appliance.errors import NotFound
from appliance.grading.models import Board, BoardLine, Grade, Work
from appliance.grading.rules import BOARD_ORDER, ON_THE_DESK, standing
from appliance.submissions.queries import revisions
from appliance.submissions.rules import is_clock_sure, late_ms

BOARD_LINES_MAX: Final = 500  # the largest class we heard of has 150
GRADES_MAX: Final = 200  # of one submission

# All pupils of the class now and everybody who handed in, with the latest attempt and the
# latest mark of each: probes of (assessment, person, attempt) and (submission, seq).
BOARD: Final[LiteralString] = """
WITH pupil (person_id) AS (
     SELECT e.person_id
       FROM enrolment AS e
       JOIN course_run AS r
         ON r.id = e.course_run_id
       JOIN class_member AS k
         ON k.class_group_id = r.class_group_id
        AND k.person_id = e.person_id
        AND k.deleted_at_ms IS NULL
      WHERE e.course_run_id = ?2
        AND e.state IN ('active', 'completed')
        AND e.deleted_at_ms IS NULL
      UNION
     SELECT s.person_id
       FROM submission AS s
      WHERE s.assessment_id = ?1
        AND s.deleted_at_ms IS NULL
)
SELECT p.id AS person_id, p.display_name, s.id AS submission_id, s.attempt_no, s.state,
       s.submitted_at_ms, s.clock_quality,
       (SELECT count(*)
          FROM submission_revision AS v
         WHERE v.submission_id = s.id) AS revisions,
       (SELECT g.points_mp
          FROM grade AS g
         WHERE g.submission_id = s.id
         ORDER BY g.seq DESC, g.id DESC
         LIMIT 1) AS points_mp,
       EXISTS (SELECT 1
                 FROM submission_draft AS d
                WHERE d.assessment_id = ?1
                  AND d.person_id = p.id) AS has_draft
  FROM pupil
  JOIN person AS p
    ON p.id = pupil.person_id
  LEFT JOIN submission AS s
    ON s.id = (SELECT latest.id
                 FROM submission AS latest
                WHERE latest.assessment_id = ?1
                  AND latest.person_id = p.id
                  AND latest.deleted_at_ms IS NULL
                ORDER BY latest.attempt_no DESC, latest.id DESC
                LIMIT 1)
 ORDER BY p.display_name, p.id
 LIMIT ?3
"""

WORK_TAUGHT: Final[LiteralString] = """
SELECT s.id AS submission_id, s.assessment_id, s.person_id, p.display_name, a.title,
       a.instructions, c.name AS class_name, a.points_max_mp, s.attempt_no, s.state, s.version
  FROM submission AS s
  JOIN assessment AS a
    ON a.id = s.assessment_id
  JOIN course_run AS r
    ON r.id = a.course_run_id
  JOIN class_group AS c
    ON c.id = r.class_group_id
  JOIN class_teacher AS t
    ON t.class_group_id = r.class_group_id
   AND t.person_id = ?2
  JOIN person AS p
    ON p.id = s.person_id
 WHERE s.id = ?1
   AND s.deleted_at_ms IS NULL
"""

GRADES: Final[LiteralString] = """
SELECT g.id, g.submission_id, g.seq, g.points_mp, g.comment, g.state, g.by_person_id,
       p.display_name AS by_name, g.graded_at_ms
  FROM grade AS g
  JOIN person AS p
    ON p.id = g.by_person_id
 WHERE g.submission_id = ?1
 ORDER BY g.seq DESC, g.id DESC
 LIMIT ?2
"""

GRADE: Final[LiteralString] = """
SELECT g.id, g.submission_id, g.seq, g.points_mp, g.comment, g.state, g.by_person_id,
       p.display_name AS by_name, g.graded_at_ms
  FROM grade AS g
  JOIN person AS p
    ON p.id = g.by_person_id
 WHERE g.id = ?1
"""


class BoardRow(Struct, frozen=True):
    """One pupil as the statement gives them."""

    person_id: UUID
    display_name: str
    submission_id: UUID | None
    attempt_no: int | None
    state: str | None
    submitted_at_ms: int | None
    clock_quality: int | None
    revisions: int
    points_mp: int | None
    has_draft: bool


class WorkRow(Struct, frozen=True):
    """A submission with its task, pupil and class."""

    submission_id: UUID
    assessment_id: UUID
    person_id: UUID
    display_name: str
    title: str
    instructions: str
    class_name: str
    points_max_mp: int
    attempt_no: int
    state: str
    version: int


def board(db: Reader, task_id: UUID, teacher_id: UUID) -> Board:
    """Return the collect board of a task of this teacher's class, or raise NotFound."""
    task = task_taught(db, task_id, teacher_id)
    run = run_taught(db, task.course_run_id, teacher_id)
    rows = db.rows(BoardRow, BOARD, (task_id, task.course_run_id, BOARD_LINES_MAX))
    lines = [
        _line(row, task.due_at_ms)
        for row in sorted(rows, key=lambda row: name_key(row.display_name))
    ]
    return Board(
        assessment_id=task.id,
        title=task.title,
        class_name=run.class_name,
        course_run_id=run.course_run_id,
        due_at_ms=task.due_at_ms,
        points_max_mp=task.points_max_mp,
        pupils=len(lines),
        handed_in=sum(line.submission_id is not None for line in lines),
        lines=lines,
    )


def work_row(db: Reader, submission_id: UUID, teacher_id: UUID) -> WorkRow:
    """Return a submission of a class this person teaches, or raise NotFound."""
    row = db.row(WorkRow, WORK_TAUGHT, (submission_id, teacher_id))
    if row is None:
        raise NotFound(f"submission {submission_id}")
    return row


def work(db: Reader, submission_id: UUID, teacher_id: UUID) -> Work:
    """Return one submission with every revision and every mark, or raise NotFound."""
    row = work_row(db, submission_id, teacher_id)
    grades = grades_of(db, submission_id)
    return Work(
        submission_id=row.submission_id,
        assessment_id=row.assessment_id,
        person_id=row.person_id,
        display_name=row.display_name,
        title=row.title,
        instructions=row.instructions,
        class_name=row.class_name,
        points_max_mp=row.points_max_mp,
        attempt_no=row.attempt_no,
        state=row.state,
        version=row.version,
        came_after_mark=row.state == "submitted" and bool(grades),
        revisions=revisions(db, submission_id),
        grades=grades,
    )


def grades_of(db: Reader, submission_id: UUID) -> list[Grade]:
    """Every act of marking, latest first; for teachers only."""
    return db.rows(Grade, GRADES, (submission_id, GRADES_MAX))


def grade(db: Reader, grade_id: UUID) -> Grade | None:
    """Return the mark kept under this id."""
    return db.row(Grade, GRADE, (grade_id,))


def next_on_the_desk(board: Board, submission_id: UUID) -> BoardLine | None:
    """Return the pupil whose work to open after this one: the next to mark, else from the top."""
    waiting = [line for line in board.lines if line.standing in ON_THE_DESK]
    ids = [line.submission_id for line in board.lines]
    here = ids.index(submission_id) if submission_id in ids else -1
    later = [line for line in waiting if ids.index(line.submission_id) > here]
    others = [line for line in (later or waiting) if line.submission_id != submission_id]
    return others[0] if others else None


def by_need(board: Board) -> dict[str, list[BoardLine]]:
    """Group the board by what the teacher should look at first."""
    return {kind: [line for line in board.lines if line.standing == kind] for kind in BOARD_ORDER}


def _line(row: BoardRow, due_at_ms: int | None) -> BoardLine:
    quality = row.clock_quality if row.clock_quality is not None else 0
    at_ms = row.submitted_at_ms
    return BoardLine(
        person_id=row.person_id,
        display_name=row.display_name,
        standing=standing(row.state, has_mark=row.points_mp is not None, has_draft=row.has_draft),
        submission_id=row.submission_id,
        attempt_no=row.attempt_no,
        revisions=row.revisions,
        submitted_at_ms=at_ms,
        late_ms=late_ms(due_at_ms, at_ms, quality) if at_ms is not None else 0,
        is_clock_sure=is_clock_sure(quality),
        points_mp=row.points_mp,
    )
