"""One school of the district, looked at or written to, once it is known to be the district's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from msgspec import Struct

from sync.hub.accounts.models import Visitor
from sync.hub.database import Link, scoped, set_scope
from sync.hub.fleet.models import School
from sync.hub.reports.queries import one_school
from sync.hub.running import Hub


class At(Struct, frozen=True):
    """A transaction, and the school it is about."""

    link: Link
    school: School


@asynccontextmanager
async def looking(hub: Hub, visitor: Visitor, school_id: UUID) -> AsyncIterator[At]:
    """Read as the district. Raises NotFound for a school that is not its own."""
    district_id = visitor.district_id
    async with scoped(hub.pools.web, district_id=district_id) as link:
        yield At(link, await one_school(link, district_id, school_id, now_ms=hub.clock()))


@asynccontextmanager
async def writing(hub: Hub, visitor: Visitor, school_id: UUID) -> AsyncIterator[At]:
    """Write into one school of the district. Raises NotFound, and then nothing is opened."""
    async with looking(hub, visitor, school_id) as at:
        await set_scope(at.link, school_id=school_id, district_id=visitor.district_id)
        yield at
