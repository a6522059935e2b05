"""Forgetting a person, as JSON; each the twin of a page."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from sync.hub.accounts.models import Visitor
from sync.hub.aside.school import looking, writing
from sync.hub.erasure import queries
from sync.hub.erasure.commands import erase, require_same_name
from sync.hub.erasure.models import (
    Certificate,
    ErasureListed,
    ErasureWish,
    PersonFound,
    Search,
)
from sync.hub.running import Hub


@get("/api/v1/schools/{school_id:uuid}/erasures/people")
async def list_people(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    search: FromQuery[Search] = "",
) -> list[PersonFound]:
    """People of the school who may be chosen, at most fifty."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.people(at.link, school_id, search)


@get("/api/v1/schools/{school_id:uuid}/erasures")
async def list_erasures(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[ErasureListed]:
    """Whom the school has been asked to forget, and how many of its boxes have."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.erasures(at.link, school_id)


@post("/api/v1/schools/{school_id:uuid}/erasures", status_code=201)
async def create_erasure(
    school_id: FromPath[UUID],
    data: JSONBody[ErasureWish],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Certificate:
    """Forget a person for good. Their name is typed once more; nothing brings them back."""
    async with writing(hub, visitor, school_id) as at:
        person = await queries.one_person(at.link, school_id, data.person_id)
        require_same_name(person, data.name)
        await erase(hub, at.link, school_id, visitor.person_id, data)
        return await queries.certificate(at.link, visitor.district_id, at.school, data.person_id)


@get("/api/v1/schools/{school_id:uuid}/erasures/{person_id:uuid}")
async def get_certificate(
    school_id: FromPath[UUID],
    person_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Certificate:
    """Which boxes have forgotten this person; done when all that are at work have."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.certificate(at.link, visitor.district_id, at.school, person_id)


ROUTES: Final = (list_people, list_erasures, create_erasure, get_certificate)
