"""Builds the box's image: `make image`, or `python image-build --help`."""

import argparse
import hashlib
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Final

from base import NoMirror, base_archive, fingerprint
from bundle import Signer, make_bundle, throwaway_signer
from card import (
    assemble,
    boot_script,
    boot_state,
    cache_folder,
    file_system,
    missing_tools,
)
from layout import MIB, Part, parts
from loader import TPL, WrongBlob, build_loader, check_blob
from packages import LOCK, Drifted, base_packages, compare_with_lock, renew_lock
from root import NotClean, NotWhole, make_root
from sbom import bill_of_materials, write_json

HERE: Final = Path(__file__).parent
SOURCE: Final = HERE.parent
INPUTS: Final = ("appliance", "sync", "migrations", "systemd", "image-build")
TOOLS: Final = ("mmdebstrap", "mke2fs", "debugfs", "sfdisk", "mkimage", "rauc", "chroot", "openssl")
SPARE: Final = 1.06  # of a slot's content: what the file system needs for itself
BOARDS: Final = ("qemu", "orangepi5")


def main() -> int:
    """Build what was asked for; say where it is and how large."""
    told = _parser().parse_args()
    if missing := missing_tools(*TOOLS):
        print(f"not here: {', '.join(missing)}; image-build/README.md names the packages")
        return 1
    if os.geteuid() != 0:
        print("make image makes files of other users and must be run as root")
        return 1
    try:
        renew_lock(told.cache) if told.lock else build_image(told)
    except (NoMirror, NotClean, NotWhole, WrongBlob, Drifted) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build_image(told: argparse.Namespace) -> None:
    """Make root, slots, card and bundle, each unless it is there from the same inputs."""
    began = time.monotonic()
    if told.tpl:
        check_blob(told.tpl)
    signer = signer_of(told)
    build = describe()
    out = told.cache / f"{build['build']}-{key_of(signer)}"
    out.mkdir(parents=True, exist_ok=True)
    slot = out / "rootfs.img"
    if not slot.exists():
        make_slot(out, told.cache, build, signer)
    card = out / card_name(told, build)
    if not card.exists():
        make_card(card, slot, loader_of(told))
    made = out / f"darasa-{build['version']}.raucb"
    if not made.exists():
        make_bundle(made, slot, signer, version=build["version"], build=build["build"])
    write_json(out / "latest.json", {**build, "bundle": made.name})
    describe_files(out, build)
    point_to(told.cache / "latest", out)
    print(f"{card}\nbuilt in {time.monotonic() - began:.0f} s")
    if told.board != "qemu" and told.tpl is None:
        print("NOT BOOTABLE: no loader, because there is no --tpl FILE; see docs/board.md")


def describe() -> dict[str, str]:
    """Say which release this is and, by the hash of all that goes in, which build of it."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))
    digest = hashlib.sha256(fingerprint().encode())
    for path in inputs():
        digest.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    return {
        "compatible": "darasa-arm64",
        "version": project["project"]["version"],
        "build": digest.hexdigest()[:16],
    }


def inputs() -> list[Path]:
    """Return every file of ours that decides what the image holds."""
    found = [SOURCE / "pyproject.toml", SOURCE / "LICENSE"]
    for name in INPUTS:
        found += [each for each in (SOURCE / name).rglob("*") if each.is_file()]
    return sorted(each for each in found if "__pycache__" not in each.parts and decides(each))


def decides(path: Path) -> bool:
    """The recipe's page and what the lock compares change nothing in the image."""
    return path.suffix != ".md" and path.name != LOCK.name


def epoch() -> int:
    """The day of the sources: no file of the image is younger."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    words = ["git", "-C", str(SOURCE), "log", "-1", "--format=%ct"]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def signer_of(told: argparse.Namespace) -> Signer:
    """Take the operator's key and certificate, or a pair of the test's own."""
    if told.key and told.cert:
        return Signer(told.cert, told.key)
    print("no --key and --cert: updates are signed with a throwaway test key")
    return throwaway_signer(told.cache / "test-signer")


def key_of(signer: Signer) -> str:
    """Boxes that know different certificates are different images."""
    return hashlib.sha256(signer.certificate.read_bytes()).hexdigest()[:8]


def make_slot(out: Path, cache: Path, build: dict[str, str], signer: Signer) -> None:
    """Make the file system that both slots begin with."""
    root = out / "root"
    packages = base_packages(cache)
    compare_with_lock(packages)
    make_root(root, base_archive(cache), out / "wheels", build)
    (root / "etc/rauc/keyring.pem").write_bytes(signer.certificate.read_bytes())
    settle(root)
    write_json(out / "sbom.json", bill_of_materials(root, out / "wheels", packages, build))
    used = sum(path.lstat().st_size + 4096 for path in root.rglob("*")) * SPARE
    size_mib = int(used / MIB / 16 + 1) * 16
    part = Part("root", 0, size_mib)
    made = out / "rootfs.part"
    file_system(made, root, part, epoch=epoch(), journal=False)
    made.rename(out / "rootfs.img")


def settle(root: Path) -> None:
    """Give every file that the build has made the day of the sources."""
    day = epoch()
    (root / "usr/lib/clock-epoch").touch()  # a clock that stands before this day is wrong
    for path in [root, *root.rglob("*")]:
        if path.lstat().st_mtime > day or "darasa" in path.parts:
            os.utime(path, (day, day), follow_symlinks=False)
    os.utime(root / "usr/lib/clock-epoch", (day, day))


def make_card(card: Path, slot: Path, loader: Path | None) -> None:
    """Put the same system into both slots, and nothing on the data partition."""
    layout = {part.name: part for part in parts()}
    folder = card.parent / "parts"
    folder.mkdir(exist_ok=True)
    (folder / "tree").mkdir(exist_ok=True)
    boot_script(folder / "tree/boot.scr", epoch())
    file_system(folder / "boot", folder / "tree", layout["boot"], epoch=epoch(), journal=False)
    file_system(folder / "data", None, layout["data"], epoch=epoch(), journal=True)
    (folder / "bootstate").write_bytes(boot_state())
    contents = {name: folder / name for name in ("bootstate", "boot", "data")}
    part = card.with_suffix(".part")
    assemble(part, parts(), contents | {"root_a": slot, "root_b": slot}, loader=loader)
    part.rename(card)


def describe_files(out: Path, build: dict[str, str]) -> None:
    """Write manifest.json: each file's size and hash."""
    made = [each for each in sorted(out.iterdir()) if each.suffix in (".img", ".raucb", ".json")]
    files: dict[str, dict[str, int | str]] = {
        each.name: {"bytes": each.stat().st_size, "sha256": sha256(each)}
        for each in made
        if each.name != "manifest.json"
    }
    write_json(out / "manifest.json", {**build, "files": files})
    for name, told in files.items():
        print(f"{int(told['bytes']) / MIB:8.1f} MiB  {str(told['sha256'])[:16]}  {name}")


def point_to(link: Path, target: Path) -> None:
    """Name the build that was made last."""
    link.unlink(missing_ok=True)
    link.symlink_to(target.name)


def sha256(path: Path) -> str:
    """Hash a file that may be larger than memory."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def card_name(told: argparse.Namespace, build: dict[str, str]) -> str:
    """Name the card; one that cannot start says so in its name."""
    ending = "" if told.board == "qemu" or told.tpl else "-noloader"
    return f"darasa-{build['version']}-{told.board}{ending}.img"


def loader_of(told: argparse.Namespace) -> Path | None:
    """Return what goes before the partitions; qemu brings its own."""
    return build_loader(told.cache, told.tpl) if told.board != "qemu" and told.tpl else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="image-build", description=__doc__)
    parser.add_argument("--board", choices=BOARDS, default="qemu")
    parser.add_argument("--tpl", type=Path, help=f"Rockchip's {TPL}, for the Orange Pi's loader")
    parser.add_argument("--key", type=Path, help="the operator's key; updates are signed with it")
    parser.add_argument("--cert", type=Path, help="its certificate; boxes accept no other")
    parser.add_argument("--lock", action="store_true", help="write packages.lock anew; no image")
    parser.add_argument("--cache", type=Path, default=cache_folder())
    return parser


if __name__ == "__main__":
    sys.exit(main())
