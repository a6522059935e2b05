"""Sticks as shops sell them, made into files: a partition table, a file system, a name."""

import subprocess
from typing import Final, NamedTuple

MIB: Final = 1 << 20
BEFORE_MIB: Final = 1  # where the one partition begins


class Kind(NamedTuple):
    """How a stick of one kind is made; `table` is sfdisk's letter, empty for none."""

    make: tuple[str, ...]
    label: str
    table: str


KINDS: Final = {
    "vfat": Kind(("mkfs.vfat", "-F", "32", "-n"), "KINGSTON", "c"),
    "exfat": Kind(("mkfs.exfat", "-L"), "مدرسة", "7"),
    "ext4": Kind(("mke2fs", "-q", "-F", "-t", "ext4", "-L"), "Trường học", ""),
}
TOOLS: Final = {
    "mkfs.vfat": "dosfstools", "mkfs.exfat": "exfatprogs", "mcopy": "mtools", "sfdisk": "fdisk",
}  # fmt: skip


def stick(target, kind, size_mib, *files):
    """Make one, with some files copied onto it the way another computer does (vfat only)."""
    make, label, table = KINDS[kind]
    inside = target.with_suffix(".part") if table else target
    blank(inside, size_mib - BEFORE_MIB if table else size_mib)
    run(*make, label, inside)
    if files:
        run("mcopy", "-i", inside, *files, "::")
    if table:
        blank(target, size_mib)
        line = f"start={BEFORE_MIB}MiB, type={table}\n"
        run("sfdisk", "-q", "-X", "dos", target, input=line.encode())
        words = ("dd", f"if={inside}", f"of={target}", "bs=1M", f"seek={BEFORE_MIB}")
        run(*words, "conv=notrunc,sparse")
        inside.unlink()
    return target


def run(*words, **more):
    subprocess.run(words, check=True, capture_output=True, **more)


def blank(target, size_mib):
    """Make a file of nothing."""
    target.unlink(missing_ok=True)
    with target.open("wb") as made:
        made.truncate(size_mib * MIB)
