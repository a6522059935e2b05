"""A radio of the box's own: whether it can serve phones, how many, and how many there are now.

`iw` says it; a machine without `iw` has no radio that anybody could use. Small radios serve far
fewer phones than a class has, so their own limit is shown wherever one is spoken of.
"""

import re
import shutil
import subprocess
from typing import Final

from msgspec import Struct, structs

ANSWER_S_MAX: Final = 5.0
# What board radios are seen to serve where they do not say (4 to 19): better told too few.
PHONES_GUESS: Final = 10


class Radio(Struct, frozen=True):
    """One radio. `phones` is None while it is no access point; else `network` is its name."""

    name: str
    can_serve: bool
    phones_max: int | None
    phones: int | None = None
    network: str = ""

    @property
    def room(self) -> int:
        """How many phones to count on."""
        return self.phones_max or PHONES_GUESS

    def words(self) -> str:
        """What it does now, and for how many."""
        if not self.can_serve:
            return "fitted, cannot serve phones"
        limit = f"serves up to {self.phones_max}"
        if self.phones_max is None:
            limit = f"does not say how many it serves: count on no more than {PHONES_GUESS}"
        if self.phones is None:
            return f"fitted, off; {limit}"
        return f"on, {self.phones} {'phone' if self.phones == 1 else 'phones'} now; {limit}"


def read_radios() -> list[Radio]:
    """Ask `iw`; where there is none, or no radio, nobody."""
    devices = told("dev")
    found = radios(told("list"), devices) if devices else []
    serving = serving_names(devices)
    return [_counted(each, serving[each.name]) if each.name in serving else each for each in found]


def told(*words: str) -> str:
    """What `iw` says, or nothing."""
    program = shutil.which("iw")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 -- fixed words, and names that the kernel gave
            [program, *words], capture_output=True, text=True, check=False, timeout=ANSWER_S_MAX
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def radios(listed: str, devices: str) -> list[Radio]:
    """Read `iw list` and `iw dev`."""
    blocks = dict(re.findall(r"^Wiphy phy(\d+)\n((?:\s.*\n?)*)", listed, re.MULTILINE))
    return [
        Radio(name, _can_serve(blocks.get(number, "")), _phones_max(blocks.get(number, "")))
        for number, block in re.findall(r"^phy#(\d+)\n((?:\s.*\n?)*)", devices, re.MULTILINE)
        for name in re.findall(r"^\tInterface (\S+)", block, re.MULTILINE)
    ]


def serving_names(devices: str) -> dict[str, str]:
    """The radios of `iw dev` that are an access point now, each with its network's name."""
    blocks = re.findall(r"^\tInterface (\S+)\n((?:\t\t.*\n?)*)", devices, re.MULTILINE)
    return {
        name: _network_name(block)
        for name, block in blocks
        if re.search(r"^\t\ttype AP$", block, re.MULTILINE)
    }


def phones_on(dump: str) -> int:
    """Count the phones of `iw dev NAME station dump`."""
    return len(re.findall(r"^Station ", dump, re.MULTILINE))


def _counted(radio: Radio, network: str) -> Radio:
    phones = phones_on(told("dev", radio.name, "station", "dump"))
    return structs.replace(radio, phones=phones, network=network)


def _network_name(block: str) -> str:
    """Read the name; `iw` writes each byte that is not ASCII as two digits."""
    found = re.search(r"^\t\tssid (.*)$", block, re.MULTILINE)
    name = found[1].encode() if found else b""
    whole = re.sub(rb"\\x([0-9a-f]{2})", lambda each: bytes.fromhex(each[1].decode()), name)
    return whole.decode(errors="replace")


def _can_serve(block: str) -> bool:
    modes = re.search(r"^\tSupported interface modes:\n((?:\t\t.*\n?)*)", block, re.MULTILINE)
    return modes is not None and re.search(r"^\t\t \* AP$", modes[1], re.MULTILINE) is not None


def _phones_max(block: str) -> int | None:
    found = re.search(r"^\tMaximum associated stations in AP mode: (\d+)", block, re.MULTILINE)
    return int(found[1]) if found else None
