"""Writes a whole card into a file, without root and without loop devices.

The same inputs give the same bytes: nothing here asks for the time or for chance.
"""

import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from layout import LOADER_SECTOR, MIB, SECTOR, Part, number, table

STATE: Final = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}
BLOCK: Final = 4096
FIRST_INODE: Final = 11  # the ones below are the file system's own
ROOT_INODE: Final = 2


def boot_script(target: Path, epoch: int, *, before: str = "") -> None:
    """Wrap boot.cmd as U-Boot wants it; a board may have something to say before it."""
    source = target.with_suffix(".cmd")
    source.write_text(before + Path(__file__).with_name("boot.cmd").read_text(encoding="utf-8"))
    wrap = ["mkimage", "-q", "-A", "arm64", "-T", "script", "-C", "none", "-n", "darasa", "-d"]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    # Its remark about a header that is not for the kernel goes to the terminal; it is no news.
    subprocess.run([*wrap, source, target], env=env, check=True, stdout=subprocess.DEVNULL)
    source.unlink()


def boot_state(values: Mapping[str, str] = STATE) -> bytes:
    """Return the sector of variables: a checksum, then names and values."""
    body = b"".join(f"{name}={value}\0".encode() for name, value in sorted(values.items()))
    body = body.ljust(SECTOR - 4, b"\0")
    return struct.pack("<I", zlib.crc32(body)) + body


def file_system(target: Path, tree: Path | None, part: Part, *, epoch: int, journal: bool) -> None:
    """Make an ext4 file system of the tree's files, as large as its partition."""
    features = "has_journal,metadata_csum" if journal else "^has_journal,^metadata_csum"
    target.unlink(missing_ok=True)
    with target.open("wb") as made:
        made.truncate(part.size_mib * MIB)
    words = ["mke2fs", "-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-m", "0", "-L", part.name]
    words += ["-O", f"{features},^orphan_file", "-U", str(number(f"{part.name} fs"))]
    words += ["-E", f"hash_seed={number('hash')},lazy_itable_init=0,root_owner=0:0"]
    words += ["-d", str(tree)] if tree else []
    env = {**os.environ, "E2FSPROGS_FAKE_TIME": str(epoch)}
    subprocess.run([*words, target], env=env, check=True)
    if tree:
        forget_when(target, files=sum(1 for _ in tree.rglob("*")), epoch=epoch)


def forget_when(target: Path, *, files: int, epoch: int) -> None:
    """Set what the copying has left of its own hour: when each inode was changed and read."""
    inodes = [ROOT_INODE, *range(FIRST_INODE, FIRST_INODE + files + 1)]
    lines = [
        f"set_inode_field <{each}> {field} @{epoch}"
        for each in inodes
        for field in ("ctime", "atime", "ctime_extra", "atime_extra")
    ]
    script = "\n".join(line.replace("_extra @" + str(epoch), "_extra 0") for line in lines)
    env = {**os.environ, "E2FSPROGS_FAKE_TIME": str(epoch)}
    subprocess.run(
        ["debugfs", "-w", "-f", "-", target],
        input=script.encode(), env=env, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def assemble(
    target: Path, parts: list[Part], contents: Mapping[str, Path], *, loader: Path | None
) -> None:
    """Put the partitions where the layout says, and the loader before them if there is one."""
    target.unlink(missing_ok=True)
    with target.open("wb") as made:
        made.truncate((parts[-1].start_mib + parts[-1].size_mib + 1) * MIB)
    words = ["sfdisk", "-q", "--no-reread", "--no-tell-kernel", str(target)]
    subprocess.run(words, input=table(parts).encode(), check=True)
    with target.open("r+b") as card:
        if loader:
            card.seek(LOADER_SECTOR * SECTOR)
            card.write(loader.read_bytes())
        for part in parts:
            if part.name in contents:
                copy_to(card.fileno(), contents[part.name], part.start_mib * MIB)


def copy_to(card: int, source: Path, offset: int) -> None:
    """Copy a file to its place, leaving holes where it has holes."""
    with source.open("rb") as content:
        while block := content.read(MIB):
            if block.strip(b"\0"):
                os.pwrite(card, block, offset)
            offset += len(block)


def missing_tools(*names: str) -> list[str]:
    """Name those of the programs that are not here."""
    return [name for name in names if shutil.which(name, path=search_path()) is None]


def search_path() -> str:
    """Where programs are, also for those who are not root."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def cache_folder() -> Path:
    """Where builds are kept: never in the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "darasa/image"
