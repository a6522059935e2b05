"""The collect board and the marking desk."""

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.access.models import Actor
from appliance.assignments.queries import task_taught
from appliance.attachments.models import Attachment
from appliance.attachments.queries import files_of
from appliance.clock import Clock
from appliance.database.reader import Reader
from appliance.database.readers import Readers
from appliance.database.transaction import Transaction
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_class_in
from appliance.grading.commands import return_work, save_grade
from appliance.grading.faults import MarkedMeanwhile, PointsUnreadable, TooManyPoints
from appliance.grading.models import (
    COMMENT_LENGTH_MAX,
    BoardLine,
    NewGrade,
    Return,
    Work,
)
from appliance.grading.queries import board, by_need, grade, next_on_the_desk, work
from appliance.grading.routes import ASK_AGAIN, board_tag
from appliance.grading.rules import points_mp
from appliance.ids import uuid7
from appliance.submissions.rules import form_text
from appliance.web.templates import points

MARK_PAGE: Final = "grading/templates/mark.html"
Refused = PointsUnreadable | TooManyPoints | MarkedMeanwhile


class MarkForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The marking form as typed; both ids were minted with the page."""

    grade_id: UUID
    return_id: UUID
    version: Annotated[int, Meta(ge=1)]
    points: Annotated[str, Meta(max_length=20)] = ""
    comment: Annotated[str, Meta(max_length=2 * COMMENT_LENGTH_MAX, pattern=r"^[^\x00]*$")] = ""


class Desk(Struct, frozen=True):
    """The work to mark and the next one after it."""

    work: Work
    next: BoardLine | None
    to_mark: int
    files: list[Attachment]


@get("/teach/tasks/{assessment_id:uuid}")
async def board_page(
    assessment_id: FromPath[UUID],
    request: Request[Any, Any, Any],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template | Response[None]:
    """Show who handed in and who did not. The page asks again by itself, with its tag."""
    task = task_taught(readers.here, assessment_id, actor.person_id)
    await let_class_in(readers, writer, clock, task.course_run_id)
    seen = await readers.read(board, assessment_id, actor.person_id)
    headers = {"etag": board_tag(seen)}
    if headers["etag"] == request.headers.get("if-none-match"):
        return Response(None, status_code=304, headers=headers | {"cache-control": ASK_AGAIN})
    context = {"board": seen, "groups": by_need(seen), "task": task}
    return Template("grading/templates/board.html", context=context, headers=headers)


@get("/teach/submissions/{submission_id:uuid}")
async def mark_page(
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Show one pupil's work with the form to mark it."""
    desk = await readers.read(desk_of, submission_id, actor.person_id)
    return _page(desk, _form_of(desk.work, clock()), None)


@post("/teach/submissions/{submission_id:uuid}", status_code=303)
async def save_mark(
    submission_id: FromPath[UUID],
    data: URLEncodedBody[MarkForm],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect | Template:
    """Save the mark for later; the pupil sees nothing of it."""
    try:
        new = _new_grade(data)
        await writer.write(save_grade, actor.person_id, submission_id, new, now_ms=clock())
    except (PointsUnreadable, TooManyPoints, MarkedMeanwhile) as refused:
        return await _refused(readers, submission_id, actor, data, refused)
    return Redirect(f"/teach/submissions/{submission_id}", status_code=303)


@post("/teach/submissions/{submission_id:uuid}/return", status_code=303)
async def save_and_return(
    submission_id: FromPath[UUID],
    data: URLEncodedBody[MarkForm],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect | Template:
    """Give the mark to the pupil and open the next piece of work."""
    try:
        new = _new_grade(data)
        wish = Return(id=data.return_id, version=data.version)
        await writer.write(give_back, actor.person_id, submission_id, new, wish, now_ms=clock())
    except (PointsUnreadable, TooManyPoints, MarkedMeanwhile) as refused:
        return await _refused(readers, submission_id, actor, data, refused)
    desk = await readers.read(desk_of, submission_id, actor.person_id)
    if desk.next is not None:
        return Redirect(f"/teach/submissions/{desk.next.submission_id}", status_code=303)
    return Redirect(f"/teach/tasks/{desk.work.assessment_id}", status_code=303)


def give_back(
    tx: Transaction,
    teacher_id: UUID,
    submission_id: UUID,
    new: NewGrade,
    wish: Return,
    *,
    now_ms: int,
) -> None:
    """Save the mark as typed, unless it is saved already, and return it: both or neither."""
    version = wish.version
    is_sent_again = grade(tx, wish.id) is not None
    if not (is_sent_again or _is_saved(work(tx, submission_id, teacher_id), new)):
        version = save_grade(tx, teacher_id, submission_id, new, now_ms=now_ms).version
    return_work(tx, teacher_id, submission_id, Return(id=wish.id, version=version), now_ms=now_ms)


def desk_of(db: Reader, submission_id: UUID, teacher_id: UUID) -> Desk:
    """Read the work, and who comes next."""
    opened = work(db, submission_id, teacher_id)
    seen = board(db, opened.assessment_id, teacher_id)
    groups = by_need(seen)
    waiting = len(groups["to_mark"]) + len(groups["again"])
    files = files_of(db, submission_id, teacher_id)
    return Desk(opened, next_on_the_desk(seen, submission_id), waiting, files)


def _is_saved(there: Work, new: NewGrade) -> bool:
    if there.state != "graded" or there.version != new.version:
        return False
    return (there.grades[0].points_mp, there.grades[0].comment) == (new.points_mp, new.comment)


def _new_grade(form: MarkForm) -> NewGrade:
    read = points_mp(form.points)
    if read is None:
        raise PointsUnreadable(form.points)
    return NewGrade(
        id=form.grade_id, points_mp=read, comment=form_text(form.comment), version=form.version
    )


def _form_of(there: Work, now_ms: int) -> MarkForm:
    """Fill the form with the latest mark, so that a teacher goes on where one stopped."""
    latest = there.grades[0] if there.grades else None
    return MarkForm(
        grade_id=uuid7(now_ms),
        return_id=uuid7(now_ms),
        version=there.version,
        points=points(latest.points_mp) if latest else "",
        comment=latest.comment if latest else "",
    )


async def _refused(
    readers: Readers, submission_id: UUID, actor: Actor, form: MarkForm, refused: Refused
) -> Template:
    """Show the page again with what was typed; the version on it is the present one."""
    desk = await readers.read(desk_of, submission_id, actor.person_id)
    return _page(desk, msgspec.structs.replace(form, version=desk.work.version), refused)


def _page(desk: Desk, form: MarkForm, refused: Refused | None) -> Template:
    context = {
        "desk": desk,
        "work": desk.work,
        "form": form,
        "refused": refused,
        "comment_length_max": COMMENT_LENGTH_MAX,
    }
    return Template(MARK_PAGE, context=context, status_code=refused.status if refused else 200)


ROUTES: Final = (board_page, mark_page, save_mark, save_and_return)
