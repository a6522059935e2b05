"""Claiming the box, as JSON."""

from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.accounts.claiming import Claiming
from appliance.accounts.models import (
    Claim,
    Claimed,
    ClaimProgress,
    RecoveryCode,
    Replacement,
    Takeover,
)
from appliance.accounts.queries import claim_progress
from appliance.database.readers import Readers


@post("/api/v1/claim", status_code=201)
async def create_claim(data: JSONBody[Claim], claiming: NamedDependency[Claiming]) -> Claimed:
    """Make this box a school. The recovery code in the answer is shown this once."""
    return await claiming.claim(data)


@get("/api/v1/claim", sync_to_thread=False)
def get_claim(readers: NamedDependency[Readers]) -> ClaimProgress:
    """How far this box is on its way to being a school's."""
    return claim_progress(readers.here)


@post("/api/v1/claim/replacement", status_code=201)
async def create_replacement(
    data: JSONBody[Replacement], claiming: NamedDependency[Claiming]
) -> RecoveryCode:
    """Ask the district for the school of a lost box."""
    return RecoveryCode(await claiming.replace(data))


@post("/api/v1/claim/take-over", status_code=204)
async def create_takeover(data: JSONBody[Takeover], claiming: NamedDependency[Claiming]) -> None:
    """Give an administrator of the school that came back a password here."""
    await claiming.take_over(data)


ROUTES: Final = (get_claim, create_claim, create_replacement, create_takeover)
