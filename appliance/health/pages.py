"""The keeper's page with three lights, the clock in one tap, and the poster for the wall."""

import asyncio
import os
from typing import Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Redirect, Template

from appliance.clock import Clock, clock_quality
from appliance.database.writer import Writer
from appliance.discovery.announcer import lan_addresses
from appliance.errors import Conflict
from appliance.health.bundle import bundle
from appliance.health.clock_setting import clock_read, local_ms, set_clock
from appliance.health.doctor import diagnose
from appliance.health.figures import figures
from appliance.health.mistakes import setting_findings
from appliance.health.models import ClockForm, PhoneTime
from appliance.health.network import network_figures, network_findings, read_network
from appliance.health.poster import HTTP_PORT, lasting, ways_in
from appliance.health.release import newer_release
from appliance.health.switch import can_switch
from appliance.settings import Settings
from appliance.telemetry.findings import Signs, all_findings, worst
from appliance.telemetry.jobs import called
from appliance.telemetry.routes import Telemetry
from appliance.telemetry.signs import read_signs
from appliance.telemetry.vitals import read_vitals


@get("/box")
async def box_page(
    telemetry: NamedDependency[Telemetry], clock: NamedDependency[Clock]
) -> Template:
    """Answer in one word whether all is well, then what to do, then the figures."""
    signs = await signs_now(telemetry, clock)
    network = await asyncio.to_thread(read_network)
    findings = [
        *all_findings(signs),
        *network_findings(network),
        *setting_findings(os.environ),
    ]
    context = {
        "status": worst(findings),
        "findings": findings,
        "signs": signs,
        "figures": figures(signs) | network_figures(network),
        "telemetry": telemetry,
        "newer": newer_release(telemetry.settings),
        "can_switch": can_switch(telemetry.settings),
        "called": called,
    }
    return Template("health/templates/box.html", context=context)


async def signs_now(telemetry: Telemetry, clock: Clock) -> Signs:
    """Read everything the page is made from."""
    vitals = await asyncio.to_thread(read_vitals, telemetry.settings)
    return await telemetry.readers.read(
        read_signs,
        telemetry.settings,
        vitals,
        now_ms=clock(),
        clock_quality=clock_quality(),
        host_name=telemetry.host_name(),
    )


@get("/box/support-file", media_type="application/zip")
async def support_file(settings: NamedDependency[Settings]) -> Response[bytes]:
    """Hand out the file for whoever helps from afar; nobody's name is in it."""

    def made() -> bytes:
        return bundle(settings, diagnose(settings))

    headers = {"content-disposition": 'attachment; filename="darasa-support.zip"'}
    return Response(await asyncio.to_thread(made), headers=headers)


@get("/clock", sync_to_thread=False)
def clock_page(clock: NamedDependency[Clock]) -> Template:
    """Show the box's time beside the phone's."""
    return _clock_page(clock)


@post("/clock", status_code=200)
async def post_clock(
    data: URLEncodedBody[ClockForm],
    settings: NamedDependency[Settings],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> Template | Redirect:
    """Believe the phone, if nobody better has said what time it is."""
    phone_ms = int(data.phone_ms) if data.phone_ms.isdecimal() else local_ms(data.local)
    try:
        told = msgspec.convert({"phone_ms": phone_ms}, PhoneTime)
        await set_clock(settings, writer, told.phone_ms)
    except msgspec.ValidationError:
        return _clock_page(clock, unread=True)
    except Conflict as error:
        return _clock_page(clock, refused=error)
    return Redirect("/clock", status_code=303)


def _clock_page(clock: Clock, *, unread: bool = False, refused: Conflict | None = None) -> Template:
    context = {"clock": clock_read(clock), "unread": unread, "refused": refused}
    return Template("health/templates/clock.html", context=context)


@get("/box/poster", sync_to_thread=True)
def poster_page(
    telemetry: NamedDependency[Telemetry], settings: NamedDependency[Settings], state: State
) -> Template:
    """Print the ways into the box for the wall."""
    port: int = state.port or HTTP_PORT
    name = telemetry.host_name() or settings.host_name
    numbers = lasting(lan_addresses())
    context = {
        "ways": ways_in(name, numbers, port),
        "has_number": bool(numbers),
        "networks": [each.network for each in read_network().radios if each.network],
        "is_announced": telemetry.host_name(),
    }
    return Template("health/templates/poster.html", context=context)


ROUTES: Final = (box_page, support_file, clock_page, post_clock, poster_page)
