"""What was put aside and what has two versions, as JSON; each the twin of a page."""

from typing import Final
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Struct

from sync.hub.accounts.models import Visitor
from sync.hub.aside import commands, queries
from sync.hub.aside.models import (
    AsideDetail,
    Choice,
    ConflictDetail,
    ConflictsListed,
    Dismissal,
    Group,
    Replayed,
    RowsListed,
)
from sync.hub.aside.school import looking, writing
from sync.hub.running import Hub


class Dismissed(Struct, frozen=True):
    """How many rows were dismissed."""

    dismissed: int


@get("/api/v1/schools/{school_id:uuid}/aside")
async def list_aside(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[Group]:
    """What was put aside, by table and reason."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.aside_groups(at.link, school_id)


@get("/api/v1/schools/{school_id:uuid}/aside/rows")
async def list_rows(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    tbl: FromQuery[str] = "",
    reason: FromQuery[str] = "",
    after: FromQuery[UUID] = queries.FIRST_ID,
) -> RowsListed:
    """The rows of one group, a page at a time, without their content."""
    async with looking(hub, visitor, school_id) as at:
        choice = Choice(tbl=tbl, reason=reason)
        return await queries.aside_rows(at.link, school_id, visitor.district_id, choice, after)


@get("/api/v1/schools/{school_id:uuid}/aside/rows/{row_id:uuid}")
async def get_row(
    school_id: FromPath[UUID],
    row_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> AsideDetail:
    """One row with its content, as its box sent it."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.aside_detail(at.link, school_id, visitor.district_id, row_id)


@post("/api/v1/schools/{school_id:uuid}/aside/replay", status_code=200)
async def replay_rows(
    school_id: FromPath[UUID],
    data: JSONBody[Choice],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Replayed:
    """Try rows again, at most a thousand at once. Safe to repeat."""
    async with looking(hub, visitor, school_id):
        pass
    return await commands.replay(hub, school_id, visitor.person_id, data)


@post("/api/v1/schools/{school_id:uuid}/aside/dismiss", status_code=200)
async def dismiss_rows(
    school_id: FromPath[UUID],
    data: JSONBody[Dismissal],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Dismissed:
    """Decide that rows stay out. They are kept, and their box is told why."""
    async with writing(hub, visitor, school_id) as at:
        count = await commands.dismiss(
            at.link, school_id, visitor.person_id, data, now_ms=hub.clock()
        )
    return Dismissed(count)


@get("/api/v1/schools/{school_id:uuid}/conflicts")
async def list_conflicts(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    before: FromQuery[UUID] = queries.LAST_ID,
    seen: FromQuery[bool] = False,  # noqa: FBT002 -- a query's parameter
) -> ConflictsListed:
    """Rows with two versions, newest first; with `seen` also those somebody has looked at."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.conflicts(
            at.link, school_id, visitor.district_id, before=before, is_all=seen
        )


@get("/api/v1/schools/{school_id:uuid}/conflicts/{conflict_id:uuid}")
async def get_conflict(
    school_id: FromPath[UUID],
    conflict_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> ConflictDetail:
    """Both versions of one row."""
    async with looking(hub, visitor, school_id) as at:
        return await queries.conflict_detail(at.link, school_id, visitor.district_id, conflict_id)


@post("/api/v1/schools/{school_id:uuid}/conflicts/{conflict_id:uuid}/look", status_code=204)
async def post_look(
    school_id: FromPath[UUID],
    conflict_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> None:
    """Note that both versions were looked at. Safe to repeat; the first look stays."""
    async with writing(hub, visitor, school_id) as at:
        await commands.note_look(
            at.link, school_id, visitor.person_id, conflict_id, now_ms=hub.clock()
        )


ROUTES: Final = (
    list_aside,
    list_rows,
    get_row,
    replay_rows,
    dismiss_rows,
    list_conflicts,
    get_conflict,
    post_look,
)
