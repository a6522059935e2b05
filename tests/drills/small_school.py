"""A school just large enough for a drill: one class, one course, one task."""

from contextlib import closing
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from appliance.database.connection import open_connection
from appliance.database.migrate import EDGE_MIGRATIONS, migrate
from appliance.database.transaction import Transaction
from appliance.ids import uuid7

NOW_MS = 1_763_700_000_000

IDENTITY = "INSERT INTO sync_identity (node_id, school_id, epoch) VALUES (?1, ?2, ?3)"
SCHOOL = """
INSERT INTO org_unit (id, kind, name, locale, version, updated_at_ms)
VALUES (?1, 'school', 'Shule ya Kisumu Ndogo', 'sw', 1, ?2)
"""
PERSON = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'sw', 'active', 1, ?4)
"""
CLASS = """
INSERT INTO class_group (id, org_id, name, version, updated_at_ms)
VALUES (?1, ?2, '7B', 1, ?3)
"""
MEMBER = """
INSERT INTO class_member (id, class_group_id, person_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, ?4)
"""
COURSE = """
INSERT INTO course (id, org_id, code, title, language, version, updated_at_ms)
VALUES (?1, ?2, 'maths-7', 'Hisabati', 'sw', 1, ?3)
"""
COURSE_VERSION = """
INSERT INTO course_version (id, course_id, number, state, content_hash, version, updated_at_ms)
VALUES (?1, ?2, 1, 'published', zeroblob(32), 1, ?3)
"""
MODULE = """
INSERT INTO module (id, course_version_id, title, rank, version, updated_at_ms)
VALUES (?1, ?2, 'Sehemu', 1, 1, ?3)
"""
LESSON = """
INSERT INTO lesson (id, module_id, title, rank, version, updated_at_ms)
VALUES (?1, ?2, 'Somo', 1, 1, ?3)
"""
SECTION = """
INSERT INTO section (id, lesson_id, title, rank, body, version, updated_at_ms)
VALUES (?1, ?2, 'Fungu', 1, 'Soma.', 1, ?3)
"""
RUN = """
INSERT INTO course_run
       (id, org_id, course_version_id, class_group_id, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 'running', 1, ?5)
"""
ENROLMENT = """
INSERT INTO enrolment (id, course_run_id, person_id, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'active', 1, ?4)
"""
TASK = """
INSERT INTO assessment
       (id, course_run_id, kind, title, instructions, points_max_mp, attempts_max,
        version, updated_at_ms)
VALUES (?1, ?2, 'assignment', 'Insha', 'Andika.', 10000, 3, 1, ?3)
"""


class Pupil(Struct, frozen=True):
    """Somebody who hands in and reads."""

    person_id: UUID
    enrolment_id: UUID


class SmallSchool(Struct, frozen=True):
    """The ids a drill needs."""

    school_id: UUID
    assessment_id: UUID
    section_id: UUID
    pupils: list[Pupil]


def make_small_school(path: Path, pupils: int) -> SmallSchool:
    """Migrate a new file at `path` and fill it."""
    migrate(path, EDGE_MIGRATIONS, backups=path.parent, now_ms=NOW_MS)
    with closing(open_connection(path, role="writer")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tx = Transaction(connection)
        school_id = uuid7(NOW_MS)
        tx.run(IDENTITY, (uuid7(NOW_MS), school_id, uuid7(NOW_MS)))
        school = fill(tx, school_id, pupils)
        connection.execute("COMMIT")
    return school


def fill(tx: Transaction, school: UUID, pupils: int) -> SmallSchool:
    """Write everything but whose board it is; the first release had these tables already."""
    group, course, version, module, lesson, section, run, task = (uuid7(NOW_MS) for _ in range(8))
    tx.run(SCHOOL, (school, NOW_MS))
    tx.run(CLASS, (group, school, NOW_MS))
    tx.run(COURSE, (course, school, NOW_MS))
    tx.run(COURSE_VERSION, (version, course, NOW_MS))
    tx.run(MODULE, (module, version, NOW_MS))
    tx.run(LESSON, (lesson, module, NOW_MS))
    tx.run(SECTION, (section, lesson, NOW_MS))
    tx.run(RUN, (run, school, version, group, NOW_MS))
    tx.run(TASK, (task, run, NOW_MS))
    class_list = [_enrol(tx, school, group, run) for _ in range(pupils)]
    return SmallSchool(school, task, section, class_list)


def _enrol(tx: Transaction, school_id: UUID, class_group_id: UUID, run_id: UUID) -> Pupil:
    pupil = Pupil(person_id=uuid7(NOW_MS), enrolment_id=uuid7(NOW_MS))
    tx.run(PERSON, (pupil.person_id, school_id, "Amina Otieno", NOW_MS))
    tx.run(MEMBER, (uuid7(NOW_MS), class_group_id, pupil.person_id, NOW_MS))
    tx.run(ENROLMENT, (pupil.enrolment_id, run_id, pupil.person_id, NOW_MS))
    return pupil
