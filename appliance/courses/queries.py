"""Finding courses and reading what is in them."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.courses.models import (
    CourseCard,
    CourseOutline,
    LessonOutline,
    ModuleOutline,
    SectionBody,
    SectionTitle,
)
from appliance.database.reader import Reader
from appliance.errors import NotFound

COURSES_MAX: Final = 500  # one school's shelf on one page

COURSE_BY_CODE: Final[LiteralString] = """
SELECT id, title, language
  FROM course
 WHERE org_id = ?1
   AND code = ?2
   AND deleted_at_ms IS NULL
 ORDER BY id
 LIMIT 1
"""

NEWEST_VERSION: Final[LiteralString] = """
SELECT id, number, content_hash, state
  FROM course_version
 WHERE course_id = ?1
   AND deleted_at_ms IS NULL
 ORDER BY number DESC, id DESC
 LIMIT 1
"""

# The school's own courses, and those the district publishes for all its schools.
# CROSS JOIN: from the few courses to their versions, never through all versions.
COURSE_CARDS: Final[LiteralString] = """
SELECT c.id, c.title, c.language, v.id AS course_version_id, v.number,
       (SELECT count(*)
          FROM module AS m
          JOIN lesson AS l ON l.module_id = m.id
         WHERE m.course_version_id = v.id) AS lessons,
       (SELECT count(*)
          FROM module AS m
          JOIN lesson AS l ON l.module_id = m.id
          JOIN section AS s ON s.lesson_id = l.id
         WHERE m.course_version_id = v.id) AS sections
  FROM course AS c
  CROSS JOIN course_version AS v
    ON v.course_id = c.id
   AND v.state = 'published'
   AND v.deleted_at_ms IS NULL
 WHERE (c.org_id = ?1 OR c.owner_node_id IS NOT NULL)
   AND c.deleted_at_ms IS NULL
 ORDER BY c.code, v.number DESC
 LIMIT ?2
"""

COURSE: Final[LiteralString] = """
SELECT c.title, c.language, v.id AS course_version_id, v.number
  FROM course AS c
  JOIN course_version AS v
    ON v.course_id = c.id
   AND v.state = 'published'
   AND v.deleted_at_ms IS NULL
 WHERE c.id = ?1
   AND c.deleted_at_ms IS NULL
 ORDER BY v.number DESC
 LIMIT 1
"""

OUTLINE: Final[LiteralString] = """
SELECT m.id AS module_id, m.title AS module_title, l.id AS lesson_id,
       l.title AS lesson_title, s.id AS section_id, s.title AS section_title
  FROM module AS m
  JOIN lesson AS l
    ON l.module_id = m.id
   AND l.deleted_at_ms IS NULL
  JOIN section AS s
    ON s.lesson_id = l.id
   AND s.deleted_at_ms IS NULL
 WHERE m.course_version_id = ?1
   AND m.deleted_at_ms IS NULL
 ORDER BY m.rank, m.id, l.rank, l.id, s.rank, s.id
"""

SECTIONS: Final[LiteralString] = """
SELECT id, title, body
  FROM section
 WHERE lesson_id = ?1
   AND deleted_at_ms IS NULL
 ORDER BY rank, id
"""

PUBLISHED: Final[LiteralString] = """
SELECT 1
  FROM course_version
 WHERE id = ?1
   AND state IN ('published', 'superseded')
   AND deleted_at_ms IS NULL
"""


class KnownCourse(Struct, frozen=True):
    """A course that an import may add a version to."""

    id: UUID
    title: str
    language: str


class KnownVersion(Struct, frozen=True):
    """Its newest version."""

    id: UUID
    number: int
    content_hash: bytes
    state: str


class CourseHead(Struct, frozen=True):
    """A course and its newest published version."""

    title: str
    language: str
    course_version_id: UUID
    number: int


class OutlineRow(Struct, frozen=True):
    """One section and where it stands."""

    module_id: UUID
    module_title: str
    lesson_id: UUID
    lesson_title: str
    section_id: UUID
    section_title: str


def course_by_code(db: Reader, school_id: UUID, code: str) -> KnownCourse | None:
    """Return the school's course of this code."""
    return db.row(KnownCourse, COURSE_BY_CODE, (school_id, code))


def newest_version(db: Reader, course_id: UUID) -> KnownVersion | None:
    """Return the version with the highest number, whatever its state."""
    return db.row(KnownVersion, NEWEST_VERSION, (course_id,))


def course_cards(db: Reader, school_id: UUID) -> list[CourseCard]:
    """Return the school's courses by name."""
    return db.rows(CourseCard, COURSE_CARDS, (school_id, COURSES_MAX))


def course_outline(db: Reader, course_id: UUID) -> CourseOutline:
    """Return a course's newest published version. Raises NotFound."""
    head = db.row(CourseHead, COURSE, (course_id,))
    if head is None:
        raise NotFound(f"course {course_id}")
    return CourseOutline(
        id=course_id,
        title=head.title,
        language=head.language,
        course_version_id=head.course_version_id,
        number=head.number,
        modules=version_outline(db, head.course_version_id),
    )


def version_outline(db: Reader, course_version_id: UUID) -> list[ModuleOutline]:
    """Return modules, lessons and section titles of one version, in order."""
    modules: dict[UUID, ModuleOutline] = {}
    lessons: dict[UUID, LessonOutline] = {}
    for row in db.rows(OutlineRow, OUTLINE, (course_version_id,)):
        if row.module_id not in modules:
            modules[row.module_id] = ModuleOutline(row.module_id, row.module_title, [])
        if row.lesson_id not in lessons:
            lessons[row.lesson_id] = LessonOutline(row.lesson_id, row.lesson_title, [])
            modules[row.module_id].lessons.append(lessons[row.lesson_id])
        lessons[row.lesson_id].sections.append(SectionTitle(row.section_id, row.section_title))
    return list(modules.values())


def lesson_sections(db: Reader, lesson_id: UUID) -> list[SectionBody]:
    """Return a lesson's sections with their text, in order."""
    return db.rows(SectionBody, SECTIONS, (lesson_id,))


def is_published(db: Reader, course_version_id: UUID) -> bool:
    """Whether a class may be given this version."""
    return db.value(PUBLISHED, (course_version_id,)) is not None
