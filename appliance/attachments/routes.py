"""Files as bytes. A PUT may be sent any number of times."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, BinaryIO, Final
from urllib.parse import quote
from uuid import UUID

from litestar import Request, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from appliance.access.models import Actor
from appliance.attachments.commands import Arrived, add_file
from appliance.attachments.keeping import remove_unnamed
from appliance.attachments.models import Attachment
from appliance.attachments.queries import File, file_named, files_of, own_revision
from appliance.attachments.receiving import Incoming
from appliance.attachments.rules import FILE_BYTES_MAX, kept_name, kind_of
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.errors import DarasaError, NotFound
from appliance.settings import Settings

FORM_BYTES: Final = 64 << 10  # what a form puts around a file
PIECE_BYTES: Final = 256 << 10


async def take_file(
    pieces: AsyncIterator[bytes],
    ids: tuple[UUID, UUID],
    name: str,
    actor: Actor,
    box: tuple[Readers, Writer, Settings],
    *,
    now_ms: int,
) -> UUID:
    """Keep what arrives for (revision, attachment); return the piece of work it belongs to."""
    (revision_id, attachment_id), (readers, writer, settings) = ids, box
    own_revision(readers.here, revision_id, actor.person_id)  # before a byte is read
    kept, mime = kept_name(name), kind_of(name)
    with Incoming(settings.blobs, attachment_id) as incoming:
        await incoming.receive(pieces)
        is_new = await asyncio.to_thread(incoming.keep)
        arrived = Arrived(kept, mime, incoming.size_bytes, incoming.sha256)
        about = (actor.person_id, revision_id, attachment_id, arrived)
        try:
            submission_id = await writer.write(add_file, *about, now_ms=now_ms)
        except DarasaError:  # refused, so not committed; a cancelled request may well be
            if is_new:
                await writer.write(remove_unnamed, settings.blobs, [arrived.sha256])
            raise
        await asyncio.to_thread(incoming.keep)
    return submission_id


@put(
    "/api/v1/submission-revisions/{revision_id:uuid}/files/{attachment_id:uuid}",
    request_max_body_size=FILE_BYTES_MAX + FORM_BYTES,
)
async def put_file(  # noqa: PLR0913, PLR0917 -- a route's arguments are its dependencies
    request: Request[Any, Any, Any],
    revision_id: FromPath[UUID],
    attachment_id: FromPath[UUID],
    name: Annotated[str, QueryParameter(min_length=1, max_length=500)],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    writer: NamedDependency[Writer],
    settings: NamedDependency[Settings],
    clock: NamedDependency[Clock],
) -> list[Attachment]:
    """Add a file to what was handed in. 200 means: it is on the box's disk."""
    ids = (revision_id, attachment_id)
    box = (readers, writer, settings)
    submission_id = await take_file(request.stream(), ids, name, actor, box, now_ms=clock())
    return await readers.read(files_of, submission_id, actor.person_id)


@get("/api/v1/submissions/{submission_id:uuid}/files")
async def get_files(
    submission_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
) -> list[Attachment]:
    """Files of one piece of work, for its pupil and the teachers of the class."""
    return await readers.read(files_of, submission_id, actor.person_id)


@get("/api/v1/attachments/{attachment_id:uuid}")
async def get_file(
    attachment_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    settings: NamedDependency[Settings],
) -> Stream:
    """The file itself, always as a download: nothing a pupil sends runs in a teacher's browser."""
    found = await readers.read(file_named, attachment_id, actor.person_id)
    content = await asyncio.to_thread(_opened, settings, found)
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}",
        "content-security-policy": "sandbox; default-src 'none'",
    }
    headers["content-length"] = str(found.size_bytes)
    return Stream(_pieces(content), media_type=found.mime, headers=headers)


async def _pieces(content: BinaryIO) -> AsyncIterator[bytes]:
    """Forty phones may look at forty photos: none is held in memory whole."""
    with content:
        while piece := await asyncio.to_thread(content.read, PIECE_BYTES):
            yield piece


def _opened(settings: Settings, found: File) -> BinaryIO:
    """Raises NotFound while a file is still on its way back to this board."""
    try:
        return (settings.blobs / found.sha256.hex()).open("rb")
    except FileNotFoundError as error:
        raise NotFound(
            f"{found.name} is not on this box yet; it comes from the district"
        ) from error


ROUTES: Final = (put_file, get_files, get_file)
