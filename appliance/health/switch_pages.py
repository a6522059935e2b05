"""The keeper's page that switches the machine off, or off and on again."""

import asyncio
from typing import Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Template
from msgspec import Struct

from appliance.access.models import Actor
from appliance.clock import Clock
from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.health.faults import SwitchedElsewhere
from appliance.health.queries import last_switch
from appliance.health.switch import Switch, can_switch, note_switch, switch_machine
from appliance.settings import Settings
from appliance.telemetry.queries import clients


class SwitchForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which of the two."""

    switch: Switch


@get("/box/switch")
async def switch_page(
    settings: NamedDependency[Settings],
    readers: NamedDependency[Readers],
    clock: NamedDependency[Clock],
) -> Template:
    """Say who would have to wait, and ask once more."""
    context = {
        "can_switch": can_switch(settings),
        "phones": await readers.read(clients, now_ms=clock()),
        "last": await readers.read(last_switch),
    }
    return Template("health/templates/switch.html", context=context)


@post("/box/switch", status_code=200)
async def switch_now(
    data: URLEncodedBody[SwitchForm],
    actor: NamedDependency[Actor],
    settings: NamedDependency[Settings],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template:
    """Write down who asked, and ask the machine; it stops after this answer has gone out."""
    if not can_switch(settings):
        raise SwitchedElsewhere("nobody listens on this machine")
    await note_switch(writer, data.switch, actor.person_id, now_ms=clock())
    await asyncio.to_thread(switch_machine, settings, data.switch)
    return Template("health/templates/switched.html", context={"switch": data.switch})


ROUTES: Final = (switch_page, switch_now)
