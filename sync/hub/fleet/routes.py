"""The fleet as JSON."""

from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from sync.hub.accounts.models import Visitor
from sync.hub.database import scoped
from sync.hub.fleet.commands import make_token
from sync.hub.fleet.models import NewToken, School, TokenListed, TokenMade
from sync.hub.fleet.queries import enrolment_tokens, schools
from sync.hub.running import Hub


@get("/api/v1/schools")
async def list_schools(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[School]:
    """Every school of the district and how it is."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        return await schools(link, visitor.district_id, now_ms=hub.clock())


@get("/api/v1/enrolment-tokens")
async def list_tokens(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[TokenListed]:
    """The newest enrolment tokens and what became of them."""
    district_id = visitor.district_id
    async with scoped(hub.pools.web, school_id=district_id, district_id=district_id) as link:
        return await enrolment_tokens(link, district_id)


@post("/api/v1/enrolment-tokens", status_code=201)
async def create_token(
    data: JSONBody[NewToken], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> TokenMade:
    """Make a one-time token; it is shown this once."""
    district_id = visitor.district_id
    async with scoped(hub.pools.web, school_id=district_id, district_id=district_id) as link:
        return await make_token(link, district_id, visitor.person_id, data, now_ms=hub.clock())


ROUTES: Final = (list_schools, list_tokens, create_token)
