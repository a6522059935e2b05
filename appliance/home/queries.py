"""Gathering the start pages from what the features below know."""

from typing import Final, LiteralString
from uuid import UUID

from appliance.database.reader import Reader
from appliance.enrolments.queries import own_runs, taught_classes, taught_runs
from appliance.home.models import ClassHome, LearnerHome, OwnTask, TaughtTask, TeacherHome

TASKS_MAX: Final = 100

# A mark that is not given back yet looks like a hand-in that is not marked yet.
OWN_TASKS: Final[LiteralString] = """
SELECT a.id, a.title, c.title AS course_title, a.due_at_ms,
       coalesce((SELECT CASE s.state WHEN 'returned' THEN 'returned' ELSE 'handed_in' END
                   FROM submission AS s
                  WHERE s.assessment_id = a.id
                    AND s.person_id = e.person_id
                    AND s.state NOT IN ('withdrawn', 'void')
                    AND s.deleted_at_ms IS NULL
                  ORDER BY s.attempt_no DESC
                  LIMIT 1), 'todo') AS standing
  FROM enrolment AS e
  JOIN course_run AS r
    ON r.id = e.course_run_id
   AND r.state = 'running'
   AND r.deleted_at_ms IS NULL
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
  JOIN course_version AS v
    ON v.id = r.course_version_id
  JOIN course AS c
    ON c.id = v.course_id
  JOIN assessment AS a
    ON a.course_run_id = r.id
   AND a.deleted_at_ms IS NULL
 WHERE e.person_id = ?1
   AND e.state = 'active'
   AND e.deleted_at_ms IS NULL
 ORDER BY standing <> 'todo', a.due_at_ms IS NULL, a.due_at_ms, a.id
 LIMIT ?2
"""

TAUGHT_TASKS: Final[LiteralString] = """
SELECT a.id, a.course_run_id, a.title, a.due_at_ms,
       (SELECT count(DISTINCT s.person_id)
          FROM submission AS s
         WHERE s.assessment_id = a.id
           AND s.state NOT IN ('withdrawn', 'void')
           AND s.deleted_at_ms IS NULL) AS handed_in,
       (SELECT count(*)
          FROM submission AS s
         WHERE s.assessment_id = a.id
           AND s.state IN ('submitted', 'in_grading')
           AND s.deleted_at_ms IS NULL) AS to_mark
  FROM class_teacher AS t
  JOIN course_run AS r
    ON r.class_group_id = t.class_group_id
   AND r.deleted_at_ms IS NULL
  JOIN assessment AS a
    ON a.course_run_id = r.id
   AND a.deleted_at_ms IS NULL
 WHERE t.person_id = ?1
 ORDER BY a.due_at_ms IS NULL, a.due_at_ms DESC, a.id
 LIMIT ?2
"""


def learner_home(db: Reader, person_id: UUID) -> LearnerHome:
    """Return what this pupil has to do and to read, most urgent first."""
    tasks = db.rows(OwnTask, OWN_TASKS, (person_id, TASKS_MAX))
    return LearnerHome(tasks, own_runs(db, person_id))


def teacher_home(db: Reader, person_id: UUID) -> TeacherHome:
    """Return this teacher's classes, each with what it reads and what it was given to do."""
    runs = taught_runs(db, person_id)
    tasks = db.rows(TaughtTask, TAUGHT_TASKS, (person_id, TASKS_MAX))
    classes = []
    for group in taught_classes(db, person_id):
        own = [run for run in runs if run.class_group_id == group.id]
        ids = {run.id for run in own}
        classes.append(ClassHome(group, own, [t for t in tasks if t.course_run_id in ids]))
    return TeacherHome(classes)
