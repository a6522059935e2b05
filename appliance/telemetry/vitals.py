"""What the machine says of itself: memory, disk, temperature, power, the size of the files."""

import time
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from appliance.room import Card, card_of
from appliance.settings import Settings
from appliance.telemetry.power import Power, read_power

STARTED_S: Final = time.monotonic()  # of this process, whatever its clock does since
WAL_BYTES_MAX: Final = 64 << 20  # four times where the writer begins it anew
TEMPERATURE_C_WARM: Final = 75.0
TEMPERATURE_C_MAX: Final = 85.0  # the board slows itself down from here
MEMORY_FREE_BYTES_MIN: Final = 128 << 20


class Vitals(Struct, frozen=True, kw_only=True):
    """One reading. `temperature_c` is None where the machine has no sensor."""

    uss_bytes: int
    memory_free_bytes: int
    disk_free_bytes: int
    disk_total_bytes: int
    database_bytes: int
    wal_bytes: int
    temperature_c: float | None
    uptime_s: int
    power: Power = Power()

    @property
    def card(self) -> Card:
        """The card as the rules about room know it."""
        return Card(self.disk_total_bytes, self.disk_free_bytes)


def read_vitals(settings: Settings, process: psutil.Process | None = None) -> Vitals:
    """Read them now: about 2 ms, most of it the process's memory map."""
    card = card_of(settings.data_dir)
    return Vitals(
        uss_bytes=own_memory_bytes(process or psutil.Process()),
        memory_free_bytes=psutil.virtual_memory().available,
        disk_free_bytes=card.free_bytes,
        disk_total_bytes=card.total_bytes,
        database_bytes=size_bytes(settings.database),
        wal_bytes=size_bytes(settings.database.with_name(settings.database.name + "-wal")),
        temperature_c=temperature_c(),
        uptime_s=int(time.monotonic() - STARTED_S),
        power=read_power(),
    )


def own_memory_bytes(process: psutil.Process) -> int:
    """What a process has to itself.

    The kernel shows the map of one that its unit keeps apart to nobody; its counts, to everybody.
    """
    try:
        uss: int = process.memory_full_info().uss
    except psutil.AccessDenied:
        counted = process.memory_info()
        uss = counted.rss - counted.shared
    return uss


def size_bytes(path: Path) -> int:
    """How large the file is; 0 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def temperature_c() -> float | None:
    """The hottest sensor, or None on machines without one."""
    readings = [
        entry.current for entries in psutil.sensors_temperatures().values() for entry in entries
    ]
    return max(readings, default=None)
