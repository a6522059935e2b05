"""The same as the pages, as JSON."""

import asyncio
from typing import Final

from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from appliance.clock import Clock
from appliance.database.writer import Writer
from appliance.health.clock_setting import clock_read, set_clock
from appliance.health.figures import figures
from appliance.health.models import ClockRead, HealthRead, PhoneTime
from appliance.health.network import network_figures, network_findings, read_network
from appliance.health.pages import signs_now
from appliance.health.release import newer_release, release_figures
from appliance.settings import Settings
from appliance.telemetry.findings import all_findings, worst
from appliance.telemetry.routes import Telemetry


@get("/api/v1/box/health")
async def get_health(
    telemetry: NamedDependency[Telemetry], clock: NamedDependency[Clock]
) -> HealthRead:
    """One word, what there is to do, and the figures."""
    signs = await signs_now(telemetry, clock)
    network = await asyncio.to_thread(read_network)
    findings = [*all_findings(signs), *network_findings(network)]
    newer = newer_release(telemetry.settings)
    read = figures(signs) | network_figures(network) | release_figures(newer)
    return HealthRead(status=worst(findings), findings=findings, figures=read)


@get("/api/v1/clock", sync_to_thread=False)
def get_clock(clock: NamedDependency[Clock]) -> ClockRead:
    """What time it is here, and how far that can be believed."""
    return clock_read(clock)


@put("/api/v1/clock")
async def put_clock(
    data: JSONBody[PhoneTime],
    settings: NamedDependency[Settings],
    writer: NamedDependency[Writer],
    clock: NamedDependency[Clock],
) -> ClockRead:
    """Set the box's clock by a phone's. 409 when somebody better has said what time it is."""
    await set_clock(settings, writer, data.phone_ms)
    return clock_read(clock)


ROUTES: Final = (get_health, get_clock, put_clock)
