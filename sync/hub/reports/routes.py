"""One school's report as JSON, each the twin of a page."""

from typing import Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath

from sync.hub.accounts.models import Visitor
from sync.hub.database import scoped
from sync.hub.reports.models import HandIn, LearnerProgress, SchoolReport
from sync.hub.reports.queries import hand_ins, learner_progress, one_school, school_report
from sync.hub.running import Hub


@get("/api/v1/schools/{school_id:uuid}")
async def get_school(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> SchoolReport:
    """One school's classes, progress and tasks."""
    district_id = visitor.district_id
    async with scoped(hub.pools.reports, district_id=district_id) as link:
        return await school_report(link, district_id, school_id, now_ms=hub.clock())


@get("/api/v1/schools/{school_id:uuid}/progress")
async def get_progress(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[LearnerProgress]:
    """How far every pupil of a school is in every course."""
    async with scoped(hub.pools.reports, district_id=visitor.district_id) as link:
        await one_school(link, visitor.district_id, school_id, now_ms=hub.clock())
        return await learner_progress(link, school_id)


@get("/api/v1/schools/{school_id:uuid}/hand-ins")
async def get_hand_ins(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[HandIn]:
    """Every hand-in of a school that is here."""
    async with scoped(hub.pools.reports, district_id=visitor.district_id) as link:
        await one_school(link, visitor.district_id, school_id, now_ms=hub.clock())
        return await hand_ins(link, school_id)


ROUTES: Final = (get_school, get_progress, get_hand_ins)
