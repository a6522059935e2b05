"""The list of schools, and the page where a box gets its token."""

from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Template
from msgspec import Meta, Struct

from sync.hub.accounts.models import Visitor
from sync.hub.database import scoped
from sync.hub.fleet.commands import make_token
from sync.hub.fleet.health import box_needs
from sync.hub.fleet.models import HOURS_DEFAULT, NewToken, TokenMade
from sync.hub.fleet.queries import enrolment_tokens, schools
from sync.hub.running import Hub


class TokenForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed."""

    mode: Literal["adopt", "replace", "second"]
    school_id: Annotated[str, Meta(max_length=36)] = ""
    school_name: Annotated[str, Meta(max_length=200)] = ""
    hours: Annotated[str, Meta(max_length=4)] = str(HOURS_DEFAULT)


@get("/")
async def schools_page(hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]) -> Template:
    """Show every school, those that need somebody first."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        found = await schools(link, visitor.district_id, now_ms=hub.clock())
    order = ("trouble", "silent", "new", "waiting", "well")
    found.sort(key=lambda school: order.index(school.state))
    needs = {school.school_id: box_needs(school) for school in found}
    context = {"schools": found, "needs": needs}
    return Template("hub/fleet/templates/schools.html", context=context)


@get("/enrolment-tokens")
async def tokens_page(hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]) -> Template:
    """Show the form and what became of earlier tokens."""
    return await _page(hub, visitor, None)


@post("/enrolment-tokens", status_code=200)
async def make_token_page(
    data: URLEncodedBody[TokenForm], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template:
    """Make a token and show it this once."""
    mode = "adopt" if data.mode == "second" else data.mode
    wanted = {"mode": mode, "hours": data.hours.strip()}
    if data.mode in {"replace", "second"} and data.school_id:
        wanted["school_id"] = data.school_id
    if data.mode == "adopt" and data.school_name.strip():
        wanted["school_name"] = data.school_name.strip()
    new = msgspec.convert(wanted, NewToken, strict=False)
    district_id = visitor.district_id
    async with scoped(hub.pools.web, school_id=district_id, district_id=district_id) as link:
        made = await make_token(link, district_id, visitor.person_id, new, now_ms=hub.clock())
    return await _page(hub, visitor, made)


async def _page(hub: Hub, visitor: Visitor, made: TokenMade | None) -> Template:
    district_id: UUID = visitor.district_id
    async with scoped(hub.pools.web, school_id=district_id, district_id=district_id) as link:
        known = await schools(link, district_id, now_ms=hub.clock())
        tokens = await enrolment_tokens(link, district_id)
    return Template(
        "hub/fleet/templates/tokens.html",
        context={"schools": known, "tokens": tokens, "made": made, "now_ms": hub.clock()},
    )


ROUTES: Final = (schools_page, tokens_page, make_token_page)
