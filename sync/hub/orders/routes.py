"""What the district says, sets, asks and decides, as JSON: each the twin of a page."""

import asyncio
from typing import Any, Final
from uuid import UUID

from litestar import Request, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from appliance.courses.folder import read_folder
from appliance.courses.uploads import UPLOAD_BYTES_MAX, read_upload
from sync.hub.accounts.models import Visitor
from sync.hub.database import scoped
from sync.hub.orders import queries
from sync.hub.orders.commands import (
    announce,
    decide,
    give_command,
    put_setting,
    scope_of,
    withdraw_command,
)
from sync.hub.orders.courses import publish_course
from sync.hub.orders.models import (
    AnnouncementListed,
    CommandListed,
    CourseListed,
    CoursePublished,
    NewAnnouncement,
    NewCommand,
    NewDecision,
    NewRoster,
    NewSetting,
    ProposalListed,
    RosterReport,
    SettingListed,
)
from sync.hub.orders.roster import ROSTER_BYTES_MAX, write_roster
from sync.hub.orders.rows import pen_of
from sync.hub.running import Hub

LANGUAGE: Final = "en"  # of a course that does not say


@get("/api/v1/announcements")
async def list_announcements(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[AnnouncementListed]:
    """Everything that was announced in the district, newest first."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        return await queries.announcements(link)


@put("/api/v1/announcements/{announcement_id:uuid}", status_code=204)
async def put_announcement(
    announcement_id: FromPath[UUID],
    data: JSONBody[NewAnnouncement],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> None:
    """Say something to one school or all of them, or say it differently."""
    async with pen_of(hub, visitor, data.scope_id) as pen:
        await announce(pen, announcement_id, data)


@delete("/api/v1/announcements/{announcement_id:uuid}", status_code=204)
async def delete_announcement(
    announcement_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> None:
    """Withdraw an announcement; boxes stop showing it at their next contact."""
    await take_back(hub, visitor, "announcement", announcement_id)


@get("/api/v1/settings")
async def list_settings(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[SettingListed]:
    """What is set in the district."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        return await queries.settings(link)


@put("/api/v1/settings", status_code=204)
async def put_settings(
    data: JSONBody[NewSetting], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> None:
    """Set a value for one school or all of them."""
    async with pen_of(hub, visitor, data.scope_id) as pen:
        await put_setting(pen, data)


@delete("/api/v1/settings/{setting_id:uuid}", status_code=204)
async def delete_setting(
    setting_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> None:
    """Unset a value."""
    await take_back(hub, visitor, "setting", setting_id)


@get("/api/v1/schools/{school_id:uuid}/commands")
async def list_commands(
    school_id: FromPath[UUID], hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[CommandListed]:
    """What a school was asked and what became of it, newest first."""
    async with pen_of(hub, visitor, school_id) as pen:
        return await queries.commands(pen.link, visitor.district_id, school_id)


@put("/api/v1/schools/{school_id:uuid}/commands/{command_id:uuid}", status_code=204)
async def put_command(
    school_id: FromPath[UUID],
    command_id: FromPath[UUID],
    data: JSONBody[NewCommand],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> None:
    """Ask a school's box to do something. Sending it again asks once."""
    async with pen_of(hub, visitor, school_id) as pen:
        await give_command(pen, command_id, visitor.person_id, data)


@delete("/api/v1/schools/{school_id:uuid}/commands/{command_id:uuid}", status_code=204)
async def delete_command(
    school_id: FromPath[UUID],
    command_id: FromPath[UUID],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> None:
    """Take an order back while the box has not answered."""
    async with pen_of(hub, visitor, school_id) as pen:
        await withdraw_command(pen, command_id)


@get("/api/v1/proposals")
async def list_proposals(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[ProposalListed]:
    """What schools would like changed, open ones first."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        return await queries.proposals(link)


@put("/api/v1/proposals/{proposal_id:uuid}/decision", status_code=204)
async def put_decision(
    proposal_id: FromPath[UUID],
    data: JSONBody[NewDecision],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> None:
    """Accept or refuse; what was accepted the district then changes in its own row."""
    await settle(hub, visitor, proposal_id, data)


@get("/api/v1/courses")
async def list_courses(
    hub: NamedDependency[Hub], visitor: NamedDependency[Visitor]
) -> list[CourseListed]:
    """The district's courses, each with the version on the shelf."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        return await queries.courses(link, visitor.district_id)


@put(
    "/api/v1/course-versions/{course_version_id:uuid}",
    status_code=200,
    request_max_body_size=UPLOAD_BYTES_MAX,
)
async def put_course_version(
    course_version_id: FromPath[UUID],
    request: Request[Any, Any, Any],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> CoursePublished:
    """Publish a folder of Markdown for every school: `{files: [{path, text}]}`, or a zip `files`.

    Sending it again changes nothing, and neither does a folder that says the same.
    """
    upload = await read_upload(request)
    course = await asyncio.to_thread(read_folder, upload.files, name=upload.name, language=LANGUAGE)
    async with pen_of(hub, visitor) as pen:
        return await publish_course(pen, course_version_id, course)


@put(
    "/api/v1/schools/{school_id:uuid}/roster",
    status_code=200,
    request_max_body_size=ROSTER_BYTES_MAX,
)
async def put_roster(
    school_id: FromPath[UUID],
    data: JSONBody[NewRoster],
    hub: NamedDependency[Hub],
    visitor: NamedDependency[Visitor],
) -> RosterReport:
    """Write a school's classes and pupils as the district's own rows."""
    async with pen_of(hub, visitor, school_id) as pen:
        return await write_roster(pen, data)


ROUTES: Final = (
    list_announcements,
    put_announcement,
    delete_announcement,
    list_settings,
    put_settings,
    delete_setting,
    list_commands,
    put_command,
    delete_command,
    list_proposals,
    put_decision,
    list_courses,
    put_course_version,
    put_roster,
)


async def take_back(hub: Hub, visitor: Visitor, table: str, row_id: UUID) -> None:
    """Withdraw a row, whichever scope it is in. Raises NotFound."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        scope_id = await scope_of(link, table, row_id)
    async with pen_of(hub, visitor, scope_id) as pen:
        await pen.withdraw(table, row_id)


async def settle(hub: Hub, visitor: Visitor, proposal_id: UUID, new: NewDecision) -> None:
    """Decide a proposal, whichever school's it is. Raises NotFound."""
    async with scoped(hub.pools.web, district_id=visitor.district_id) as link:
        school_id = await scope_of(link, "proposal", proposal_id)
    async with pen_of(hub, visitor, school_id) as pen:
        await decide(pen, proposal_id, new)
