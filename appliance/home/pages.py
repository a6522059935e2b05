"""The start pages of pupils and teachers."""

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_person_in
from appliance.home.queries import learner_home, teacher_home


@get("/learn")
async def learner_page(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template:
    """Show a pupil what to do next."""
    await let_person_in(readers, writer, clock, actor.person_id)
    home = await readers.read(learner_home, actor.person_id)
    return Template("home/templates/learn.html", context={"home": home, "now_ms": clock()})


@get("/teach")
async def teacher_page(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Show a teacher the classes and what waits in them."""
    home = await readers.read(teacher_home, actor.person_id)
    return Template("home/templates/teach.html", context={"home": home, "now_ms": clock()})


ROUTES: Final = (learner_page, teacher_page)
