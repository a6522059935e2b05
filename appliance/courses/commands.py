"""Importing a course: all of it or nothing, and the same folder twice is one course."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.courses.folder import Course
from appliance.courses.links import course_code, rewrite_links
from appliance.courses.models import ImportOutcome, ImportReport
from appliance.courses.queries import KnownVersion, course_by_code, newest_version
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction
from appliance.errors import NotFound
from appliance.ids import uuid7

OWNS: Final = ("course", "course_version", "module", "lesson", "section")

INSERT_COURSE: Final[LiteralString] = """
INSERT INTO course (id, org_id, code, title, language, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
"""

RENAME_COURSE: Final[LiteralString] = """
UPDATE course
   SET title         = ?2,
       language      = ?3,
       version       = version + 1,
       updated_at_ms = ?4
 WHERE id = ?1
   AND (title <> ?2 OR language <> ?3)
"""

INSERT_VERSION: Final[LiteralString] = """
INSERT INTO course_version (id, course_id, number, state, content_hash, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'published', ?4, 1, ?5)
"""

# Runs stay on the version they were started with; only the shelf shows the new one.
SUPERSEDE_VERSIONS: Final[LiteralString] = """
UPDATE course_version
   SET state         = 'superseded',
       version       = version + 1,
       updated_at_ms = ?3
 WHERE course_id = ?1
   AND id <> ?2
   AND state = 'published'
"""

COURSE_OF: Final[LiteralString] = """
SELECT course_id AS id, state
  FROM course_version
 WHERE id = ?1
   AND deleted_at_ms IS NULL
"""

PUBLISH_VERSION: Final[LiteralString] = """
UPDATE course_version
   SET state         = 'published',
       version       = version + 1,
       updated_at_ms = ?2
 WHERE id = ?1
"""

INSERT_MODULE: Final[LiteralString] = """
INSERT INTO module (id, course_version_id, title, rank, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 1, ?5)
"""

INSERT_LESSON: Final[LiteralString] = """
INSERT INTO lesson (id, module_id, title, rank, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, 1, ?5)
"""

INSERT_SECTION: Final[LiteralString] = """
INSERT INTO section (id, lesson_id, title, rank, body, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6)
"""


class VersionState(Struct, frozen=True):
    """The course of a version, and whether that version is on the shelf."""

    id: UUID
    state: str


def foresee_import(db: Reader, school_id: UUID, course: Course) -> ImportReport:
    """Say what `import_course` would do, and change nothing."""
    known = course_by_code(db, school_id, course_code(course.title))
    newest = newest_version(db, known.id) if known else None
    return _report(
        course,
        outcome=_outcome(newest, course),
        is_dry_run=True,
        course_id=known.id if known else None,
        newest=newest,
    )


def import_course(tx: Transaction, school_id: UUID, course: Course, *, now_ms: int) -> ImportReport:
    """Keep `course` as a new version, unless its newest version already says the same."""
    code = course_code(course.title)
    known = course_by_code(tx, school_id, code)
    newest = newest_version(tx, known.id) if known else None
    outcome = _outcome(newest, course)
    course_id = known.id if known else uuid7(now_ms)
    if known is None:
        args = (course_id, school_id, code, course.title, course.language, now_ms)
        tx.run(INSERT_COURSE, args)
    if outcome != "same":
        number = newest.number + 1 if newest else 1
        newest = KnownVersion(uuid7(now_ms), number, course.content_hash(), "published")
        tx.run(RENAME_COURSE, (course_id, course.title, course.language, now_ms))
        tx.run(INSERT_VERSION, (newest.id, course_id, number, newest.content_hash, now_ms))
        tx.run(SUPERSEDE_VERSIONS, (course_id, newest.id, now_ms))
        _write_content(tx, newest.id, course, now_ms=now_ms)
    return _report(course, outcome=outcome, is_dry_run=False, course_id=course_id, newest=newest)


def publish_version(tx: Transaction, version_id: UUID, *, now_ms: int) -> None:
    """Put a version on the shelf in place of the present one; it may be an older one.

    Doing it again changes nothing. Raises NotFound.
    """
    found = tx.row(VersionState, COURSE_OF, (version_id,))
    if found is None:
        raise NotFound(f"course version {version_id}")
    if found.state != "published":
        tx.run(PUBLISH_VERSION, (version_id, now_ms))
    tx.run(SUPERSEDE_VERSIONS, (found.id, version_id, now_ms))


def _outcome(newest: KnownVersion | None, course: Course) -> ImportOutcome:
    if newest is None:
        return "new"
    is_same = newest.content_hash == course.content_hash() and newest.state == "published"
    return "same" if is_same else "changed"


def _write_content(tx: Transaction, version_id: UUID, course: Course, *, now_ms: int) -> None:
    lessons = [lesson for module in course.modules for lesson in module.lessons]
    lesson_ids = {lesson.path: uuid7(now_ms) for lesson in lessons}
    for module_rank, module in enumerate(course.modules):
        module_id = uuid7(now_ms)
        tx.run(INSERT_MODULE, (module_id, version_id, module.title, module_rank, now_ms))
        for rank, lesson in enumerate(module.lessons):
            lesson_id = lesson_ids[lesson.path]
            tx.run(INSERT_LESSON, (lesson_id, module_id, lesson.title, rank, now_ms))
            for place, section in enumerate(lesson.sections):
                body = rewrite_links(section.body, path=lesson.path, lesson_ids=lesson_ids)
                args = (uuid7(now_ms), lesson_id, section.title, place, body, now_ms)
                tx.run(INSERT_SECTION, args)


def _report(
    course: Course,
    *,
    outcome: ImportOutcome,
    is_dry_run: bool,
    course_id: UUID | None,
    newest: KnownVersion | None,
) -> ImportReport:
    lessons = [lesson for module in course.modules for lesson in module.lessons]
    adds_version = is_dry_run and outcome == "changed"
    is_kept = outcome == "same" or not is_dry_run
    return ImportReport(
        outcome=outcome,
        is_dry_run=is_dry_run,
        title=course.title,
        language=course.language,
        course_id=course_id,
        course_version_id=newest.id if newest is not None and is_kept else None,
        number=(newest.number if newest else 1) + adds_version,
        modules=len(course.modules),
        lessons=len(lessons),
        sections=sum(len(lesson.sections) for lesson in lessons),
        left_out=course.left_out,
    )
