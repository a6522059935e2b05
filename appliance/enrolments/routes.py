"""Runs as JSON."""

from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_person_in
from appliance.enrolments.commands import start_run
from appliance.enrolments.models import NewRun, Run, Runs
from appliance.enrolments.queries import runs_of


@post("/api/v1/course-runs", status_code=201)
async def post_course_run(
    data: JSONBody[NewRun],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Run:
    """Give a class a course and enrol its pupils. Safe to repeat."""
    return await writer.write(start_run, actor.school_id, actor.person_id, data, now_ms=clock())


@get("/api/v1/course-runs")
async def get_course_runs(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Runs:
    """What this person learns and teaches."""
    await let_person_in(readers, writer, clock, actor.person_id)
    return await readers.read(runs_of, actor.person_id)


ROUTES: Final = (post_course_run, get_course_runs)
