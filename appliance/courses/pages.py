"""The shelf of courses, and putting a course on it."""

import asyncio
from typing import Any, Final

from litestar import Request, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.courses.commands import foresee_import, import_course
from appliance.courses.folder import read_folder
from appliance.courses.queries import course_cards
from appliance.courses.uploads import UPLOAD_BYTES_MAX, Upload, pack, read_upload, unpack
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import Invalid, StorageFull, TooLarge
from appliance.room import require_room_for_course
from appliance.settings import Settings

IMPORT_PAGE: Final = "courses/templates/import.html"


@get("/teach/courses")
async def courses_page(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> Template:
    """List the school's courses."""
    courses = await readers.read(course_cards, actor.school_id)
    return Template("courses/templates/courses.html", context={"courses": courses})


@get("/teach/courses/import", sync_to_thread=False)
def import_page() -> Template:
    """Ask for a folder."""
    return Template(IMPORT_PAGE, context={"problem": None})


@post("/teach/courses/import", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def preview_import(
    request: Request[Any, Any, Any],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    settings: NamedDependency[Settings],
) -> Template:
    """Show what the import would do; nothing is kept yet."""
    try:
        upload = await read_upload(request)
        course = await asyncio.to_thread(
            read_folder, upload.files, name=upload.name, language=actor.locale
        )
        require_room_for_course(settings.data_dir, course.size_bytes)
    except (Invalid, TooLarge, StorageFull) as refused:
        return Template(IMPORT_PAGE, context={"problem": refused}, status_code=refused.status)
    report = await readers.read(foresee_import, actor.school_id, course)
    context = {"report": report, "course": course, "packed": pack(upload.files), "upload": upload}
    return Template("courses/templates/preview.html", context=context)


@post("/teach/courses/import/confirm", status_code=303, request_max_body_size=UPLOAD_BYTES_MAX)
async def confirm_import(
    request: Request[Any, Any, Any],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Keep what the preview showed."""
    upload = _packed_upload(await request.form())
    course = await asyncio.to_thread(
        read_folder, upload.files, name=upload.name, language=actor.locale
    )
    require_room_for_course(settings.data_dir, course.size_bytes)
    report = await writer.write(import_course, actor.school_id, course, now_ms=clock())
    return Redirect(f"/teach/courses/{report.course_id}", status_code=303)


def _packed_upload(form: Any) -> Upload:
    packed, name = form.get("packed", ""), form.get("name", "")
    assert not isinstance(packed, UploadFile)
    return Upload(unpack(str(packed)), str(name))


ROUTES: Final = (courses_page, import_page, preview_import, confirm_import)
