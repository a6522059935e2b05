"""What has been read: by one pupil, by a class."""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct, structs

from appliance.access.models import Actor
from appliance.accounts.names import name_key
from appliance.courses.models import LessonOutline, ModuleOutline
from appliance.courses.queries import lesson_sections, version_outline
from appliance.database.reader import Reader
from appliance.enrolments.queries import (
    LEARNERS_MAX,
    own_enrolment,
    run_of,
    teaches_run,
)
from appliance.errors import NotFound
from appliance.progress.models import (
    ClassLesson,
    LearnerProgress,
    LessonLink,
    LessonProgress,
    LessonView,
    ModuleProgress,
    RunProgress,
    RunView,
    SectionProgress,
    SectionView,
)

OWN_PROGRESS: Final[LiteralString] = """
SELECT section_id, percent
  FROM section_progress
 WHERE enrolment_id = ?1
"""

LESSON: Final[LiteralString] = """
SELECT l.title, m.title AS module_title, c.title AS course_title, c.language,
       c.org_id, m.course_version_id
  FROM lesson AS l
  JOIN module AS m
    ON m.id = l.module_id
  JOIN course_version AS v
    ON v.id = m.course_version_id
   AND v.deleted_at_ms IS NULL
  JOIN course AS c
    ON c.id = v.course_id
 WHERE l.id = ?1
   AND l.deleted_at_ms IS NULL
"""

LESSONS: Final[LiteralString] = """
SELECT l.id, l.title
  FROM module AS m
  JOIN lesson AS l
    ON l.module_id = m.id
   AND l.deleted_at_ms IS NULL
 WHERE m.course_version_id = ?1
   AND m.deleted_at_ms IS NULL
 ORDER BY m.rank, m.id, l.rank, l.id
"""

# A pupil whose two classes read the same version reads it in the older run.
OWN_RUN_OF_VERSION: Final[LiteralString] = """
SELECT r.id AS run_id, e.id AS enrolment_id
  FROM enrolment AS e
  JOIN course_run AS r
    ON r.id = e.course_run_id
   AND r.course_version_id = ?2
   AND r.deleted_at_ms IS NULL
  JOIN class_member AS k
    ON k.class_group_id = r.class_group_id
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
 WHERE e.person_id = ?1
   AND e.state = 'active'
   AND e.deleted_at_ms IS NULL
   AND (?3 IS NULL OR r.id = ?3)
 ORDER BY r.id
 LIMIT 1
"""

# 50 pupils are 50 short ranges of the projection's key.
LEARNERS: Final[LiteralString] = """
SELECT e.person_id, p.display_name,
       coalesce((SELECT sum(s.percent)
                   FROM section_progress AS s
                  WHERE s.enrolment_id = e.id), 0) AS percent,
       (SELECT count(*)
          FROM section_progress AS s
         WHERE s.enrolment_id = e.id
           AND s.percent = 100) AS sections_done
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

# Class by lesson: the sections of the version once, the projection's rows once.
SECTION_TOTALS: Final[LiteralString] = """
SELECT s.section_id, sum(s.percent) AS percent
  FROM enrolment AS e
  JOIN class_member AS k
    ON k.class_group_id = ?2
   AND k.person_id = e.person_id
   AND k.deleted_at_ms IS NULL
  JOIN section_progress AS s
    ON s.enrolment_id = e.id
 WHERE e.course_run_id = ?1
   AND e.state = 'active'
   AND e.deleted_at_ms IS NULL
 GROUP BY s.section_id
"""


class SectionPercent(Struct, frozen=True):
    """Percent of one section; for a class, summed over its pupils."""

    section_id: UUID
    percent: int


class LessonHead(Struct, frozen=True):
    """A lesson and where it stands."""

    title: str
    module_title: str
    course_title: str
    language: str
    org_id: UUID
    course_version_id: UUID


class OwnPlace(Struct, frozen=True):
    """The run and enrolment in which a pupil reads."""

    run_id: UUID
    enrolment_id: UUID


def run_view(db: Reader, run_id: UUID, person_id: UUID) -> RunView:
    """Return a run's tree for its pupil or its teacher. Raises NotFound for everybody else."""
    run = run_of(db, run_id)
    enrolment_id = own_enrolment(db, run_id, person_id)
    if enrolment_id is None and not teaches_run(db, run_id, person_id):
        raise NotFound(f"course run {run_id}")
    percents = section_percents(db, enrolment_id)
    modules = [_module(module, percents) for module in version_outline(db, run.course_version_id)]
    lessons = [lesson for module in modules for lesson in module.lessons]
    return RunView(
        id=run_id,
        enrolment_id=enrolment_id,
        class_group_id=run.class_group_id,
        class_name=run.class_name,
        course_version_id=run.course_version_id,
        title=run.title,
        language=run.language,
        percent=_mean([section.percent for lesson in lessons for section in lesson.sections]),
        modules=modules,
    )


def lesson_view(db: Reader, lesson_id: UUID, actor: Actor, *, run_id: UUID | None) -> LessonView:
    """Return a lesson with the pupil's own progress.

    A pupil reads what the pupil's class reads; a teacher of the school reads everything.
    Raises NotFound otherwise.
    """
    head = db.row(LessonHead, LESSON, (lesson_id,))
    if head is None or head.org_id != actor.school_id:
        raise NotFound(f"lesson {lesson_id}")
    place = db.row(OwnPlace, OWN_RUN_OF_VERSION, (actor.person_id, head.course_version_id, run_id))
    if place is None and not actor.is_teacher:
        raise NotFound(f"lesson {lesson_id}")
    enrolment_id = place.enrolment_id if place else None
    percents = section_percents(db, enrolment_id)
    before, after = _neighbours(db, head.course_version_id, lesson_id)
    return LessonView(
        id=lesson_id,
        title=head.title,
        module_title=head.module_title,
        course_title=head.course_title,
        language=head.language,
        run_id=place.run_id if place else None,
        enrolment_id=enrolment_id,
        sections=[
            SectionView(section.id, section.title, section.body, percents.get(section.id, 0))
            for section in lesson_sections(db, lesson_id)
        ],
        previous=before,
        next=after,
    )


def run_progress(db: Reader, run_id: UUID, person_id: UUID) -> RunProgress:
    """Return where a class is, for its teacher. Raises NotFound for everybody else."""
    run = run_of(db, run_id)
    if not teaches_run(db, run_id, person_id):
        raise NotFound(f"course run {run_id}")
    outline = version_outline(db, run.course_version_id)
    lessons = [lesson for module in outline for lesson in module.lessons]
    sections = sum(len(lesson.sections) for lesson in lessons)
    found = db.rows(LearnerProgress, LEARNERS, (run_id, LEARNERS_MAX))
    learners = [
        structs.replace(learner, percent=learner.percent // max(sections, 1))
        for learner in sorted(found, key=lambda learner: name_key(learner.display_name))
    ]
    totals = {
        total.section_id: total.percent
        for total in db.rows(SectionPercent, SECTION_TOTALS, (run_id, run.class_group_id))
    }
    return RunProgress(
        id=run_id,
        title=run.title,
        class_group_id=run.class_group_id,
        class_name=run.class_name,
        course_id=run.course_id,
        course_version_id=run.course_version_id,
        sections=sections,
        learners=learners,
        lessons=[_class_lesson(lesson, totals, len(learners)) for lesson in lessons],
    )


def section_percents(db: Reader, enrolment_id: UUID | None) -> dict[UUID, int]:
    """Return what has been opened under this enrolment."""
    if enrolment_id is None:
        return {}
    rows = db.rows(SectionPercent, OWN_PROGRESS, (enrolment_id,))
    return {row.section_id: row.percent for row in rows}


def _neighbours(
    db: Reader, course_version_id: UUID, lesson_id: UUID
) -> tuple[LessonLink | None, LessonLink | None]:
    lessons = db.rows(LessonLink, LESSONS, (course_version_id,))
    place = next(place for place, lesson in enumerate(lessons) if lesson.id == lesson_id)
    before = lessons[place - 1] if place > 0 else None
    after = lessons[place + 1] if place + 1 < len(lessons) else None
    return before, after


def _module(module: ModuleOutline, percents: dict[UUID, int]) -> ModuleProgress:
    return ModuleProgress(
        module.id, module.title, [_lesson(lesson, percents) for lesson in module.lessons]
    )


def _lesson(lesson: LessonOutline, percents: dict[UUID, int]) -> LessonProgress:
    sections = [
        SectionProgress(section.id, section.title, percents.get(section.id, 0))
        for section in lesson.sections
    ]
    percent = _mean([section.percent for section in sections])
    return LessonProgress(lesson.id, lesson.title, percent, sections)


def _class_lesson(lesson: LessonOutline, totals: dict[UUID, int], learners: int) -> ClassLesson:
    total = sum(totals.get(section.id, 0) for section in lesson.sections)
    return ClassLesson(lesson.id, lesson.title, total // max(len(lesson.sections) * learners, 1))


def _mean(percents: list[int]) -> int:
    """Whole percent, rounded down: 100 is said only when everything has been read."""
    return sum(percents) // max(len(percents), 1)
