"""The page where a stick's files are handed to the hub, and where its answer is fetched."""

import asyncio
from typing import Any, Final
from uuid import UUID

from litestar import Request, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import File, Template

from appliance.archives import BrokenArchive
from appliance.errors import DarasaError, TooLarge
from sync.hub.faults import StickEmpty
from sync.hub.running import Hub
from sync.hub.sticks.uploading import (
    STICK_BYTES_MAX,
    Taken,
    answer_file,
    take_upload,
    unpacked,
)

PAGE: Final = "hub/sticks/templates/sticks.html"
FORM_BYTES: Final = 8 << 20  # the names of FILES_MAX files, and what stands between them


@get("/sticks", sync_to_thread=False)
def sticks_page() -> Template:
    """Show the form."""
    return _page(None, None)


@post("/sticks", request_max_body_size=STICK_BYTES_MAX + FORM_BYTES, status_code=200)
async def upload_stick(request: Request[Any, Any, Any], hub: NamedDependency[Hub]) -> Template:
    """Take in what was chosen, and say what became of it."""
    form = await request.form()
    parts = [part for part in form.getall("files", []) if isinstance(part, UploadFile)]
    try:
        return _page(await take_upload(hub, await _files(parts)), None)
    except (StickEmpty, BrokenArchive, TooLarge) as refused:
        return _page(None, refused)


@get("/sticks/{upload_id:uuid}/answer", sync_to_thread=False)
def stick_answer(upload_id: FromPath[UUID], hub: NamedDependency[Hub]) -> File:
    """Return the answer's files, for the box that asked and nobody else."""
    return File(
        path=answer_file(hub, upload_id),
        filename="darasa-answer.zip",
        media_type="application/zip",
    )


async def _files(parts: list[UploadFile]) -> dict[str, bytes]:
    """Unpack what was chosen; all zips together stay within the bound of one."""
    files: dict[str, bytes] = {}
    left = STICK_BYTES_MAX
    for part in parts:
        name, content = part.filename or "", await part.read()
        found = await asyncio.to_thread(unpacked, name, content, left)
        left -= sum(map(len, found.values()))
        files |= found
    return files


def _page(taken: Taken | None, refused: DarasaError | None) -> Template:
    context = {"taken": taken, "refused": refused, "mb_max": STICK_BYTES_MAX >> 20}
    return Template(PAGE, context=context, status_code=refused.status if refused else 200)


ROUTES: Final = (sticks_page, upload_stick, stick_answer)
