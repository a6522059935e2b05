"""Pages for what was put aside and for rows with two versions."""

from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from sync.hub.accounts.models import Visitor
from sync.hub.aside import commands, queries
from sync.hub.aside.models import Choice, Dismissal, Reason, TableName
from sync.hub.aside.school import looking, writing
from sync.hub.running import Hub

TEMPLATES: Final = "hub/aside/templates"


class ChoiceForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row or one group; and why, where rows are dismissed."""

    row_id: Annotated[str, Meta(max_length=36)] = ""
    tbl: TableName | None = None
    reason: Annotated[str, Meta(max_length=500)] | None = None

    def choice(self) -> Choice:
        """A row's own id says more than its group."""
        if self.row_id:
            return Choice(row_id=UUID(self.row_id))
        return Choice(tbl=self.tbl, reason=self.reason)


class DismissalForm(ChoiceForm, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same, and why."""

    why: Reason


@get("/schools/{school_id:uuid}/aside")
async def aside_page(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    merged: FromQuery[int | None] = None,
    kept: FromQuery[int | None] = None,
    dismissed: FromQuery[int | None] = None,
) -> Template:
    """Show what was put aside, by table and reason, and the way to rows with two versions."""
    async with looking(hub, visitor, school_id) as at:
        groups = await queries.aside_groups(at.link, school_id)
    context = {"school": at.school, "groups": groups, "merged": merged, "kept": kept}
    return Template(f"{TEMPLATES}/aside.html", context=context | {"dismissed": dismissed})


@get("/schools/{school_id:uuid}/aside/rows")
async def rows_page(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    tbl: FromQuery[str] = "",
    reason: FromQuery[str] = "",
    after: FromQuery[UUID] = queries.FIRST_ID,
) -> Template:
    """List one group."""
    choice = Choice(tbl=tbl, reason=reason)
    async with looking(hub, visitor, school_id) as at:
        page = await queries.aside_rows(at.link, school_id, visitor.district_id, choice, after)
    context = {"school": at.school, "page": page, "choice": choice}
    return Template(f"{TEMPLATES}/rows.html", context=context)


@get("/schools/{school_id:uuid}/aside/rows/{row_id:uuid}")
async def row_page(
    school_id: FromPath[UUID],
    row_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Template:
    """Show one row as it came."""
    async with looking(hub, visitor, school_id) as at:
        detail = await queries.aside_detail(at.link, school_id, visitor.district_id, row_id)
    context = {"school": at.school, "detail": detail}
    return Template(f"{TEMPLATES}/row.html", context=context)


@post("/schools/{school_id:uuid}/aside/replay", status_code=303)
async def replay_on_page(
    school_id: FromPath[UUID],
    data: URLEncodedBody[ChoiceForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Try rows again."""
    async with looking(hub, visitor, school_id):
        pass
    done = await commands.replay(hub, school_id, visitor.person_id, data.choice())
    told = urlencode({"merged": done.merged, "kept": done.still_aside})
    return Redirect(f"/schools/{school_id}/aside?{told}", status_code=303)


@post("/schools/{school_id:uuid}/aside/dismiss", status_code=303)
async def dismiss_on_page(
    school_id: FromPath[UUID],
    data: URLEncodedBody[DismissalForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Decide that rows stay out."""
    choice = data.choice()
    dismissal = Dismissal(
        row_id=choice.row_id, tbl=choice.tbl, reason=choice.reason, why=data.why.strip()
    )
    async with writing(hub, visitor, school_id) as at:
        count = await commands.dismiss(
            at.link, school_id, visitor.person_id, dismissal, now_ms=hub.clock()
        )
    return Redirect(f"/schools/{school_id}/aside?dismissed={count}", status_code=303)


@get("/schools/{school_id:uuid}/conflicts")
async def conflicts_page(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    before: FromQuery[UUID] = queries.LAST_ID,
    seen: FromQuery[bool] = False,  # noqa: FBT002 -- a query's parameter
) -> Template:
    """List rows with two versions."""
    async with looking(hub, visitor, school_id) as at:
        page = await queries.conflicts(
            at.link, school_id, visitor.district_id, before=before, is_all=seen
        )
    context = {"school": at.school, "page": page, "seen": seen}
    return Template(f"{TEMPLATES}/conflicts.html", context=context)


@get("/schools/{school_id:uuid}/conflicts/{conflict_id:uuid}")
async def conflict_page(
    school_id: FromPath[UUID],
    conflict_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Template:
    """Show both versions side by side."""
    async with looking(hub, visitor, school_id) as at:
        detail = await queries.conflict_detail(at.link, school_id, visitor.district_id, conflict_id)
    context = {"school": at.school, "detail": detail}
    return Template(f"{TEMPLATES}/conflict.html", context=context)


@post("/schools/{school_id:uuid}/conflicts/{conflict_id:uuid}/look", status_code=303)
async def look_on_page(
    school_id: FromPath[UUID],
    conflict_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Note the look, and go on to the next."""
    async with writing(hub, visitor, school_id) as at:
        await commands.note_look(
            at.link, school_id, visitor.person_id, conflict_id, now_ms=hub.clock()
        )
    return Redirect(f"/schools/{school_id}/conflicts", status_code=303)


ROUTES: Final = (
    aside_page,
    rows_page,
    row_page,
    replay_on_page,
    dismiss_on_page,
    conflicts_page,
    conflict_page,
    look_on_page,
)
