"""Pages: choose a person, confirm, and see who has forgotten them."""

from typing import Annotated, Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from sync.hub.accounts.models import Visitor
from sync.hub.aside.school import looking, writing
from sync.hub.erasure import queries
from sync.hub.erasure.commands import erase, require_same_name
from sync.hub.erasure.models import ErasureWish, Reason, Search
from sync.hub.running import Hub

TEMPLATES: Final = "hub/erasure/templates"


class ConfirmForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    reason: Reason


@get("/schools/{school_id:uuid}/erasures")
async def erasures_page(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    search: FromQuery[Search] = "",
) -> Template:
    """Show whom the school has forgotten, and people to choose from once a name is typed."""
    async with looking(hub, visitor, school_id) as at:
        listed = await queries.erasures(at.link, school_id)
        found = await queries.people(at.link, school_id, search) if search.strip() else None
    context = {"school": at.school, "erasures": listed, "people": found, "search": search}
    return Template(f"{TEMPLATES}/erasures.html", context=context)


@get("/schools/{school_id:uuid}/erasures/people/{person_id:uuid}")
async def confirm_page(
    school_id: FromPath[UUID],
    person_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Template:
    """Say what will be gone, and ask for the name."""
    async with looking(hub, visitor, school_id) as at:
        person = await queries.one_person(at.link, school_id, person_id)
    context = {"school": at.school, "person": person}
    return Template(f"{TEMPLATES}/confirm.html", context=context)


@post("/schools/{school_id:uuid}/erasures/people/{person_id:uuid}", status_code=303)
async def erase_on_page(
    school_id: FromPath[UUID],
    person_id: FromPath[UUID],
    data: URLEncodedBody[ConfirmForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Forget a person for good."""
    wish = ErasureWish(person_id=person_id, name=data.name, reason=data.reason)
    async with writing(hub, visitor, school_id) as at:
        person = await queries.one_person(at.link, school_id, person_id)
        require_same_name(person, wish.name)
        await erase(hub, at.link, school_id, visitor.person_id, wish)
    return Redirect(f"/schools/{school_id}/erasures/{person_id}", status_code=303)


@get("/schools/{school_id:uuid}/erasures/{person_id:uuid}")
async def certificate_page(
    school_id: FromPath[UUID],
    person_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Template:
    """Show which boxes have forgotten this person; it may be printed."""
    async with looking(hub, visitor, school_id) as at:
        found = await queries.certificate(at.link, visitor.district_id, at.school, person_id)
    return Template(
        f"{TEMPLATES}/certificate.html", context={"school": at.school, "certificate": found}
    )


ROUTES: Final = (erasures_page, confirm_page, erase_on_page, certificate_page)
