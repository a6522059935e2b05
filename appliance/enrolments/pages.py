"""The page of one course, from which a teacher gives it to a class."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Struct

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.courses.models import CourseOutline
from appliance.courses.queries import course_outline
from appliance.database.reader import Reader
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.commands import start_run
from appliance.enrolments.models import NewRun, TaughtClass, TaughtRun
from appliance.enrolments.queries import taught_classes, taught_runs


class CoursePage(Struct, frozen=True):
    """A course, who reads it, and who could."""

    course: CourseOutline
    runs: list[TaughtRun]
    classes: list[TaughtClass]


class ChosenCourse(Struct, frozen=True, forbid_unknown_fields=True):
    """The form that gives a course to a class."""

    course_version_id: UUID


def course_page_of(db: Reader, course_id: UUID, person_id: UUID) -> CoursePage:
    """Read everything the page of a course shows. Raises NotFound."""
    course = course_outline(db, course_id)
    version_id = course.course_version_id
    runs = [run for run in taught_runs(db, person_id) if run.course_version_id == version_id]
    reading = {run.class_group_id for run in runs if run.state == "running"}
    free = [group for group in taught_classes(db, person_id) if group.id not in reading]
    return CoursePage(course, runs, free)


@get("/teach/courses/{course_id:uuid}")
async def course_page(
    course_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Template:
    """Show a course and the classes that read it."""
    page = await readers.read(course_page_of, course_id, actor.person_id)
    return Template("enrolments/templates/course.html", context={"page": page})


@post("/teach/classes/{class_group_id:uuid}/courses", status_code=303)
async def give_course(
    class_group_id: FromPath[UUID],
    data: URLEncodedBody[ChosenCourse],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Give the course to the class."""
    wanted = NewRun(class_group_id=class_group_id, course_version_id=data.course_version_id)
    run = await writer.write(start_run, actor.school_id, actor.person_id, wanted, now_ms=clock())
    return Redirect(f"/teach/runs/{run.id}", status_code=303)


ROUTES: Final = (course_page, give_course)
