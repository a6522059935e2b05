"""Where everything is on the card: one table, from which the card is written and described.

16 MiB  the loader (raw, from sector 64; Rockchip's boot ROM looks for it there)
2 MiB  bootstate: one sector of U-Boot variables
16 MiB  boot: boot.scr and nothing else
960 MiB  root_a, root_b: each with its kernel, so that they are replaced as one
rest   data: grows to the card's end at the first start
"""

import uuid
from dataclasses import dataclass
from typing import Final

SECTOR: Final = 512
MIB: Final = 1 << 20
LOADER_SECTOR: Final = 64
FIRST_MIB: Final = 16
LINUX: Final = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
# A card is known by what is on it, so its numbers follow from names: the same card every time.
NAMES: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "darasa.local")


@dataclass(frozen=True)
class Part:
    """One partition: its name, where it begins and its size in MiB."""

    name: str
    start_mib: int
    size_mib: int

    @property
    def id(self) -> uuid.UUID:
        """The number by which the kernel finds it."""
        return number(self.name)


def number(name: str) -> uuid.UUID:
    """Return the number of anything on the card that needs one."""
    return uuid.uuid5(NAMES, name)


def parts(*, slot_mib: int = 960, data_mib: int = 128) -> list[Part]:
    """Lay the partitions out one behind the other."""
    found, start = [], FIRST_MIB
    sizes = {"bootstate": 2, "boot": 16, "root_a": slot_mib, "root_b": slot_mib, "data": data_mib}
    for name, size in sizes.items():
        found.append(Part(name, start, size))
        start += size
    return found


def table(found: list[Part]) -> str:
    """Write the partition table as sfdisk reads it."""
    lines = ["label: gpt", f"label-id: {number('disk')}", "first-lba: 2048"]
    for part in found:
        # U-Boot looks for its script on the one partition that is marked so.
        mark = ", attrs=LegacyBIOSBootable" if part.name == "boot" else ""
        lines.append(
            f"start={part.start_mib}MiB, size={part.size_mib}MiB, type={LINUX},"
            f' uuid={part.id}, name="{part.name}"{mark}'
        )
    return "\n".join(lines) + "\n"
