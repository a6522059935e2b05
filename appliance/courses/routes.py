"""Courses as JSON."""

import asyncio
from typing import Any, Final
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.courses.commands import foresee_import, import_course
from appliance.courses.folder import read_folder
from appliance.courses.models import CourseCard, CourseOutline, ImportReport
from appliance.courses.queries import course_cards, course_outline
from appliance.courses.uploads import UPLOAD_BYTES_MAX, read_upload
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.room import require_room_for_course
from appliance.settings import Settings


@post("/api/v1/courses/import", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def post_course_import(  # noqa: PLR0913, PLR0917 -- a route's arguments are its dependencies
    request: Request[Any, Any, Any],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    readers: NamedDependency[Readers],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
    dry_run: FromQuery[bool] = False,  # noqa: FBT002 -- a query parameter
) -> ImportReport:
    """Import a folder of Markdown: `{files: [{path, text}], name?}` or a multipart zip `files`.

    Safe to repeat: the same folder again changes nothing. `?dry_run=true` only reports.
    """
    upload = await read_upload(request)
    course = await asyncio.to_thread(
        read_folder, upload.files, name=upload.name, language=actor.locale
    )
    if dry_run:
        return await readers.read(foresee_import, actor.school_id, course)
    require_room_for_course(settings.data_dir, course.size_bytes)
    return await writer.write(import_course, actor.school_id, course, now_ms=clock())


@get("/api/v1/courses")
async def get_courses(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> list[CourseCard]:
    """The school's courses, each with its newest version."""
    return await readers.read(course_cards, actor.school_id)


@get("/api/v1/courses/{course_id:uuid}")
async def get_course(course_id: FromPath[UUID], readers: NamedDependency[Readers]) -> CourseOutline:
    """One course: modules, lessons, section titles."""
    return await readers.read(course_outline, course_id)


ROUTES: Final = (post_course_import, get_courses, get_course)
