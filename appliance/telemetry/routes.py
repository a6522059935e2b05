"""`/health` for the watchdog and the drills, `/metrics` for Prometheus."""

import asyncio
from collections.abc import Callable
from typing import Final

from litestar import MediaType, get
from litestar.di import NamedDependency
from msgspec import Struct

from appliance.database.readers import Readers
from appliance.database.writer import Writer
from appliance.settings import Settings
from appliance.telemetry.card import read_wear
from appliance.telemetry.exposition import metric, requests
from appliance.telemetry.findings import machine_findings
from appliance.telemetry.meter import RequestMeter
from appliance.telemetry.queries import unsent
from appliance.telemetry.vitals import Vitals, read_vitals


class Telemetry(Struct, frozen=True, kw_only=True):
    """What the two addresses report on. `host_name` is None while mDNS is silent."""

    app_version: str
    schema_version: int
    settings: Settings
    writer: Writer
    readers: Readers
    meter: RequestMeter
    host_name: Callable[[], str | None]


class Health(Struct, frozen=True, kw_only=True):
    """`ok` serves and lacks nothing; `degraded` serves, and a person should look."""

    status: str
    version: str
    schema_version: int
    host_name: str | None
    complaints: list[str]


@get("/health", sync_to_thread=False, cache_control=None)
def health(telemetry: NamedDependency[Telemetry]) -> Health:
    """Answer only after a read from the database: a server that cannot read is not well."""
    unsent(telemetry.readers.here)
    found = [
        f"{each.words} {each.todo}" for each in machine_findings(read_vitals(telemetry.settings))
    ]
    return Health(
        status="degraded" if found else "ok",
        version=telemetry.app_version,
        schema_version=telemetry.schema_version,
        host_name=telemetry.host_name(),
        complaints=found,
    )


@get("/metrics", media_type=MediaType.TEXT)
async def metrics(telemetry: NamedDependency[Telemetry]) -> str:
    """Return every figure of this process in the Prometheus text format."""
    vitals = await asyncio.to_thread(read_vitals, telemetry.settings)
    waiting = await telemetry.readers.read(unsent)
    lines = [
        *machine(vitals),
        *metric(
            "darasa_card_day_bytes",
            "gauge",
            "Written to the card on the last day that was counted.",
            (read_wear(telemetry.settings.card_wear).latest_day or ("", 0))[1],
        ),
        *writing(telemetry.writer),
        *metric("darasa_sync_waiting", "gauge", "Changes not yet sealed.", waiting.waiting),
        *requests(telemetry.meter.routes),
    ]
    return "\n".join(lines) + "\n"


def machine(vitals: Vitals) -> list[str]:
    """The machine's readings as metrics."""
    return [
        *metric(
            "darasa_uss_bytes",
            "gauge",
            "Memory only this process uses.",
            vitals.uss_bytes,
        ),
        *metric(
            "darasa_disk_free_bytes",
            "gauge",
            "Free on the card.",
            vitals.disk_free_bytes,
        ),
        *metric(
            "darasa_database_bytes",
            "gauge",
            "Size of the database.",
            vitals.database_bytes,
        ),
        *metric("darasa_wal_bytes", "gauge", "Size of the WAL.", vitals.wal_bytes),
        *metric(
            "darasa_under_voltage",
            "gauge",
            "1 while the board says that its voltage is too low.",
            int(vitals.power.under_voltage),
        ),
        *metric(
            "darasa_on_battery", "gauge", "1 while it runs on one.", int(vitals.power.on_battery)
        ),
        *metric("darasa_uptime_seconds", "counter", "Since the start.", vitals.uptime_s),
    ]


def writing(writer: Writer) -> list[str]:
    """The writer's counts as metrics."""
    counts = writer.counts
    return [
        *metric("darasa_write_batches_total", "counter", "Commits.", counts.batches),
        *metric("darasa_writes_total", "counter", "Commands committed.", counts.commands),
        *metric(
            "darasa_write_batches_failed_total",
            "counter",
            "Rolled back.",
            counts.batches_failed,
        ),
        *metric("darasa_writes_waiting", "gauge", "Commands in the queue.", writer.waiting),
    ]


ROUTES: Final = (health, metrics)
