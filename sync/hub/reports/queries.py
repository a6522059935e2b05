"""A school's classes, progress and hand-ins, as the district may see them.

Percent of a course is the sum over its parts divided by their number, as on the box: a
part never opened counts as 0.
"""

from typing import Final, LiteralString
from uuid import UUID

from msgspec import Struct, structs

from appliance.errors import NotFound
from appliance.ids import receipt_code
from sync.hub.database import Link, row, rows
from sync.hub.fleet.models import School
from sync.hub.fleet.queries import schools
from sync.hub.reports.models import (
    ClassSummary,
    HandIn,
    LearnerProgress,
    RunSummary,
    SchoolReport,
    TaskReport,
    TaskSummary,
)

ROWS_MAX: Final = 20_000  # two years of hand-ins of a large school

CLASSES: Final[LiteralString] = """
SELECT c.id AS class_group_id, c.name, count(DISTINCT m.person_id) AS learners
  FROM class_group AS c
  LEFT JOIN class_member AS m
    ON m.school_id      = c.school_id
   AND m.class_group_id = c.id
   AND m.deleted_at_ms IS NULL
 WHERE c.school_id = $1
   AND c.deleted_at_ms IS NULL
 GROUP BY c.id, c.name
 ORDER BY c.name, c.id
"""

# The projection is read once and summed by enrolment before anything is joined to it. A
# class may read a course of the district's.
PROGRESS: Final[LiteralString] = """
WITH shelf AS (
    SELECT unnest(ARRAY[s.school_id, s.district_id]) AS school_id
      FROM school AS s
     WHERE s.school_id = $1
), size AS (
    SELECT m.course_version_id, count(*) AS sections
      FROM module AS m
      JOIN lesson AS l
        ON l.school_id = m.school_id
       AND l.module_id = m.id
       AND l.deleted_at_ms IS NULL
      JOIN section AS s
        ON s.school_id = l.school_id
       AND s.lesson_id = l.id
       AND s.deleted_at_ms IS NULL
     WHERE m.school_id IN (SELECT shelf.school_id FROM shelf)
       AND m.deleted_at_ms IS NULL
     GROUP BY m.course_version_id
), done AS (
    SELECT p.enrolment_id, sum(p.percent) AS percent,
           count(*) FILTER (WHERE p.percent = 100) AS sections_done
      FROM section_progress AS p
     WHERE p.school_id = $1
     GROUP BY p.enrolment_id
)
SELECT r.id AS course_run_id, c.title AS course_title, g.name AS class_name, e.person_id,
       p.display_name,
       CASE WHEN size.sections > 0
            THEN least(100, floor(coalesce(done.percent, 0) / size.sections))
            ELSE 0
        END::bigint AS percent,
       coalesce(done.sections_done, 0) AS sections_done, coalesce(size.sections, 0) AS sections
  FROM course_run AS r
  JOIN course_version AS v
    ON v.school_id IN (SELECT shelf.school_id FROM shelf)
   AND v.id        = r.course_version_id
  JOIN course AS c
    ON c.school_id = v.school_id
   AND c.id        = v.course_id
  JOIN class_group AS g
    ON g.school_id = r.school_id
   AND g.id        = r.class_group_id
  JOIN enrolment AS e
    ON e.school_id     = r.school_id
   AND e.course_run_id = r.id
   AND e.state         = 'active'
   AND e.deleted_at_ms IS NULL
  JOIN person AS p
    ON p.school_id = e.school_id
   AND p.id        = e.person_id
   AND p.deleted_at_ms IS NULL
  LEFT JOIN size
    ON size.course_version_id = r.course_version_id
  LEFT JOIN done
    ON done.enrolment_id = e.id
 WHERE r.school_id = $1
   AND r.deleted_at_ms IS NULL
 ORDER BY c.title, g.name, r.id, p.display_name, p.id
 LIMIT $2
"""

TASKS: Final[LiteralString] = """
SELECT a.id AS assessment_id, a.title, g.name AS class_name, a.due_at_ms,
       (SELECT count(*)
          FROM enrolment AS e
         WHERE e.school_id     = a.school_id
           AND e.course_run_id = a.course_run_id
           AND e.state         = 'active'
           AND e.deleted_at_ms IS NULL) AS learners,
       count(DISTINCT s.person_id) AS handed_in,
       count(DISTINCT s.person_id) FILTER (WHERE s.state = 'returned') AS returned
  FROM assessment AS a
  JOIN course_run AS r
    ON r.school_id = a.school_id
   AND r.id        = a.course_run_id
  JOIN class_group AS g
    ON g.school_id = r.school_id
   AND g.id        = r.class_group_id
  LEFT JOIN submission AS s
    ON s.school_id     = a.school_id
   AND s.assessment_id = a.id
   AND s.deleted_at_ms IS NULL
 WHERE a.school_id = $1
   AND a.deleted_at_ms IS NULL
   AND ($2::uuid IS NULL OR a.id = $2)
 GROUP BY a.school_id, a.id, a.course_run_id, a.title, g.name, a.due_at_ms
 ORDER BY a.due_at_ms DESC NULLS LAST, a.title, a.id
"""

HAND_INS: Final[LiteralString] = """
SELECT s.id AS submission_id, s.assessment_id, a.title AS task_title, s.person_id,
       coalesce(p.display_name, '?') AS display_name, s.attempt_no, s.state,
       s.submitted_at_ms, s.late_ms, r.revisions, r.revision_id, r.content_hash, g.points_mp,
       a.points_max_mp
  FROM submission AS s
  JOIN assessment AS a
    ON a.school_id = s.school_id
   AND a.id        = s.assessment_id
  LEFT JOIN person AS p
    ON p.school_id = s.school_id
   AND p.id        = s.person_id
  LEFT JOIN LATERAL (SELECT v.id AS revision_id, v.content_hash, count(*) OVER () AS revisions
                       FROM submission_revision AS v
                      WHERE v.school_id     = s.school_id
                        AND v.submission_id = s.id
                      ORDER BY v.rev DESC, v.id DESC
                      LIMIT 1) AS r
    ON true
  LEFT JOIN LATERAL (SELECT m.points_mp
                       FROM grade AS m
                      WHERE m.school_id     = s.school_id
                        AND m.submission_id = s.id
                      ORDER BY m.seq DESC, m.id DESC
                      LIMIT 1) AS g
    ON true
 WHERE s.school_id = $1
   AND s.deleted_at_ms IS NULL
   AND ($2::uuid IS NULL OR s.assessment_id = $2)
 ORDER BY a.title, a.id, display_name, s.person_id, s.attempt_no
 LIMIT $3
"""


class FoundHandIn(Struct, frozen=True, kw_only=True):
    """A row of HAND_INS."""

    submission_id: UUID
    assessment_id: UUID
    task_title: str
    person_id: UUID
    display_name: str
    attempt_no: int
    state: str
    submitted_at_ms: int
    late_ms: int
    revisions: int | None
    revision_id: UUID | None
    content_hash: bytes | None
    points_mp: int | None
    points_max_mp: int


async def one_school(link: Link, district_id: UUID, school_id: UUID, *, now_ms: int) -> School:
    """Return one school of the district. Raises NotFound."""
    found = await schools(link, district_id, now_ms=now_ms, school_id=school_id)
    if not found:
        raise NotFound(f"school {school_id}")
    return found[0]


async def school_report(
    link: Link, district_id: UUID, school_id: UUID, *, now_ms: int
) -> SchoolReport:
    """Put one school on one page. Raises NotFound."""
    return SchoolReport(
        school=await one_school(link, district_id, school_id, now_ms=now_ms),
        classes=await rows(link, ClassSummary, CLASSES, school_id),
        runs=summaries(await learner_progress(link, school_id)),
        tasks=await rows(link, TaskSummary, TASKS, school_id, None),
    )


async def learner_progress(link: Link, school_id: UUID) -> list[LearnerProgress]:
    """How far every pupil is in every course."""
    return await rows(link, LearnerProgress, PROGRESS, school_id, ROWS_MAX)


async def hand_ins(link: Link, school_id: UUID, assessment_id: UUID | None = None) -> list[HandIn]:
    """Every hand-in that is here, or those of one task."""
    found = await rows(link, FoundHandIn, HAND_INS, school_id, assessment_id, ROWS_MAX)
    return [_hand_in(one) for one in found]


async def task_report(
    link: Link, district_id: UUID, school_id: UUID, assessment_id: UUID, *, now_ms: int
) -> TaskReport:
    """Show one task. Raises NotFound."""
    school = await one_school(link, district_id, school_id, now_ms=now_ms)
    task = await row(link, TaskSummary, TASKS, school_id, assessment_id)
    if task is None:
        raise NotFound(f"task {assessment_id}")
    found = await hand_ins(link, school_id, assessment_id)
    return TaskReport(school_id=school_id, school_name=school.name, task=task, hand_ins=found)


def summaries(learners: list[LearnerProgress]) -> list[RunSummary]:
    """Average each run over its pupils; the rows come run by run."""
    by_run: dict[UUID, list[LearnerProgress]] = {}
    for learner in learners:
        by_run.setdefault(learner.course_run_id, []).append(learner)
    return [
        RunSummary(
            course_run_id=run_id,
            course_title=members[0].course_title,
            class_name=members[0].class_name,
            learners=len(members),
            percent=sum(member.percent for member in members) // len(members),
        )
        for run_id, members in by_run.items()
    ]


def _hand_in(found: FoundHandIn) -> HandIn:
    code = None
    if found.revision_id is not None and found.content_hash is not None:
        code = receipt_code(found.revision_id, found.content_hash)
    kept = structs.asdict(found)
    del kept["revision_id"], kept["content_hash"]
    return HandIn(**(kept | {"code": code, "revisions": found.revisions or 0}))
