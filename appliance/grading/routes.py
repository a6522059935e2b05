"""The collect board and marks as JSON."""

import hashlib
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import FromPath, JSONBody

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.grading.commands import return_work, save_grade
from appliance.grading.models import Board, Graded, NewGrade, Return, Work
from appliance.grading.queries import board, work

ASK_AGAIN: Final = "private, no-cache"  # keep it, and ask with If-None-Match each time
_encoder: Final = msgspec.json.Encoder()


def board_tag(board: Board) -> str:
    """Return the ETag of a board: equal boards, equal tags."""
    return f'"{hashlib.sha256(_encoder.encode(board)).hexdigest()[:20]}"'


@get("/api/v1/assessments/{assessment_id:uuid}/board")
async def get_board(
    assessment_id: FromPath[UUID],
    request: Request[Any, Any, Any],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Response[Any]:
    """Who handed in and who did not; 304 while nothing changed."""
    seen = await readers.read(board, assessment_id, actor.person_id)
    headers = {"etag": board_tag(seen), "cache-control": ASK_AGAIN}
    if headers["etag"] == request.headers.get("if-none-match"):
        return Response(None, status_code=304, headers=headers)
    return Response(seen, headers=headers, media_type=MediaType.JSON)


@get("/api/v1/submissions/{submission_id:uuid}")
async def get_submission(
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Work:
    """One submission with every revision and every mark, for teachers of the class."""
    return await readers.read(work, submission_id, actor.person_id)


@post("/api/v1/submissions/{submission_id:uuid}/grades", status_code=201)
async def post_grade(
    submission_id: FromPath[UUID],
    data: JSONBody[NewGrade],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Graded:
    """Save a mark the pupil does not see yet. Safe to repeat."""
    return await writer.write(save_grade, actor.person_id, submission_id, data, now_ms=clock())


@post("/api/v1/submissions/{submission_id:uuid}/return", status_code=200)
async def post_return(
    submission_id: FromPath[UUID],
    data: JSONBody[Return],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Graded:
    """Give the saved mark to the pupil. Safe to repeat."""
    return await writer.write(return_work, actor.person_id, submission_id, data, now_ms=clock())


ROUTES: Final = (get_board, get_submission, post_grade, post_return)
