"""Rows with two versions, for the keeper: side by side, and the kept one put back."""

from typing import Annotated, Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, URLEncodedBody
from litestar.response import Redirect, Template
from msgspec import Meta, Struct

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.district.commands import leave_version, restore_version
from appliance.district.versions import (
    NEWEST,
    VersionDetail,
    VersionsListed,
    version_detail,
    versions,
)

HERE: Final = "/box/district/versions"


class RestoreForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which version of the row in use was looked at."""

    version: Annotated[str, Meta(pattern=r"^[0-9]{1,18}$")]


class Restore(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which version of the row in use was looked at."""

    version: Annotated[int, Meta(ge=1)]


@get("/box/district/versions")
async def versions_page(
    readers: NamedDependency[Readers],
    before: FromQuery[int] = NEWEST,
    seen: FromQuery[bool] = False,  # noqa: FBT002 -- a query's parameter
) -> Template:
    """List rows with two versions: those nobody has looked at, or all."""
    page = await readers.read(versions, before, is_all=seen)
    context = {"page": page, "seen": seen}
    return Template("district/templates/versions.html", context=context)


@get("/box/district/versions/{conflict_id:int}")
async def version_page(conflict_id: FromPath[int], readers: NamedDependency[Readers]) -> Template:
    """Show both versions side by side."""
    detail = await readers.read(version_detail, conflict_id)
    return Template("district/templates/version.html", context={"detail": detail})


@post("/box/district/versions/{conflict_id:int}/restore", status_code=303)
async def restore_on_page(
    conflict_id: FromPath[int],
    data: URLEncodedBody[RestoreForm],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Put the kept version back."""
    args = (actor.person_id, conflict_id, int(data.version))
    await writer.write(restore_version, *args, now_ms=clock())
    return Redirect(HERE, status_code=303)


@post("/box/district/versions/{conflict_id:int}/leave", status_code=303)
async def leave_on_page(
    conflict_id: FromPath[int],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Redirect:
    """Leave everything as it is, and say that somebody has looked."""
    await writer.write(leave_version, actor.person_id, conflict_id, now_ms=clock())
    return Redirect(HERE, status_code=303)


@get("/api/v1/box/versions")
async def list_versions(
    readers: NamedDependency[Readers],
    before: FromQuery[int] = NEWEST,
    seen: FromQuery[bool] = False,  # noqa: FBT002 -- a query's parameter
) -> VersionsListed:
    """Rows of which this box keeps two versions, newest first."""
    return await readers.read(versions, before, is_all=seen)


@get("/api/v1/box/versions/{conflict_id:int}")
async def get_version(
    conflict_id: FromPath[int], readers: NamedDependency[Readers]
) -> VersionDetail:
    """Both versions of one row."""
    return await readers.read(version_detail, conflict_id)


@post("/api/v1/box/versions/{conflict_id:int}/restore", status_code=204)
async def post_restore(
    conflict_id: FromPath[int],
    data: JSONBody[Restore],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> None:
    """Put the kept version back as a new one."""
    args = (actor.person_id, conflict_id, data.version)
    await writer.write(restore_version, *args, now_ms=clock())


@post("/api/v1/box/versions/{conflict_id:int}/leave", status_code=204)
async def post_leave(
    conflict_id: FromPath[int],
    actor: NamedDependency[Actor],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> None:
    """Leave everything as it is, and say that somebody has looked. Safe to repeat."""
    await writer.write(leave_version, actor.person_id, conflict_id, now_ms=clock())


ROUTES: Final = (
    versions_page,
    version_page,
    restore_on_page,
    leave_on_page,
    list_versions,
    get_version,
    post_restore,
    post_leave,
)
