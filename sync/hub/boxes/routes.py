"""The boards of a school, as JSON."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from sync.hub.accounts.models import Visitor
from sync.hub.aside.school import looking, writing
from sync.hub.boxes import queries
from sync.hub.boxes.commands import revoke
from sync.hub.boxes.models import Box, Revocation
from sync.hub.running import Hub


@get("/api/v1/schools/{school_id:uuid}/boxes")
async def list_boxes(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[Box]:
    """The school's boards: at work, replaced, closed."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.boxes(at.link, visitor.district_id, school_id, now_ms=hub.clock())


@post("/api/v1/schools/{school_id:uuid}/boxes/{node_id:uuid}/revocation", status_code=200)
async def revoke_box(
    school_id: FromPath[UUID],
    node_id: FromPath[UUID],
    data: JSONBody[Revocation],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> list[Box]:
    """Close a box that was lost or stolen. What it still brings waits for somebody to look."""
    async with writing(hub, visitor, school_id) as at:
        now_ms = hub.clock()
        await revoke(at.link, school_id, node_id, visitor.person_id, data, now_ms=now_ms)
        return await queries.boxes(at.link, visitor.district_id, school_id, now_ms=now_ms)


ROUTES: Final = (list_boxes, revoke_box)
