"""Claiming the box, and the list of people, as JSON."""

from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.access.commands import PIN_TRIES_MAX
from appliance.access.models import Actor
from appliance.accounts.claiming import Claiming
from appliance.accounts.models import Claim, Claimed, Person
from appliance.accounts.queries import people
from appliance.database.readers import Readers


@post("/api/v1/claim", status_code=201)
async def create_claim(data: JSONBody[Claim], claiming: NamedDependency[Claiming]) -> Claimed:
    """Make this box a school. The recovery code in the answer is shown this once."""
    return await claiming.claim(data)


@get("/api/v1/people")
async def list_people(
    actor: NamedDependency[Actor], readers: NamedDependency[Readers]
) -> list[Person]:
    """Everybody of the school, by name."""
    return await readers.read(people, actor.school_id, tries_max=PIN_TRIES_MAX)


ROUTES: Final = (create_claim, list_people)
