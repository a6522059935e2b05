"""Drafts, hand-ins and receipts as JSON. Every PUT may be sent any number of times."""

from typing import Final
from uuid import UUID

from litestar import Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from appliance.access.models import Actor
from appliance.assignments.queries import task_learnt
from appliance.clock import Clock, clock_quality
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.ids import uuid7
from appliance.submissions.commands import hand_in, put_draft
from appliance.submissions.models import (
    Draft,
    DraftEdit,
    HandIn,
    HandInLine,
    OwnHandIn,
    Receipt,
    Stamp,
)
from appliance.submissions.queries import draft_of, hand_ins, own_hand_in, own_receipt


@put("/api/v1/drafts/{revision_id:uuid}")
async def put_draft_edit(
    revision_id: FromPath[UUID],
    data: JSONBody[DraftEdit],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Draft:
    """Keep what was typed; the answer is what the box has, which may be a later edit."""
    return await writer.write(put_draft, actor.person_id, revision_id, data, now_ms=clock())


@get("/api/v1/assessments/{assessment_id:uuid}/draft", sync_to_thread=False)
def get_draft(
    assessment_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Response[Draft | None]:
    """What this pupil wrote last and has not handed in; 204 when there is nothing."""
    task_learnt(readers.here, assessment_id, actor.person_id)
    draft = draft_of(readers.here, assessment_id, actor.person_id)
    return Response(draft, status_code=200 if draft is not None else 204)


@put("/api/v1/submission-revisions/{revision_id:uuid}")
async def put_submission_revision(
    revision_id: FromPath[UUID],
    data: JSONBody[HandIn],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Receipt:
    """Hand in. 200 means: it is on the box's disk, and this is its receipt."""
    now_ms = clock()
    return await writer.write(
        hand_in,
        actor.person_id,
        revision_id,
        data,
        submission_id=uuid7(now_ms),
        stamp=Stamp(now_ms, clock_quality()),
    )


@get("/api/v1/submission-revisions/{revision_id:uuid}", sync_to_thread=False)
def get_submission_revision(
    revision_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> Receipt:
    """The receipt of one's own hand-in, with where it is safe now."""
    return own_receipt(readers.here, revision_id, actor.person_id)


@get("/api/v1/my/hand-ins")
async def get_my_hand_ins(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> list[HandInLine]:
    """Everything this pupil handed in, newest first."""
    return await readers.read(hand_ins, actor.person_id)


@get("/api/v1/my/hand-ins/{submission_id:uuid}")
async def get_my_hand_in(
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> OwnHandIn:
    """One's own work, its receipts and the marks that were given back."""
    return await readers.read(own_hand_in, submission_id, actor.person_id)


ROUTES: Final = (
    put_draft_edit,
    get_draft,
    put_submission_revision,
    get_submission_revision,
    get_my_hand_ins,
    get_my_hand_in,
)
