"""The keeper's page about the district: join it, and see what is not there yet."""

from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect, Template

from appliance.accounts.commands import ask_for_enrolment
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.district.models import HubWish
from appliance.district.queries import sync_status
from appliance.district.words import status_lines


@get("/box/district")
async def district_page(
    readers: NamedDependency[Readers], clock: NamedDependency[Clock]
) -> Template:
    """Say in one sentence, with numbers, whether our work is at the district."""
    status = await readers.read(sync_status)
    context = {"status": status, "lines": status_lines(status, now_ms=clock())}
    return Template("district/templates/district.html", context=context)


@post("/box/district", status_code=303)
async def join_district(
    data: URLEncodedBody[HubWish], writer: NamedDependency[Writer], clock: NamedDependency[Clock]
) -> Redirect:
    """Ask to join; the agent answers on this page."""
    await writer.write(ask_for_enrolment, data.hub_url, data.token, now_ms=clock())
    return Redirect("/box/district", status_code=303)


ROUTES: Final = (district_page, join_district)
