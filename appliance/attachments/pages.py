"""Files of a hand-in as a page; the form works without scripts."""

from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

from litestar import Request, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from appliance.access.models import Actor
from appliance.attachments.faults import FileEmpty
from appliance.attachments.queries import files_of
from appliance.attachments.routes import FORM_BYTES, PIECE_BYTES, take_file
from appliance.attachments.rules import FILE_BYTES_MAX, FILES_MAX, KINDS
from appliance.clock import Clock
from appliance.database.reader import Reader
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import DarasaError, Invalid, RuleViolation, TooLarge
from appliance.ids import uuid7
from appliance.settings import Settings
from appliance.submissions.queries import own_hand_in

PAGE: Final = "attachments/templates/files.html"


@get("/learn/hand-ins/{submission_id:uuid}/files")
async def files_page(
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Show the files, where each is safe, and the form for one more."""
    return await readers.read(_page, submission_id, actor.person_id, None, fresh_id=uuid7(clock()))


@post(
    "/learn/hand-ins/{submission_id:uuid}/files",
    request_max_body_size=FILE_BYTES_MAX + FORM_BYTES,
    status_code=200,
)
async def add_file_page(  # noqa: PLR0913, PLR0917 -- a route's arguments are its dependencies
    request: Request[Any, Any, Any],
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
) -> Template | Redirect:
    """Add the chosen file to the newest text."""
    form = await request.form()
    file = form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise FileEmpty("no file was chosen")
        ids = (_id(form.get("revision_id")), _id(form.get("attachment_id")))
        box = (readers, writer, settings)
        await take_file(_pieces(file), ids, file.filename, actor, box, now_ms=clock())
    except (RuleViolation, TooLarge) as refused:
        fresh_id = uuid7(clock())
        return await readers.read(_page, submission_id, actor.person_id, refused, fresh_id=fresh_id)
    return Redirect(f"/learn/hand-ins/{submission_id}/files", status_code=303)


def _page(
    db: Reader,
    submission_id: UUID,
    person_id: UUID,
    refused: DarasaError | None,
    *,
    fresh_id: UUID,
) -> Template:
    work = own_hand_in(db, submission_id, person_id)
    files = files_of(db, submission_id, person_id)
    revision_id = work.revisions[0].receipt.revision_id
    left = FILES_MAX - sum(file.submission_revision_id == revision_id for file in files)
    told = {"work": work, "files": files, "refused": refused, "left": left, "fresh_id": fresh_id}
    return Template(PAGE, context={**told, "revision_id": revision_id, "endings": list(KINDS)})


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE_BYTES):
        yield piece


def _id(typed: object) -> UUID:
    try:
        return UUID(str(typed))
    except ValueError as error:
        raise Invalid("this page is old: load it again and choose the file once more") from error


ROUTES: Final = (files_page, add_file_page)
