"""The keeper's page about backups."""

from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect, Template

from appliance.backups.models import StickTaken
from appliance.backups.routes import state
from appliance.backups.turns import Backups
from appliance.errors import DarasaError


@get("/box/backups")
async def backups_page(backups: NamedDependency[Backups]) -> Template:
    """Say when the last backup was made, whether it was restored, and what to do."""
    return await _page(backups)


@post("/box/backups", status_code=303)
async def back_up_now(backups: NamedDependency[Backups]) -> Redirect | Template:
    """Make one now; what comes of it stands on the page."""
    try:
        await backups.make()
    except DarasaError as error:
        return await _page(backups, refused=error)
    return Redirect("/box/backups", status_code=303)


@post("/box/backups/sticks", status_code=303)
async def use_stick(
    data: URLEncodedBody[StickTaken], backups: NamedDependency[Backups]
) -> Redirect | Template:
    """One tap: the stick is this school's from now on."""
    try:
        await backups.take(data.place)
    except DarasaError as error:
        return await _page(backups, refused=error)
    return Redirect("/box/backups", status_code=303)


async def _page(backups: Backups, refused: DarasaError | None = None) -> Template:
    context = {"state": await state(backups), "refused": refused}
    status = refused.status if refused else 200
    return Template("backups/templates/backups.html", context=context, status_code=status)


ROUTES: Final = (backups_page, back_up_now, use_stick)
