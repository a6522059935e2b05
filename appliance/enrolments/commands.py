"""Giving a class a course, and its pupils their places in it."""

from collections.abc import Iterable
from typing import Final, LiteralString
from uuid import UUID

from appliance.access.queries import teaches_class
from appliance.courses.queries import is_published
from appliance.database.transaction import Transaction
from appliance.enrolments.models import NewRun, Run
from appliance.enrolments.queries import (
    Place,
    run_of,
    running,
    unenrolled_of_person,
    unenrolled_of_run,
)
from appliance.errors import Conflict, NotFound
from appliance.ids import uuid7

OWNS: Final = ("course_run", "enrolment")

RUN_KNOWN: Final[LiteralString] = """
SELECT 1
  FROM course_run
 WHERE id = ?1
"""

INSERT_RUN: Final[LiteralString] = """
INSERT INTO course_run (id, org_id, course_version_id, class_group_id, state, version,
                        updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 'running', 1, ?5)
"""

INSERT_ENROLMENT: Final[LiteralString] = """
INSERT INTO enrolment (id, course_run_id, person_id, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'active', 1, ?4)
"""


def start_run(
    tx: Transaction, school_id: UUID, teacher_id: UUID, wanted: NewRun, *, now_ms: int
) -> Run:
    """Let the class read the course and enrol every pupil in it.

    Idempotent: a class that reads this version already keeps its run, and pupils who came
    later get their place. Raises NotFound for another teacher's class or an unknown version.
    """
    if not teaches_class(tx, teacher_id, wanted.class_group_id):
        raise NotFound(f"class {wanted.class_group_id}")
    if not is_published(tx, wanted.course_version_id):
        raise NotFound(f"course version {wanted.course_version_id}")
    run_id = running(tx, wanted.class_group_id, wanted.course_version_id)
    if run_id is None:
        run_id = wanted.id or uuid7(now_ms)
        if tx.value(RUN_KNOWN, (run_id,)) is not None:
            raise Conflict(f"course run {run_id} is another class's, course's or has ended")
        args = (run_id, school_id, wanted.course_version_id, wanted.class_group_id, now_ms)
        tx.run(INSERT_RUN, args)
    enrol_class(tx, run_id, now_ms=now_ms)
    return run_of(tx, run_id)


def enrol_class(tx: Transaction, run_id: UUID, *, now_ms: int) -> int:
    """Give every pupil of the run's class a place; return how many were new."""
    return _enrol(tx, unenrolled_of_run(tx, run_id), now_ms=now_ms)


def enrol_person(tx: Transaction, person_id: UUID, *, now_ms: int) -> int:
    """Give a pupil a place in whatever the pupil's classes read; return how many were new."""
    return _enrol(tx, unenrolled_of_person(tx, person_id), now_ms=now_ms)


def _enrol(tx: Transaction, places: Iterable[Place], *, now_ms: int) -> int:
    rows = [(uuid7(now_ms), place.course_run_id, place.person_id, now_ms) for place in places]
    return tx.run_many(INSERT_ENROLMENT, rows)
