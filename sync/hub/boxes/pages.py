"""The page where a lost box is closed."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template

from sync.hub.accounts.models import Visitor
from sync.hub.aside.school import looking, writing
from sync.hub.boxes import queries
from sync.hub.boxes.commands import revoke
from sync.hub.boxes.models import Revocation
from sync.hub.running import Hub


@get("/schools/{school_id:uuid}/boxes")
async def boxes_page(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template:
    """Show the school's boards."""
    async with looking(hub, visitor, school_id) as at:
        found = await queries.boxes(at.link, visitor.district_id, school_id, now_ms=hub.clock())
    return Template("hub/boxes/templates/boxes.html", context={"school": at.school, "boxes": found})


@post("/schools/{school_id:uuid}/boxes/{node_id:uuid}/revocation", status_code=303)
async def revoke_on_page(
    school_id: FromPath[UUID],
    node_id: FromPath[UUID],
    data: URLEncodedBody[Revocation],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Close a box."""
    async with writing(hub, visitor, school_id) as at:
        await revoke(at.link, school_id, node_id, visitor.person_id, data, now_ms=hub.clock())
    return Redirect(f"/schools/{school_id}/boxes", status_code=303)


ROUTES: Final = (boxes_page, revoke_on_page)
