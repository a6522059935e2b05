"""Two years of a school of four hundred, written straight into a box's database.

The rows go through the schema and its triggers, not through the commands: ten seconds
instead of an hour. They are taken off the change log again, as if the district had them.
"""

from collections.abc import Iterator
from contextlib import closing
from random import Random
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.database.agent import AgentDatabase
from appliance.database.reader import Value
from appliance.database.transaction import Transaction
from appliance.ids import uuid7
from demo.ledger import content_hash
from demo.people import WORDS
from demo.school import School

TWO_YEARS_MS: Final = 2 * 365 * 86_400_000
CLASSES: Final = 8
CLASS_SIZE: Final = 44
FACTS_EACH: Final = 570  # 350 pupils x 570 = 200,000
TASKS_EACH: Final = 40
SENTENCES: Final = 10  # a page of 500 letters

# One day: sixty sections of reading and two written pages for each pupil.
DAY_FACTS: Final = 60
DAY_TASKS: Final = 2
DAY_WORDS: Final = 250

ENROLMENTS: Final[LiteralString] = """
SELECT id, person_id
  FROM enrolment
 WHERE course_run_id = ?1
 ORDER BY id
"""
LAST_SEQ: Final[LiteralString] = "SELECT seq FROM sync_identity"
FORGET: Final[LiteralString] = "DELETE FROM sync_dirty WHERE seq > ?1"
SECTIONS: Final[LiteralString] = "SELECT id FROM section ORDER BY id"
BODIES: Final[LiteralString] = "SELECT body FROM section ORDER BY id LIMIT 100"
RUN: Final[LiteralString] = "SELECT org_id, course_version_id FROM course_run WHERE id = ?1"
TEACHER: Final[LiteralString] = """
SELECT person_id
  FROM role_assignment
 WHERE role = 'teacher'
 LIMIT 1
"""

ADD_PERSON: Final[LiteralString] = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'en', 'active', 1, ?4)
"""
ADD_CLASS: Final[LiteralString] = """
INSERT INTO class_group (id, org_id, name, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, ?4)
"""
ADD_MEMBER: Final[LiteralString] = """
INSERT INTO class_member (id, class_group_id, person_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, ?4)
"""
ADD_RUN: Final[LiteralString] = """
INSERT INTO course_run (id, org_id, course_version_id, class_group_id, state, version,
                        updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 'running', 1, ?5)
"""
ADD_ENROLMENT: Final[LiteralString] = """
INSERT INTO enrolment (id, course_run_id, person_id, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'active', 1, ?4)
"""
ADD_FACT: Final[LiteralString] = """
INSERT INTO progress_fact (id, enrolment_id, section_id, person_id, percent, at_ms, clock_quality)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 2)
"""
ADD_TASK: Final[LiteralString] = """
INSERT INTO assessment (id, course_run_id, kind, title, instructions, points_max_mp, attempts_max,
                        version, updated_at_ms)
VALUES (?1, ?2, 'assignment', ?3, 'Write a page.', 20000, 2, 1, ?4)
"""
ADD_SUBMISSION: Final[LiteralString] = """
INSERT INTO submission (id, assessment_id, person_id, attempt_no, state, submitted_at_ms, late_ms,
                        clock_quality, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, 'returned', ?4, 0, 2, 1, ?4)
"""
ADD_REVISION: Final[LiteralString] = """
INSERT INTO submission_revision (id, submission_id, person_id, rev, body, content_hash, saved_at_ms)
VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6)
"""
ADD_GRADE: Final[LiteralString] = """
INSERT INTO grade (id, submission_id, person_id, seq, points_mp, comment, state, by_person_id,
                   graded_at_ms)
VALUES (?1, ?2, ?3, 1, 15000, 'Well observed.', 'released', ?4, ?5)
"""


class Setting(Struct, frozen=True):
    """What all classes share."""

    org_id: UUID
    course_version_id: UUID
    teacher_id: UUID
    sections: list[UUID]


class Place(Struct, frozen=True):
    """A pupil's enrolment."""

    id: UUID
    person_id: UUID


class BodyRow(Struct, frozen=True):
    """One section's text."""

    body: str


class RunRow(Struct, frozen=True):
    """The run that exists already."""

    org_id: UUID
    course_version_id: UUID


class SectionRow(Struct, frozen=True):
    """One section of the course."""

    id: UUID


class PersonRow(Struct, frozen=True):
    """The one who marked it all."""

    person_id: UUID


def write_history(school: School, *, now_ms: int, share: float = 1.0) -> None:
    """Add two years of other classes; `share` below 1 makes a smaller history."""
    dice = Random(7)
    with closing(AgentDatabase(school.database)) as db:
        setting = _setting(db, school.run_id)
        before = db.value(LAST_SEQ)
        for number in range(CLASSES):
            with db.changing() as tx:
                _write_class(tx, setting, number, dice, now_ms=now_ms, share=share)
                tx.run(FORGET, (before,))


def write_day(school: School, pupils: int, *, now_ms: int) -> None:
    """Add one school day of the measured class: reading, two tasks handed in and marked."""
    write_facts(school, pupils * DAY_FACTS, now_ms=now_ms)
    dice = Random(11)
    with closing(AgentDatabase(school.database)) as db, db.changing() as tx:
        setting = _setting(db, school.run_id)
        people = [row.person_id for row in db.rows(Place, ENROLMENTS, (school.run_id,))][:pupils]
        words = sorted(set(" ".join(text.body for text in db.rows(BodyRow, BODIES)).split()))
        for _ in range(DAY_TASKS):
            pages = [" ".join(dice.choices(words, k=DAY_WORDS)) for _ in people]
            _write_task(tx, setting, school.run_id, people, pages, at_ms=now_ms)


def write_facts(school: School, count: int, *, now_ms: int) -> None:
    """Add a lesson's worth of facts of the measured class; they wait to be sent."""
    dice = Random(count)
    with closing(AgentDatabase(school.database)) as db, db.changing() as tx:
        setting = _setting(db, school.run_id)
        places = db.rows(Place, ENROLMENTS, (school.run_id,))
        for number in range(count):
            place, moment = places[number % len(places)], now_ms - dice.randrange(2_400_000)
            section = setting.sections[number // len(places) % len(setting.sections)]
            what = (section, place.person_id, dice.choice((25, 50, 75, 100)), moment)
            tx.run(ADD_FACT, (uuid7(moment), place.id, *what))


def _setting(db: AgentDatabase, run_id: UUID) -> Setting:
    run, teacher = db.row(RunRow, RUN, (run_id,)), db.row(PersonRow, TEACHER)
    assert run is not None
    assert teacher is not None
    sections = [section.id for section in db.rows(SectionRow, SECTIONS)]
    return Setting(run.org_id, run.course_version_id, teacher.person_id, sections)


def _write_class(
    tx: Transaction, setting: Setting, number: int, dice: Random, *, now_ms: int, share: float
) -> None:
    began_ms = now_ms - TWO_YEARS_MS
    group, run = uuid7(began_ms), uuid7(began_ms)
    people = [uuid7(began_ms) for _ in range(CLASS_SIZE)]
    enrolments = [uuid7(began_ms) for _ in people]
    tx.run(ADD_CLASS, (group, setting.org_id, f"Form {number + 2}", began_ms))
    tx.run(ADD_RUN, (run, setting.org_id, setting.course_version_id, group, began_ms))
    for person, enrolment in zip(people, enrolments, strict=True):
        tx.run(ADD_PERSON, (person, setting.org_id, f"Pupil {person.hex[-6:]}", began_ms))
        tx.run(ADD_MEMBER, (uuid7(began_ms), group, person, began_ms))
        tx.run(ADD_ENROLMENT, (enrolment, run, person, began_ms))
    instants = sorted(
        began_ms + dice.randrange(TWO_YEARS_MS) for _ in range(int(FACTS_EACH * share))
    )
    for at_ms in instants:
        tx.run_many(ADD_FACT, _facts(setting, people, enrolments, at_ms, dice))
    for task in range(max(1, int(TASKS_EACH * share))):
        pages = ["\n".join(dice.choices(WORDS, k=SENTENCES)) for _ in people]
        _write_task(tx, setting, run, people, pages, at_ms=instants[task * 7 % len(instants)])


def _facts(
    setting: Setting, people: list[UUID], enrolments: list[UUID], at_ms: int, dice: Random
) -> Iterator[tuple[Value, ...]]:
    """One fact for each pupil of a class, within the same lesson."""
    for person, enrolment in zip(people, enrolments, strict=True):
        moment = at_ms + dice.randrange(2_400_000)
        section = dice.choice(setting.sections)
        yield uuid7(moment), enrolment, section, person, dice.randrange(101), moment


def _write_task(
    tx: Transaction,
    setting: Setting,
    run: UUID,
    people: list[UUID],
    pages: list[str],
    *,
    at_ms: int,
) -> None:
    task = uuid7(at_ms)
    tx.run(ADD_TASK, (task, run, f"Task {task.hex[-4:]}", at_ms))
    for person, page in zip(people, pages, strict=True):
        submission, body = uuid7(at_ms), f"{person}: {page}"
        tx.run(ADD_SUBMISSION, (submission, task, person, at_ms))
        revision = (uuid7(at_ms), submission, person, body, content_hash(body), at_ms)
        tx.run(ADD_REVISION, revision)
        tx.run(ADD_GRADE, (uuid7(at_ms), submission, person, setting.teacher_id, at_ms))
