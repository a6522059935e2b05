"""Who reads what.

A pupil is in a run as long as both hold: an active enrolment and a place in the class. So
taking a child out of a class closes its door at once, and nothing the child did is touched.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.database.reader import Reader
from appliance.enrolments.models import Member, OwnRun, Run, Runs, TaughtClass, TaughtRun
from appliance.errors import NotFound

RUNS_MAX: Final = 200  # runs of one person on one page
LEARNERS_MAX: Final = 500  # in one class; the largest we know of has 212

RUN: Final[LiteralString] = """
SELECT r.id, r.class_group_id, g.name AS class_name, v.course_id,
       r.course_version_id, c.title, c.language, v.number, r.state
  FROM course_run AS r
  JOIN class_group AS g
    ON g.id = r.class_group_id
  JOIN course_version AS v
    ON v.id = r.course_version_id
  JOIN course AS c
    ON c.id = v.course_id
 WHERE r.id = ?1
   AND r.deleted_at_ms IS NULL
"""

RUN_OF_CLASS: Final[LiteralString] = """
SELECT id
  FROM course_run
 WHERE class_group_id = ?1
   AND course_version_id = ?2
   AND state = 'running'
   AND deleted_at_ms IS NULL
 ORDER BY id
 LIMIT 1
"""

# A section never opened counts as 0 %, so the sum goes over what was opened and the
# count over everything there is.
OWN_RUNS: Final[LiteralString] = """
SELECT r.id, e.id AS enrolment_id, r.class_group_id, g.name AS class_name,
       r.course_version_id, c.title, c.language,
       coalesce((SELECT sum(p.percent)
                   FROM section_progress AS p
                  WHERE p.enrolment_id = e.id)
              / (SELECT count(*)
                   FROM module AS m
                   JOIN lesson AS l ON l.module_id = m.id
                   JOIN section AS s ON s.lesson_id = l.id
                  WHERE m.course_version_id = r.course_version_id), 0) AS percent
  FROM enrolment AS e
  JOIN course_run AS r
    ON r.id = e.course_run_id
   AND r.state = 'running'
   AND r.deleted_at_ms IS NULL
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
  JOIN class_group AS g
    ON g.id = r.class_group_id
  JOIN course_version AS v
    ON v.id = r.course_version_id
  JOIN course AS c
    ON c.id = v.course_id
 WHERE e.person_id = ?1
   AND e.state = 'active'
   AND e.deleted_at_ms IS NULL
 ORDER BY c.title, r.id
 LIMIT ?2
"""

TAUGHT_RUNS: Final[LiteralString] = """
SELECT r.id, r.class_group_id, g.name AS class_name, r.course_version_id,
       c.title, c.language, r.state,
       (SELECT count(*)
          FROM class_member AS k
         WHERE k.class_group_id = r.class_group_id
           AND k.deleted_at_ms IS NULL) AS learners
  FROM class_teacher AS t
  JOIN course_run AS r
    ON r.class_group_id = t.class_group_id
   AND r.deleted_at_ms IS NULL
  JOIN class_group AS g
    ON g.id = r.class_group_id
   AND g.deleted_at_ms IS NULL
  JOIN course_version AS v
    ON v.id = r.course_version_id
  JOIN course AS c
    ON c.id = v.course_id
 WHERE t.person_id = ?1
 ORDER BY g.name, c.title, r.id
 LIMIT ?2
"""

TAUGHT_CLASSES: Final[LiteralString] = """
SELECT g.id, g.name,
       (SELECT count(*)
          FROM class_member AS k
         WHERE k.class_group_id = g.id
           AND k.deleted_at_ms IS NULL) AS learners
  FROM class_teacher AS t
  JOIN class_group AS g
    ON g.id = t.class_group_id
   AND g.deleted_at_ms IS NULL
 WHERE t.person_id = ?1
 ORDER BY g.name, g.id
 LIMIT ?2
"""

MEMBERS: Final[LiteralString] = """
SELECT e.id AS enrolment_id, e.person_id, p.display_name
  FROM course_run AS r
  JOIN enrolment AS e
    ON e.course_run_id = r.id
   AND e.state = 'active'
   AND e.deleted_at_ms IS NULL
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
  JOIN person AS p
    ON p.id = e.person_id
   AND p.deleted_at_ms IS NULL
 WHERE r.id = ?1
 ORDER BY p.display_name, p.id
 LIMIT ?2
"""

OWN_ENROLMENT: Final[LiteralString] = """
SELECT e.id
  FROM enrolment AS e
  JOIN course_run AS r
    ON r.id = e.course_run_id
   AND r.deleted_at_ms IS NULL
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
 WHERE e.course_run_id = ?1
   AND e.person_id = ?2
   AND e.state = 'active'
   AND e.deleted_at_ms IS NULL
 ORDER BY e.id
 LIMIT 1
"""

TEACHES_RUN: Final[LiteralString] = """
SELECT 1
  FROM course_run AS r
  JOIN class_teacher AS t
    ON t.class_group_id = r.class_group_id
   AND t.person_id = ?2
 WHERE r.id = ?1
   AND r.deleted_at_ms IS NULL
"""

UNENROLLED_OF_RUN: Final[LiteralString] = """
SELECT r.id AS course_run_id, k.person_id
  FROM course_run AS r
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.deleted_at_ms IS NULL
 WHERE r.id = ?1
   AND r.state = 'running'
   AND r.deleted_at_ms IS NULL
   AND NOT EXISTS (SELECT 1
                     FROM enrolment AS e
                    WHERE e.course_run_id = r.id
                      AND e.person_id = k.person_id)
"""

UNENROLLED_OF_PERSON: Final[LiteralString] = """
SELECT r.id AS course_run_id, k.person_id
  FROM class_member AS k
  JOIN course_run AS r
    ON r.class_group_id = k.class_group_id
   AND r.state = 'running'
   AND r.deleted_at_ms IS NULL
 WHERE k.person_id = ?1
   AND k.deleted_at_ms IS NULL
   AND NOT EXISTS (SELECT 1
                     FROM enrolment AS e
                    WHERE e.course_run_id = r.id
                      AND e.person_id = k.person_id)
"""


class Place(Struct, frozen=True):
    """A pupil whose class reads a course the pupil is not enrolled in yet."""

    course_run_id: UUID
    person_id: UUID


class RunId(Struct, frozen=True):
    """The id of a run."""

    id: UUID


def run_of(db: Reader, run_id: UUID) -> Run:
    """Return the run, for whoever may see it. Raises NotFound."""
    run = db.row(Run, RUN, (run_id,))
    if run is None:
        raise NotFound(f"course run {run_id}")
    return run


def running(db: Reader, class_group_id: UUID, course_version_id: UUID) -> UUID | None:
    """Return the run in which this class reads this version."""
    found = db.row(RunId, RUN_OF_CLASS, (class_group_id, course_version_id))
    return found.id if found else None


def runs_of(db: Reader, person_id: UUID) -> Runs:
    """Return what this person learns and teaches."""
    return Runs(learning=own_runs(db, person_id), teaching=taught_runs(db, person_id))


def own_runs(db: Reader, person_id: UUID) -> list[OwnRun]:
    """Return the runs this person learns in, with how much has been read."""
    return db.rows(OwnRun, OWN_RUNS, (person_id, RUNS_MAX))


def taught_runs(db: Reader, person_id: UUID) -> list[TaughtRun]:
    """Return the runs of this teacher's classes."""
    return db.rows(TaughtRun, TAUGHT_RUNS, (person_id, RUNS_MAX))


def taught_classes(db: Reader, person_id: UUID) -> list[TaughtClass]:
    """Return the classes this person may give a course to."""
    return db.rows(TaughtClass, TAUGHT_CLASSES, (person_id, RUNS_MAX))


def members(db: Reader, run_id: UUID) -> list[Member]:
    """Return the pupils of a run by name."""
    return db.rows(Member, MEMBERS, (run_id, LEARNERS_MAX))


def own_enrolment(db: Reader, run_id: UUID, person_id: UUID) -> UUID | None:
    """Return this pupil's enrolment in the run."""
    found = db.row(RunId, OWN_ENROLMENT, (run_id, person_id))
    return found.id if found else None


def teaches_run(db: Reader, run_id: UUID, person_id: UUID) -> bool:
    """Whether this person teaches the run's class."""
    return db.value(TEACHES_RUN, (run_id, person_id)) is not None


def unenrolled_of_run(db: Reader, run_id: UUID) -> list[Place]:
    """Return the class members the run does not know yet."""
    return db.rows(Place, UNENROLLED_OF_RUN, (run_id,))


def unenrolled_of_person(db: Reader, person_id: UUID) -> list[Place]:
    """Return the running courses of this pupil's classes that do not know the pupil yet."""
    return db.rows(Place, UNENROLLED_OF_PERSON, (person_id,))
