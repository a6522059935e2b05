"""Whether the board is well fed: on a battery, or with too little voltage.

Only where the board says so. A UPS or battery is a power supply that discharges; too little
voltage is an alarm of a voltage sensor (`in0_lcrit_alarm` on boards with such a sensor).
"""

from pathlib import Path
from typing import Final

from msgspec import Struct

SUPPLIES: Final = Path("/sys/class/power_supply")
SENSORS: Final = Path("/sys/class/hwmon")
ALARMS: Final = ("in*_lcrit_alarm", "in*_min_alarm")


class Power(Struct, frozen=True):
    """What the board says of its power; a board that says nothing is taken to be fed."""

    on_battery: bool = False
    under_voltage: bool = False


def read_power(supplies: Path = SUPPLIES, sensors: Path = SENSORS) -> Power:
    """Read it now: a handful of files that are no files."""
    batteries = [
        place
        for place in supplies.glob("*")
        if _word(place / "type") in {"Battery", "UPS"} and _word(place / "scope") != "Device"
    ]
    alarms = (path for pattern in ALARMS for path in sensors.glob(f"*/{pattern}"))
    return Power(
        on_battery=any(_word(place / "status") == "Discharging" for place in batteries),
        under_voltage=any(_word(path) == "1" for path in alarms),
    )


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
