"""The start pages of pupils and teachers."""

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.response import Template

from appliance.access.models import Actor
from appliance.clock import TOLD, Clock, clock_quality
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_person_in
from appliance.home.queries import learner_home, teacher_home
from appliance.orders.models import Announcement
from appliance.orders.queries import announcements, pins_needed


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
    context = {
        "home": home,
        "announced": announced(readers, clock),
        "now_ms": clock(),
        "is_clock_sure": clock_quality() >= TOLD,
    }
    return Template("home/templates/learn.html", context=context)


@get("/teach")
async def teacher_page(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Show a teacher the classes and what waits in them."""
    home = await readers.read(teacher_home, actor.person_id)
    context = {
        "home": home,
        "announced": announced(readers, clock),
        "pins_needed": await readers.read(pins_needed, actor.person_id),
        "now_ms": clock(),
        "is_clock_sure": clock_quality() >= TOLD,
    }
    return Template("home/templates/teach.html", context=context)


def announced(readers: Readers, clock: Clock) -> list[Announcement]:
    """What the district has to say now."""
    return announcements(readers.here, now_ms=clock(), quality=clock_quality())


ROUTES: Final = (learner_page, teacher_page)
