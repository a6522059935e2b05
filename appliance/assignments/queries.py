"""Tasks as the teacher of the class and its pupils see them; to anybody else there are none."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.access.models import Actor
from appliance.assignments.models import Task, TaskRun
from appliance.database.reader import Reader
from appliance.errors import NotFound

TASKS_MAX: Final = 200  # of one run or one pupil: a task for every school day of a year

RUN_TAUGHT: Final[LiteralString] = """
SELECT r.id AS course_run_id, r.class_group_id, g.name AS class_name, c.title AS course_title
  FROM course_run AS r
  JOIN class_teacher AS t
    ON t.class_group_id = r.class_group_id
   AND t.person_id = ?2
  JOIN class_group AS g
    ON g.id = r.class_group_id
  JOIN course_version AS v
    ON v.id = r.course_version_id
  JOIN course AS c
    ON c.id = v.course_id
 WHERE r.id = ?1
   AND r.deleted_at_ms IS NULL
"""

TASK_TAUGHT: Final[LiteralString] = """
SELECT a.id, a.course_run_id, a.title, a.instructions, a.due_at_ms, a.points_max_mp,
       a.attempts_max, a.version
  FROM assessment AS a
  JOIN course_run AS r
    ON r.id = a.course_run_id
  JOIN class_teacher AS t
    ON t.class_group_id = r.class_group_id
   AND t.person_id = ?2
 WHERE a.id = ?1
   AND a.deleted_at_ms IS NULL
"""

TASK_LEARNT: Final[LiteralString] = """
SELECT a.id, a.course_run_id, a.title, a.instructions, a.due_at_ms, a.points_max_mp,
       a.attempts_max, a.version
  FROM assessment AS a
  JOIN enrolment AS e
    ON e.course_run_id = a.course_run_id
   AND e.person_id = ?2
   AND e.state IN ('active', 'completed')
   AND e.deleted_at_ms IS NULL
  JOIN course_run AS r
    ON r.id = a.course_run_id
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
 WHERE a.id = ?1
   AND a.deleted_at_ms IS NULL
"""

ONE_TASK: Final[LiteralString] = """
SELECT id, course_run_id, title, instructions, due_at_ms, points_max_mp, attempts_max, version
  FROM assessment
 WHERE id = ?1
   AND deleted_at_ms IS NULL
"""

TASKS_OF_RUN: Final[LiteralString] = """
SELECT id, course_run_id, title, instructions, due_at_ms, points_max_mp, attempts_max, version
  FROM assessment
 WHERE course_run_id = ?1
   AND deleted_at_ms IS NULL
 ORDER BY due_at_ms IS NULL, due_at_ms, id
 LIMIT ?2
"""


def run_taught(db: Reader, run_id: UUID, person_id: UUID) -> TaskRun:
    """Return a run of a class this person teaches, or raise NotFound."""
    run = db.row(TaskRun, RUN_TAUGHT, (run_id, person_id))
    if run is None:
        raise NotFound(f"course run {run_id}")
    return run


def task_of_school(db: Reader, task_id: UUID) -> Task:
    """Return any task of the school, for who may see all of them. Raises NotFound."""
    task = db.row(Task, ONE_TASK, (task_id,))
    if task is None:
        raise NotFound(f"task {task_id}")
    return task


def task_taught(db: Reader, task_id: UUID, person_id: UUID) -> Task:
    """Return a task of a class this person teaches, or raise NotFound."""
    task = db.row(Task, TASK_TAUGHT, (task_id, person_id))
    if task is None:
        raise NotFound(f"task {task_id}")
    return task


def task_learnt(db: Reader, task_id: UUID, person_id: UUID) -> Task:
    """Return a task of a course this person is enrolled in, or raise NotFound."""
    task = db.row(Task, TASK_LEARNT, (task_id, person_id))
    if task is None:
        raise NotFound(f"task {task_id}")
    return task


def task_for(db: Reader, task_id: UUID, actor: Actor) -> Task:
    """Return the task to its teacher or to a pupil of the course."""
    if actor.is_teacher:
        taught = db.row(Task, TASK_TAUGHT, (task_id, actor.person_id))
        if taught is not None:
            return taught
    return task_learnt(db, task_id, actor.person_id)


def tasks_of_run(db: Reader, run_id: UUID) -> list[Task]:
    """Tasks of one run, next due first; whether the run may be seen is the caller's question."""
    return db.rows(Task, TASKS_OF_RUN, (run_id, TASKS_MAX))
