"""What one school is asked, what became of it, and its roster."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.errors import FieldError, Invalid
from appliance.ids import uuid7
from appliance.orders.payloads import Kind
from sync.hub.accounts.models import Visitor
from sync.hub.orders import queries
from sync.hub.orders.commands import give_command, withdraw_command
from sync.hub.orders.faults import BadRoster
from sync.hub.orders.models import NewCommand, RosterReport
from sync.hub.orders.roster import ROSTER_BYTES_MAX, read_roster, write_roster
from sync.hub.orders.rows import derived_id, pen_of
from sync.hub.reports.queries import one_school
from sync.hub.running import Hub

HOUR_MS: Final = 60 * 60 * 1_000
TEMPLATES: Final = "hub/orders/templates"
IdTyped = Annotated[str, Meta(max_length=36)]


class CommandForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One of the five forms as typed; `id` came with it, so sending it twice asks once."""

    id: UUID
    kind: Kind
    display_name: Annotated[str, Meta(max_length=200)] = ""
    role: Annotated[str, Meta(max_length=20)] = "learner"
    class_group_id: IdTyped = ""
    person_id: IdTyped = ""
    from_class_id: IdTyped = ""
    to_class_id: IdTyped = ""
    course_version_id: IdTyped = ""
    assessment_id: IdTyped = ""
    due: Annotated[str, Meta(max_length=40)] = ""
    hours: Annotated[str, Meta(max_length=4)] = ""


class RosterForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The list as pasted."""

    pupils: str = ""


@get("/schools/{school_id:uuid}/orders")
async def orders_page(
    school_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
    class_group_id: FromQuery[UUID | None] = None,
) -> Template:
    """Show what the school was asked, and ask for more."""
    async with pen_of(hub, visitor, school_id) as pen:
        context = {
            "school": await one_school(pen.link, visitor.district_id, school_id, now_ms=pen.now_ms),
            "commands": await queries.commands(pen.link, visitor.district_id, school_id),
            "choices": await queries.choices(pen.link, school_id, class_group_id),
            "class_group_id": class_group_id,
            "new_id": lambda: uuid7(pen.now_ms),
            "now_ms": pen.now_ms,
        }
    return Template(f"{TEMPLATES}/orders.html", context=context)


@post("/schools/{school_id:uuid}/orders", status_code=303)
async def ask_on_page(
    school_id: FromPath[UUID],
    data: URLEncodedBody[CommandForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Ask the box to do something."""
    async with pen_of(hub, visitor, school_id) as pen:
        await give_command(pen, data.id, visitor.person_id, _asked(data, pen.now_ms))
    return Redirect(f"/schools/{school_id}/orders", status_code=303)


@post("/schools/{school_id:uuid}/orders/{command_id:uuid}/withdraw", status_code=303)
async def withdraw_on_page(
    school_id: FromPath[UUID],
    command_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Take an order back."""
    async with pen_of(hub, visitor, school_id) as pen:
        await withdraw_command(pen, command_id)
    return Redirect(f"/schools/{school_id}/orders", status_code=303)


@get("/schools/{school_id:uuid}/roster")
async def roster_page(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template:
    """Ask for a school's classes and pupils."""
    return await _roster(hub, visitor, school_id)


@post("/schools/{school_id:uuid}/roster", status_code=200, request_max_body_size=ROSTER_BYTES_MAX)
async def roster_on_page(
    school_id: FromPath[UUID],
    data: URLEncodedBody[RosterForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Template:
    """Write the pasted list, or show it again with what is wrong in it."""
    try:
        async with pen_of(hub, visitor, school_id) as pen:
            report = await write_roster(pen, read_roster(data.pupils))
    except BadRoster as refused:
        return await _roster(hub, visitor, school_id, typed=data.pupils, refused=refused)
    return await _roster(hub, visitor, school_id, report=report)


ROUTES: Final = (orders_page, ask_on_page, withdraw_on_page, roster_page, roster_on_page)


def _asked(form: CommandForm, now_ms: int) -> NewCommand:
    """Take from the form what its kind needs. Raises msgspec.ValidationError, Invalid."""
    payload: dict[str, Any]
    match form.kind:
        case "create_person":
            payload = {
                "person_id": str(derived_id(form.id, "person")),
                "display_name": form.display_name.strip(),
                "role": form.role,
                "class_group_id": form.class_group_id or None,
            }
        case "reset_pin":
            payload = {"person_id": form.person_id}
        case "move_person":
            payload = {
                "person_id": form.person_id,
                "from_class_id": form.from_class_id,
                "to_class_id": form.to_class_id,
            }
        case "publish_course_version":
            payload = {"course_version_id": form.course_version_id}
        case "set_due_date":
            payload = {"assessment_id": form.assessment_id, "due_at_ms": _due_at_ms(form.due)}
    hours = msgspec.convert(form.hours or "0", int, strict=False)
    expires_at_ms = now_ms + hours * HOUR_MS if hours else None
    return NewCommand(kind=form.kind, payload=payload, expires_at_ms=expires_at_ms)


def _due_at_ms(typed: str) -> int | None:
    """Read a local moment in the hub's time zone; nothing typed is no due time."""
    if not typed.strip():
        return None
    try:
        return round(datetime.fromisoformat(typed.strip()).timestamp() * 1_000)
    except (ValueError, OverflowError) as error:
        wrong = FieldError("due", "Choose a day and a time.")
        raise Invalid("the due time cannot be read", [wrong]) from error


async def _roster(
    hub: Hub,
    visitor: Visitor,
    school_id: UUID,
    *,
    typed: str = "",
    refused: BadRoster | None = None,
    report: RosterReport | None = None,
) -> Template:
    async with pen_of(hub, visitor, school_id) as pen:
        school = await one_school(pen.link, visitor.district_id, school_id, now_ms=pen.now_ms)
    context = {"school": school, "typed": typed, "refused": refused, "report": report}
    status = refused.status if refused else 200
    return Template(f"{TEMPLATES}/roster.html", context=context, status_code=status)
