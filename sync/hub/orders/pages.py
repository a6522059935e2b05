"""What the district says to its schools, sets for them, publishes, and decides."""

import asyncio
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.courses.folder import read_folder
from appliance.courses.uploads import UPLOAD_BYTES_MAX, read_upload
from appliance.errors import DarasaError, Invalid, TooLarge
from appliance.ids import uuid7
from appliance.orders.settable import LABELS
from sync.hub.accounts.models import Visitor
from sync.hub.database import scoped
from sync.hub.fleet.queries import schools
from sync.hub.orders import queries
from sync.hub.orders.commands import announce, put_setting
from sync.hub.orders.courses import publish_course
from sync.hub.orders.models import (
    BODY_LENGTH_MAX,
    REASON_LENGTH_MAX,
    CoursePublished,
    Decision,
    NewAnnouncement,
    NewDecision,
    NewSetting,
)
from sync.hub.orders.routes import LANGUAGE, settle, take_back
from sync.hub.orders.rows import pen_of
from sync.hub.running import Hub

DAY_MS: Final = 24 * 60 * 60 * 1_000
TEMPLATES: Final = "hub/orders/templates"
Typed = Annotated[str, Meta(max_length=200)]
ScopeTyped = Annotated[str, Meta(max_length=36)]


class AnnouncementForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed; `id` came with it, so sending it twice says it once."""

    id: UUID
    scope_id: ScopeTyped = ""
    title: Typed = ""
    body: Annotated[str, Meta(max_length=2 * BODY_LENGTH_MAX)] = ""
    days: Annotated[str, Meta(max_length=4)] = ""


class SettingForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed."""

    scope_id: ScopeTyped = ""
    key: Typed = ""
    value: Annotated[str, Meta(max_length=100)] = ""


class DecisionForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The form as typed."""

    state: Decision
    reason: Annotated[str, Meta(max_length=REASON_LENGTH_MAX)] = ""
    name: Typed = ""


@get("/announcements")
async def announcements_page(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template:
    """Show what was said and ask what there is to say."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        context = {
            "schools": await schools(link, visitor.district_id, now_ms=hub.clock()),
            "announcements": await queries.announcements(link),
            "id": uuid7(hub.clock()),
            "now_ms": hub.clock(),
        }
    return Template(f"{TEMPLATES}/announcements.html", context=context)


@post("/announcements", status_code=303)
async def announce_on_page(
    data: URLEncodedBody[AnnouncementForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Say it from now on, for as many days as was chosen."""
    now_ms = hub.clock()
    wanted = {"title": data.title.strip(), "body": data.body.strip(), "from_at_ms": now_ms}
    if data.scope_id:
        wanted["scope_id"] = data.scope_id
    if data.days:
        wanted["until_at_ms"] = now_ms + msgspec.convert(data.days, int, strict=False) * DAY_MS
    new = msgspec.convert(wanted, NewAnnouncement)
    async with pen_of(hub, visitor, new.scope_id) as pen:
        if await pen.read("announcement", data.id) is None:
            await announce(pen, data.id, new)
    return Redirect("/announcements", status_code=303)


@post("/announcements/{announcement_id:uuid}/withdraw", status_code=303)
async def withdraw_announcement(
    announcement_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Redirect:
    """Take it back."""
    await take_back(hub, visitor, "announcement", announcement_id)
    return Redirect("/announcements", status_code=303)


@get("/settings")
async def settings_page(hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]) -> Template:
    """Show what is set."""
    return await _settings(hub, visitor, SettingForm(), None)


@post("/settings", status_code=303)
async def set_on_page(
    data: URLEncodedBody[SettingForm], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template | Redirect:
    """Set a value."""
    wanted = {"key": data.key, "value": data.value.strip()}
    if data.scope_id:
        wanted["scope_id"] = data.scope_id
    try:
        new = msgspec.convert(wanted, NewSetting)
    except msgspec.ValidationError:
        return await _settings(hub, visitor, data, BAD_VALUE)
    async with pen_of(hub, visitor, new.scope_id) as pen:
        await put_setting(pen, new)
    return Redirect("/settings", status_code=303)


@post("/settings/{setting_id:uuid}/withdraw", status_code=303)
async def unset_on_page(
    setting_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Redirect:
    """Unset a value."""
    await take_back(hub, visitor, "setting", setting_id)
    return Redirect("/settings", status_code=303)


@get("/proposals")
async def proposals_page(hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]) -> Template:
    """Show what schools would like changed, open ones first."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        found = await queries.proposals(link)
    return Template(f"{TEMPLATES}/proposals.html", context={"proposals": found})


@post("/proposals/{proposal_id:uuid}/decision", status_code=303)
async def decide_on_page(
    proposal_id: FromPath[UUID],
    data: URLEncodedBody[DecisionForm],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> Redirect:
    """Accept or refuse."""
    named = data.name.strip() if data.state == "accepted" else ""
    new = NewDecision(state=data.state, reason=data.reason, name=named or None)
    await settle(hub, visitor, proposal_id, new)
    return Redirect("/proposals", status_code=303)


@get("/courses")
async def courses_page(hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]) -> Template:
    """Show the district's shelf."""
    return await _courses(hub, visitor)


@post("/courses", status_code=200, request_max_body_size=UPLOAD_BYTES_MAX)
async def publish_on_page(
    request: Request[Any, Any, Any], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> Template:
    """Publish a folder for every school."""
    try:
        upload = await read_upload(request)
        course = await asyncio.to_thread(
            read_folder, upload.files, name=upload.name, language=LANGUAGE
        )
        form = await request.form()
        version_id = msgspec.convert(form.get("id"), UUID)
    except (Invalid, TooLarge) as refused:
        return await _courses(hub, visitor, refused=refused)
    async with pen_of(hub, visitor) as pen:
        published = await publish_course(pen, version_id, course)
    return await _courses(hub, visitor, published=published)


ROUTES: Final = (
    announcements_page,
    announce_on_page,
    withdraw_announcement,
    settings_page,
    set_on_page,
    unset_on_page,
    proposals_page,
    decide_on_page,
    courses_page,
    publish_on_page,
)

BAD_VALUE: Final = "A whole number of bytes, 100000 or more, or hours like 18-6,12-13."


async def _settings(hub: Hub, visitor: Visitor, typed: SettingForm, error: str | None) -> Template:
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        context = {
            "schools": await schools(link, visitor.district_id, now_ms=hub.clock()),
            "settings": await queries.settings(link),
            "labels": LABELS,
            "typed": typed,
            "error": error or "",
        }
    return Template(
        f"{TEMPLATES}/settings.html", context=context, status_code=422 if error else 200
    )


async def _courses(
    hub: Hub,
    visitor: Visitor,
    *,
    published: CoursePublished | None = None,
    refused: DarasaError | None = None,
) -> Template:
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        context = {
            "courses": await queries.courses(link, visitor.district_id),
            "published": published,
            "refused": refused,
            "id": uuid7(hub.clock()),
        }
    status = refused.status if refused else 200
    return Template(f"{TEMPLATES}/courses.html", context=context, status_code=status)
