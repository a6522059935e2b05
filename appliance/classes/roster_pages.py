"""Bringing in a list of names: paste or upload, look at what would change, then do it."""

import asyncio
import base64
import binascii
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Template

from appliance.access.models import Actor
from appliance.classes.queries import classes_of
from appliance.classes.roster_import import foresee_import, import_roster, read_upload
from appliance.classes.roster_models import UPLOAD_BYTES_MAX, RosterUpload, Upload
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import DarasaError, Forbidden, Invalid, TooLarge

IMPORT_PAGE: Final = "classes/templates/import.html"
FormRequest = Request[Any, Any, Any]

_UPLOAD: Final = msgspec.json.Decoder(RosterUpload)


@get("/teach/people/import")
async def import_page(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    class_group_id: FromQuery[UUID | None] = None,
) -> Template:
    """Ask for a list."""
    return await _import_page(actor, readers, class_group_id)


@post("/teach/people/import", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def preview_import(
    request: FormRequest,
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Show what would change; nothing is kept yet."""
    form = await request.form()
    try:
        upload = await _upload(form)
        roster = await asyncio.to_thread(read_upload, upload)
        report = await readers.read(
            foresee_import, actor, roster, upload.class_group_id, now_ms=clock()
        )
    except (Invalid, TooLarge, Forbidden) as refused:
        chosen = _class_of(form)
        text = str(form.get("text", ""))
        return await _import_page(actor, readers, chosen, text=text, refused=refused)
    return Template(
        "classes/templates/import_preview.html",
        context={"report": report, "packed": _pack(upload), "upload": upload},
    )


@post("/teach/people/import/confirm", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def confirm_import(
    request: FormRequest,
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template:
    """Do what the preview showed and say so."""
    upload = _unpack(str((await request.form()).get("packed", "")))
    roster = await asyncio.to_thread(read_upload, upload)
    report = await writer.write(
        import_roster,
        actor,
        roster,
        upload.class_group_id,
        skip_problems=True,  # the preview listed them above the button
        now_ms=clock(),
    )
    return Template(
        "classes/templates/import_done.html", context={"report": report, "upload": upload}
    )


async def _import_page(
    actor: Actor,
    readers: Readers,
    chosen: UUID | None,
    *,
    text: str = "",
    refused: DarasaError | None = None,
) -> Template:
    context = {
        "classes": await readers.read(classes_of, actor),
        "chosen": chosen,
        "text": text,
        "refused": refused,
    }
    return Template(IMPORT_PAGE, context=context, status_code=refused.status if refused else 200)


async def _upload(form: FormMultiDict) -> RosterUpload:
    """Raises Invalid when neither a list nor a file came."""
    parts = [part for part in form.getall("files", []) if isinstance(part, UploadFile)]
    files = [Upload(part.filename or "list", await part.read()) for part in parts]
    files = [file for file in files if file.content]
    try:
        return RosterUpload(
            text=None if files else str(form.get("text", "")),
            files=files,
            class_group_id=_class_of(form),
        )
    except ValueError as error:
        raise Invalid("there is neither a list nor a file") from error


def _class_of(form: FormMultiDict) -> UUID | None:
    said = str(form.get("class_group_id", ""))
    try:
        return UUID(said) if said else None
    except ValueError as error:
        raise Invalid("that is no class") from error


def _pack(upload: RosterUpload) -> str:
    """Put the list into one word, for the form that asks "is this right?"."""
    return base64.b64encode(msgspec.json.encode(upload)).decode()


def _unpack(packed: str) -> RosterUpload:
    try:
        return _UPLOAD.decode(base64.b64decode(packed, validate=True))
    except (binascii.Error, msgspec.DecodeError) as error:
        raise Invalid("the form was cut off; send the list again") from error


ROUTES: Final = (import_page, preview_import, confirm_import)
