"""What the district asked of this box, and what the school proposes to it."""

from typing import Annotated, Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.ids import uuid7
from appliance.orders.commands import propose
from appliance.orders.models import WISH_LENGTH_MAX, NewProposal, ProposalKind
from appliance.orders.queries import about_whom, from_district, proposals
from appliance.orders.settable import LABELS


class ProposalForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed; `id` was made with the form, so sending it twice is one proposal."""

    id: UUID
    kind: ProposalKind
    about_id: UUID | None = None
    wish: Annotated[str, Meta(max_length=WISH_LENGTH_MAX)]


@get("/box/orders")
async def orders_page(readers: NamedDependency[Readers], clock: NamedDependency[Clock]) -> Template:
    """Show what the district asked, what became of it, and what it has set."""
    found = await readers.read(from_district)
    context = {"found": found, "labels": LABELS, "now_ms": clock()}
    return Template("orders/templates/orders.html", context=context)


@get("/teach/proposals")
async def proposals_page(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> Template:
    """List one's proposals and what the district said."""
    found = await readers.read(proposals, actor)
    return Template("orders/templates/proposals.html", context={"proposals": found})


@get("/teach/proposals/new")
async def new_proposal_page(
    actor: NamedDependency[Actor],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
    kind: FromQuery[ProposalKind] = "other",
    about_id: FromQuery[UUID | None] = None,
) -> Template:
    """Ask what should change in a row that one may see."""
    about = await readers.read(about_whom, actor, kind, about_id)
    context = {"id": uuid7(clock()), "kind": kind, "about_id": about_id, "about": about}
    return Template("orders/templates/proposal.html", context=context)


@post("/teach/proposals", status_code=303)
async def make_proposal(
    data: URLEncodedBody[ProposalForm],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Keep it; the agent carries it to the district."""
    new = NewProposal(kind=data.kind, about_id=data.about_id, wish=data.wish)
    await writer.write(propose, actor, data.id, new, now_ms=clock())
    return Redirect("/teach/proposals", status_code=303)


ROUTES: Final = (orders_page, proposals_page, new_proposal_page, make_proposal)
