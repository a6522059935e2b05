"""The keeper's page about backups."""

import asyncio
from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from appliance.backups.routes import state
from appliance.backups.turns import Backups


@get("/box/backups")
async def backups_page(backups: NamedDependency[Backups]) -> Template:
    """Say when the last backup was made, whether it was restored, and what to do."""
    context = {"state": await asyncio.to_thread(state, backups)}
    return Template("backups/templates/backups.html", context=context)


@post("/box/backups", status_code=303)
async def back_up_now(backups: NamedDependency[Backups]) -> Redirect:
    """Make one now; what comes of it stands on the page."""
    await backups.make()
    return Redirect("/box/backups", status_code=303)


ROUTES: Final = (backups_page, back_up_now)
