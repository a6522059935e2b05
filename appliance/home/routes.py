"""The start pages as JSON."""

from typing import Final

from litestar import get
from litestar.di import NamedDependency

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_person_in
from appliance.home.models import LearnerHome, TeacherHome
from appliance.home.queries import learner_home, teacher_home


@get("/api/v1/home/learner")
async def get_learner_home(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> LearnerHome:
    """What a pupil has to do and to read, most urgent first."""
    await let_person_in(readers, writer, clock, actor.person_id)
    return await readers.read(learner_home, actor.person_id)


@get("/api/v1/home/teacher")
async def get_teacher_home(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> TeacherHome:
    """A teacher's classes and what waits in them."""
    return await readers.read(teacher_home, actor.person_id)


ROUTES: Final = (get_learner_home, get_teacher_home)
