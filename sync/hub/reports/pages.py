"""One school, and one of its tasks."""

from itertools import groupby
from typing import Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from sync.hub.accounts.models import Visitor
from sync.hub.database import scoped
from sync.hub.fleet.health import box_lines
from sync.hub.reports.queries import learner_progress, school_report, task_report
from sync.hub.running import Hub


@get("/schools/{school_id:uuid}")
async def school_page(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template:
    """Show a school's classes, courses and tasks."""
    district_id = visitor.district_id
    async with scoped(hub.pools.reports, district_id=district_id) as link:
        report = await school_report(link, district_id, school_id, now_ms=hub.clock())
        learners = await learner_progress(link, school_id)
    by_run = {
        run_id: list(members)
        for run_id, members in groupby(learners, key=lambda learner: learner.course_run_id)
    }
    box = box_lines(report.school, hub_version=hub.app_version)
    context = {"report": report, "by_run": by_run, "box": box}
    return Template("hub/reports/templates/school.html", context=context)


@get("/schools/{school_id:uuid}/tasks/{assessment_id:uuid}")
async def task_page(
    school_id: FromPath[UUID],
    assessment_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Template:
    """Show who has handed in, and how it was marked."""
    async with scoped(hub.pools.reports, district_id=visitor.district_id) as link:
        report = await task_report(
            link, visitor.district_id, school_id, assessment_id, now_ms=hub.clock()
        )
    return Template("hub/reports/templates/task.html", context={"report": report})


ROUTES: Final = (school_page, task_page)
