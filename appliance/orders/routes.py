"""What comes from the district, and proposals to it, as JSON."""

from typing import Final
from uuid import UUID

from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from appliance.access.models import Actor
from appliance.clock import Clock, clock_quality
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.orders.commands import propose
from appliance.orders.models import Announcement, FromDistrict, NewProposal, ProposalRead
from appliance.orders.queries import announcements, from_district, proposals


@get("/api/v1/announcements", sync_to_thread=False)
def list_announcements(
    readers: NamedDependency[Readers], clock: NamedDependency[Clock]
) -> list[Announcement]:
    """What the district has to say now, newest first."""
    return announcements(readers.here, now_ms=clock(), quality=clock_quality())


@get("/api/v1/box/orders")
async def list_orders(readers: NamedDependency[Readers]) -> FromDistrict:
    """What the district asked of this box, what became of it, and what it has set."""
    return await readers.read(from_district)


@get("/api/v1/proposals")
async def list_proposals(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> list[ProposalRead]:
    """One's own proposals with what the district said; an administrator's are all."""
    return await readers.read(proposals, actor)


@put("/api/v1/proposals/{proposal_id:uuid}", status_code=200)
async def put_proposal(
    proposal_id: FromPath[UUID],
    data: JSONBody[NewProposal],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> ProposalRead:
    """Propose a change to what the district owns. Sending it again changes nothing."""
    return await writer.write(propose, actor, proposal_id, data, now_ms=clock())


ROUTES: Final = (list_announcements, list_orders, list_proposals, put_proposal)
