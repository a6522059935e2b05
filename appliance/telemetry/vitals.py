"""What the machine says of itself: memory, disk, temperature, the size of the files."""

import shutil
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from appliance.clock import system_clock
from appliance.settings import Settings

DISK_FREE_BYTES_MIN: Final = 200 << 20  # two days of hand-ins of a large school
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


def read_vitals(settings: Settings) -> Vitals:
    """Read them now: about 2 ms, most of it the process's memory map."""
    disk = shutil.disk_usage(settings.data_dir)
    process = psutil.Process()
    return Vitals(
        uss_bytes=process.memory_full_info().uss,
        memory_free_bytes=psutil.virtual_memory().available,
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        database_bytes=size_bytes(settings.database),
        wal_bytes=size_bytes(settings.database.with_name(settings.database.name + "-wal")),
        temperature_c=temperature_c(),
        uptime_s=int(system_clock() / 1_000 - process.create_time()),
    )


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


def complaints(vitals: Vitals) -> list[str]:
    """What a keeper should do something about, in plain words; empty when all is well."""
    found = []
    if vitals.disk_free_bytes < DISK_FREE_BYTES_MIN:
        found.append("The card is almost full. Hand-ins still work; free some space soon.")
    if vitals.memory_free_bytes < MEMORY_FREE_BYTES_MIN:
        found.append("Memory is almost used up. Restart the box after school.")
    if vitals.temperature_c is not None and vitals.temperature_c > TEMPERATURE_C_MAX:
        found.append("The box is too hot. Move it to a shaded place with air around it.")
    return found
