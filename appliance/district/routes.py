"""Joining a district, as JSON."""

from typing import Final

from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.accounts.commands import ask_for_enrolment
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.district.models import HubWish, SyncStatus
from appliance.district.queries import sync_status


@get("/api/v1/box/sync")
async def get_sync(readers: NamedDependency[Readers]) -> SyncStatus:
    """Where our work is, as far as this box knows."""
    return await readers.read(sync_status)


@put("/api/v1/box/hub-enrolment", status_code=204)
async def put_hub_enrolment(
    data: JSONBody[HubWish], writer: NamedDependency[Writer], clock: NamedDependency[Clock]
) -> None:
    """Leave the address and the token for the agent. A newer wish replaces an older one."""
    await writer.write(ask_for_enrolment, data.hub_url, data.token, now_ms=clock())


ROUTES: Final = (get_sync, put_hub_enrolment)
