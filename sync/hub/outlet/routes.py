"""The way down over HTTP; what the messages mean stands in sync/protocol.py."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from sync.hub.intake.nodes import NodeClaim
from sync.hub.outlet.feed import Question, feed_page
from sync.hub.running import Hub
from sync.protocol import CONTENT_TYPE, PAGE_ROWS_MAX, ScopeCursor, encode

INT64_MAX: Final = (1 << 63) - 1


@get("/sync/v1/feed")
async def get_feed(  # noqa: PLR0913, PLR0917 -- a cursor has six parts
    hub: NamedDependency[Hub],
    claim: NamedDependency[NodeClaim],
    scope_id: FromQuery[UUID],
    incarnation: FromQuery[UUID],
    system: Annotated[str, QueryParameter(max_length=40)] = "",
    timeline: Annotated[int, QueryParameter(ge=0, le=INT64_MAX)] = 0,
    xid: Annotated[int, QueryParameter(ge=0, le=INT64_MAX)] = 0,
    no: Annotated[int, QueryParameter(ge=0, le=INT64_MAX)] = 0,
    limit: Annotated[int, QueryParameter(ge=1)] = PAGE_ROWS_MAX,
) -> Response[bytes]:
    """Give what the hub wrote for one scope after a cursor."""
    cursor = ScopeCursor(
        scope_id=scope_id,
        incarnation=incarnation,
        system=system,
        timeline=timeline,
        xid=xid,
        no=no,
    )
    page = await feed_page(hub, claim, Question(cursor, limit))
    return Response(encode(page), media_type=CONTENT_TYPE)


ROUTES: Final = (get_feed,)
