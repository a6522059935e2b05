"""Files over HTTP, piece by piece."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from appliance.errors import Invalid
from sync.hub.blobs.keeping import read_part, take_chunk
from sync.hub.intake.nodes import NodeClaim
from sync.hub.running import Hub
from sync.protocol import BLOB_CHUNK_BYTES_MAX, CONTENT_TYPE, BlobChunk, decode, encode

CHUNK_MESSAGE_BYTES_MAX: Final = BLOB_CHUNK_BYTES_MAX + 1_024  # the piece and its names


@post("/sync/v1/blobs", request_max_body_size=CHUNK_MESSAGE_BYTES_MAX, status_code=200)
async def post_chunk(
    request: Request[Any, Any, Any], hub: NamedDependency[Hub], claim: NamedDependency[NodeClaim]
) -> Response[bytes]:
    """Keep a piece of a file, or say how much of it is here."""
    try:
        chunk = decode(await request.body(), BlobChunk)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"the body is no BlobChunk: {error}") from error
    return Response(encode(await take_chunk(hub, claim, chunk)), media_type=CONTENT_TYPE)


@get("/sync/v1/blobs/{sha256:str}")
async def get_part(
    sha256: FromPath[str],
    offset: Annotated[int, QueryParameter(ge=0, le=(1 << 63) - 1)],
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
) -> Response[bytes]:
    """Give a piece of a file back to a box that lost it."""
    try:
        wanted = bytes.fromhex(sha256)
    except ValueError as error:
        raise Invalid("a file is named by 64 hexadecimal digits") from error
    part = await read_part(hub, claim, wanted, offset)
    return Response(encode(part), media_type=CONTENT_TYPE)


ROUTES: Final = (post_chunk, get_part)
