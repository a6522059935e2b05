"""Reading, and the teacher's view of who has read what."""

from typing import Final
from uuid import UUID

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template
from msgspec import Struct

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.courses.rendering import render, text_direction
from appliance.database.reader import Reader
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_class_in, let_person_in
from appliance.progress.models import LessonView
from appliance.progress.queries import lesson_view, run_progress, run_view


class RenderedSection(Struct, frozen=True):
    """A section ready to show."""

    id: UUID
    title: str
    html: str
    percent: int


class LessonPage(Struct, frozen=True, kw_only=True):
    """A lesson ready to show."""

    lesson: LessonView
    sections: list[RenderedSection]
    direction: str
    done: int


def lesson_page_of(db: Reader, lesson_id: UUID, actor: Actor, *, run_id: UUID | None) -> LessonPage:
    """Read and render a lesson; on a reading thread, for the first render takes milliseconds."""
    lesson = lesson_view(db, lesson_id, actor, run_id=run_id)
    sections = [
        RenderedSection(section.id, section.title, render(section.body), section.percent)
        for section in lesson.sections
    ]
    return LessonPage(
        lesson=lesson,
        sections=sections,
        direction=text_direction(lesson.title + "".join(s.body[:200] for s in lesson.sections)),
        done=sum(section.percent == 100 for section in sections),
    )


@get("/learn/runs/{run_id:uuid}")
async def run_page(
    run_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template:
    """Show a course's lessons and what of them has been read."""
    await let_person_in(readers, writer, clock, actor.person_id)
    run = await readers.read(run_view, run_id, actor.person_id)
    return Template("progress/templates/run.html", context={"run": run})


@get("/learn/lessons/{lesson_id:uuid}")
async def lesson_page(
    lesson_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    run: FromQuery[UUID | None] = None,
) -> Template:
    """Show a lesson."""
    page = await readers.read(lesson_page_of, lesson_id, actor, run_id=run)
    return Template("progress/templates/lesson.html", context={"page": page})


@get("/teach/runs/{run_id:uuid}")
async def class_page(
    run_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template:
    """Show where a class is."""
    await let_class_in(readers, writer, clock, run_id)
    progress = await readers.report(run_progress, run_id, actor.person_id)
    return Template("progress/templates/class.html", context={"run": progress})


ROUTES: Final = (run_page, lesson_page, class_page)
