"""Claiming the box and looking after people, as JSON."""

from typing import Final

from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.accounts.claiming import Claiming
from appliance.accounts.models import Claim, Claimed


@post("/api/v1/claim", status_code=201)
async def create_claim(
    data: JSONBody[Claim], claiming: NamedDependency[Claiming]
) -> Response[Claimed]:
    """Make this box a school. The recovery code in the answer is shown this once."""
    return Response(await claiming.claim(data))


ROUTES: Final = (create_claim,)
