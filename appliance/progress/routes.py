"""Progress as JSON."""

import hashlib
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import FromPath, FromQuery, JSONBody

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_class_in, let_person_in
from appliance.progress.commands import keep_facts
from appliance.progress.models import LessonView, ProgressFacts, RunProgress, RunView
from appliance.progress.queries import lesson_view, run_progress, run_view

ASK_AGAIN: Final = "private, no-cache"


@post("/api/v1/progress-facts", status_code=204)
async def post_progress_facts(
    data: JSONBody[ProgressFacts], actor: NamedDependency[Actor], writer: NamedDependency[Writer]
) -> None:
    """Keep what a phone saw its pupil read. Safe to repeat."""
    await writer.write(keep_facts, actor.person_id, data.facts)


@get("/api/v1/course-runs/{run_id:uuid}")
async def get_course_run(
    run_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> RunView:
    """A run's modules and lessons, with the pupil's own progress."""
    await let_person_in(readers, writer, clock, actor.person_id)
    return await readers.read(run_view, run_id, actor.person_id)


@get("/api/v1/lessons/{lesson_id:uuid}")
async def get_lesson(
    lesson_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    run: FromQuery[UUID | None] = None,
) -> LessonView:
    """A lesson's text as Markdown, with the pupil's own progress."""
    return await readers.read(lesson_view, lesson_id, actor, run_id=run)


@get("/api/v1/course-runs/{run_id:uuid}/progress")
async def get_run_progress(
    request: Request[Any, Any, Any],
    run_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Response[bytes]:
    """Where a class is; 304 when nothing has changed since the teacher last asked."""
    await let_class_in(readers, writer, clock, run_id)
    progress: RunProgress = await readers.report(run_progress, run_id, actor.person_id)
    body = msgspec.json.encode(progress)
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    headers = {"etag": etag, "cache-control": ASK_AGAIN}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=MediaType.JSON)


ROUTES: Final = (post_progress_facts, get_course_run, get_lesson, get_run_progress)
