"""Publishing a course for every school of the district: the same folder as on a box.

Ids are derived from the version's, which the form carries: sent again, a course is the same
rows. A version never changes; another text is another version.
"""

from collections.abc import Mapping
from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct

from appliance.courses.folder import Course, Lesson
from appliance.courses.links import course_code, rewrite_links
from sync.hub.database import row
from sync.hub.orders.models import CoursePublished, Outcome
from sync.hub.orders.rows import Pen, derived_id
from sync.hub.outlet.authoring import take_ownership

COURSE_BY_CODE: Final[LiteralString] = """
SELECT c.id
  FROM course AS c
 WHERE c.school_id = $1
   AND c.code      = $2
   AND c.deleted_at_ms IS NULL
 ORDER BY c.id
 LIMIT 1
"""

NEWEST_VERSION: Final[LiteralString] = """
SELECT v.id, v.number, v.content_hash, v.state
  FROM course_version AS v
 WHERE v.school_id = $1
   AND v.course_id = $2
   AND v.deleted_at_ms IS NULL
 ORDER BY v.number DESC, v.id
 LIMIT 1
"""

ON_THE_SHELF: Final[LiteralString] = """
SELECT v.id
  FROM course_version AS v
 WHERE v.school_id = $1
   AND v.course_id = $2
   AND v.state     = 'published'
   AND v.deleted_at_ms IS NULL
"""


class Version(Struct, frozen=True):
    """The newest version of a course."""

    id: UUID
    number: int
    content_hash: bytes
    state: str


async def publish_course(pen: Pen, version_id: UUID, course: Course) -> CoursePublished:
    """Publish `course` as a new version, unless its newest version says the same already."""
    code = course_code(course.title)
    known: UUID | None = await pen.link.fetchval(COURSE_BY_CODE, pen.scope_id, code)
    course_id = known or derived_id(pen.scope_id, "course", code)
    newest = await row(pen.link, Version, NEWEST_VERSION, pen.scope_id, course_id)
    if newest is not None and _says_the_same(newest, version_id, course):
        return _published("same", course_id, newest.id, newest.number, course)
    number = newest.number + 1 if newest else 1
    # A course names the district; the boxes must have that row before they have the course.
    await take_ownership(pen.link, pen.scope_id, "org_unit", pen.scope_id, now_ms=pen.now_ms)
    await pen.put_changed(
        "course",
        id=course_id,
        org_id=pen.scope_id,
        code=code,
        title=course.title,
        language=course.language,
    )
    await pen.put(
        "course_version",
        id=version_id,
        course_id=course_id,
        number=number,
        state="published",
        content_hash=course.content_hash(),
    )
    await _write_content(pen, version_id, course)
    await _supersede(pen, course_id, version_id)
    outcome: Outcome = "changed" if newest else "new"
    return _published(outcome, course_id, version_id, number, course)


def _says_the_same(newest: Version, version_id: UUID, course: Course) -> bool:
    is_same = newest.content_hash == course.content_hash() and newest.state == "published"
    return newest.id == version_id or is_same


async def _write_content(pen: Pen, version_id: UUID, course: Course) -> None:
    """Write parents before their children, so that the feed brings them in this order."""
    lessons = [lesson for module in course.modules for lesson in module.lessons]
    lesson_ids = {lesson.path: derived_id(version_id, lesson.path) for lesson in lessons}
    for rank, module in enumerate(course.modules):
        module_id = derived_id(version_id, "module", str(rank))
        own = {"id": module_id, "course_version_id": version_id}
        await pen.put("module", title=module.title, rank=rank, **own)
        for place, lesson in enumerate(module.lessons):
            lesson_id = lesson_ids[lesson.path]
            own = {"id": lesson_id, "module_id": module_id}
            await pen.put("lesson", title=lesson.title, rank=place, **own)
            await _write_sections(pen, lesson, lesson_ids)


async def _write_sections(pen: Pen, lesson: Lesson, lesson_ids: Mapping[str, UUID]) -> None:
    lesson_id = lesson_ids[lesson.path]
    for place, section in enumerate(lesson.sections):
        await pen.put(
            "section",
            id=derived_id(lesson_id, "section", str(place)),
            lesson_id=lesson_id,
            title=section.title,
            rank=place,
            body=rewrite_links(section.body, path=lesson.path, lesson_ids=lesson_ids),
        )


async def _supersede(pen: Pen, course_id: UUID, version_id: UUID) -> None:
    """Take earlier versions off the shelf; classes go on reading the one they have."""
    for found in await pen.link.fetch(ON_THE_SHELF, pen.scope_id, course_id):
        if found["id"] != version_id:
            await pen.put("course_version", id=found["id"], state="superseded")


def _published(
    outcome: Outcome, course_id: UUID, version_id: UUID, number: int, course: Course
) -> CoursePublished:
    lessons = [lesson for module in course.modules for lesson in module.lessons]
    return CoursePublished(
        outcome=outcome,
        course_id=course_id,
        course_version_id=version_id,
        title=course.title,
        number=number,
        lessons=len(lessons),
        sections=sum(len(lesson.sections) for lesson in lessons),
    )
