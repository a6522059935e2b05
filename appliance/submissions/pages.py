"""The page a task is written on, and "my hand-ins". All of it works without scripts."""

from typing import Annotated, Final, Literal
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.access.faults import OtherPerson
from appliance.access.models import Actor
from appliance.assignments.models import Task
from appliance.assignments.queries import task_learnt
from appliance.clock import Clock, clock_quality
from appliance.database.reader import Reader
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.enrolments.arrivals import let_person_in
from appliance.ids import uuid7
from appliance.submissions.commands import hand_in, put_draft
from appliance.submissions.faults import BodyTooLarge, NothingWritten, RevisionIdTaken
from appliance.submissions.models import EDITS_MAX, DraftEdit, HandIn, Receipt, ReturnedMark, Stamp
from appliance.submissions.queries import (
    draft_of,
    hand_ins,
    own_hand_in,
    receipts_of_task,
)
from appliance.submissions.rules import (
    BODY_BYTES_MAX,
    content_hash,
    form_text,
    sibling_id,
    work_text,
)

TASK_PAGE: Final = "submissions/templates/task.html"
# A form writes each line end as two characters and a page of text has few.
TYPED_LENGTH_MAX: Final = 4 * BODY_BYTES_MAX


class Writing(Struct, frozen=True, kw_only=True):
    """The pupil's desk for one task."""

    task: Task
    revision_id: UUID
    edit_no: int
    body: str
    handed_in_body: str
    is_new_attempt: bool
    receipts: list[Receipt]
    marks: list[ReturnedMark]


class WorkForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The page's form, for phones without scripts."""

    revision_id: UUID
    person_id: UUID
    edit_no: Annotated[int, Meta(ge=0, lt=EDITS_MAX)]
    body: Annotated[str, Meta(max_length=TYPED_LENGTH_MAX, pattern=r"^[^\x00]*$")]
    action: Literal["save", "hand-in"]


@get("/learn/tasks/{assessment_id:uuid}")
async def task_page(
    assessment_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template:
    """Show the task, what was typed so far, and the receipts."""
    await let_person_in(readers, writer, clock, actor.person_id)
    fresh_id = uuid7(clock())
    desk = await readers.read(writing, assessment_id, actor.person_id, fresh_id=fresh_id)
    return _page(desk, None)


@post("/learn/tasks/{assessment_id:uuid}", status_code=303)
async def send_task_form(
    assessment_id: FromPath[UUID],
    data: URLEncodedBody[WorkForm],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect | Template:
    """Save or hand in without scripts; a refusal gives the text back with its reason."""
    if data.person_id != actor.person_id:
        raise OtherPerson("the form was opened by somebody else")
    try:
        if data.action == "save":
            await _save(assessment_id, data, actor, writer, clock())
            return Redirect(f"/learn/tasks/{assessment_id}", status_code=303)
        receipt = await _hand_in(assessment_id, data, actor, writer, clock())
    except (NothingWritten, BodyTooLarge) as refused:
        fresh_id = data.revision_id
        desk = await readers.read(writing, assessment_id, actor.person_id, fresh_id=fresh_id)
        return _page(desk, refused, body=form_text(data.body))
    return Redirect(f"/learn/hand-ins/{receipt.submission_id}", status_code=303)


@get("/learn/hand-ins")
async def hand_ins_page(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> Template:
    """List everything this pupil handed in."""
    lines = await readers.read(hand_ins, actor.person_id)
    return Template("submissions/templates/hand_ins.html", context={"lines": lines})


@get("/learn/hand-ins/{submission_id:uuid}")
async def hand_in_page(
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Template:
    """Show one's own work: its receipts, and the mark once it was given back."""
    work = await readers.read(own_hand_in, submission_id, actor.person_id)
    return Template("submissions/templates/hand_in.html", context={"work": work})


def writing(db: Reader, task_id: UUID, person_id: UUID, *, fresh_id: UUID) -> Writing:
    """Read the desk: an unfinished draft first, else the words of the last hand-in."""
    task = task_learnt(db, task_id, person_id)
    draft = draft_of(db, task_id, person_id)
    receipts = receipts_of_task(db, task_id, person_id)
    last = own_hand_in(db, receipts[0].submission_id, person_id) if receipts else None
    handed_in = last.revisions[0].body if last else ""
    return Writing(
        task=task,
        revision_id=draft.revision_id if draft else fresh_id,
        edit_no=draft.edit_no if draft else 0,
        body=draft.body if draft else handed_in,
        handed_in_body=handed_in,
        is_new_attempt=last is None or last.may_start_again,
        receipts=receipts,
        marks=last.marks if last else [],
    )


async def _save(task_id: UUID, form: WorkForm, actor: Actor, writer: Writer, now_ms: int) -> None:
    edit = DraftEdit(assessment_id=task_id, edit_no=form.edit_no + 1, body=form_text(form.body))
    await writer.write(put_draft, actor.person_id, form.revision_id, edit, now_ms=now_ms)


async def _hand_in(
    task_id: UUID, form: WorkForm, actor: Actor, writer: Writer, now_ms: int
) -> Receipt:
    work = HandIn(assessment_id=task_id, body=form_text(form.body))
    stamp = Stamp(now_ms, clock_quality())
    # Who goes back in the browser and changes the text sends the id of what was handed in
    # already. These are other words, so they get an id of their own, always the same one.
    other_id = sibling_id(form.revision_id, content_hash(work_text(work.body)))
    try:
        return await writer.write(
            hand_in,
            actor.person_id,
            form.revision_id,
            work,
            submission_id=uuid7(now_ms),
            stamp=stamp,
        )
    except RevisionIdTaken:
        return await writer.write(
            hand_in, actor.person_id, other_id, work, submission_id=uuid7(now_ms), stamp=stamp
        )


def _page(
    desk: Writing, refused: NothingWritten | BodyTooLarge | None, *, body: str | None = None
) -> Template:
    context = {
        "desk": desk,
        "task": desk.task,
        "body": desk.body if body is None else body,
        "refused": refused,
        "body_bytes_max": BODY_BYTES_MAX,
    }
    return Template(TASK_PAGE, context=context, status_code=refused.status if refused else 200)


ROUTES: Final = (task_page, send_task_form, hand_ins_page, hand_in_page)
