"""What Debian's part is made of: each package by name, version and hash, against packages.lock.

A live mirror moves on, and a build from it says what is another than the lock names. Who wants
the very same packages points $MIRROR and $MIRROR_SECURITY at an archive of Debian's past days
and names the day in $SNAPSHOT; then a difference is an error.
"""

import subprocess
import tarfile
from pathlib import Path
from typing import Final

from base import SNAPSHOT, base_archive
from kernel import apt, apt_folder

LOCK: Final = Path(__file__).with_name("packages.lock")
STATUS: Final = "./var/lib/dpkg/status"
APT_HELPER: Final = "/usr/lib/apt/apt-helper"
FIELDS: Final = ("Package", "Version", "SHA256", "Status")
SHOWN_MAX: Final = 10
GONE: Final = "gone-from-the-mirror"
Packages = dict[str, tuple[str, str]]  # name: version and SHA-256


class Drifted(Exception):
    """The mirror's packages are not those that were asked for."""


def base_packages(cache: Path) -> Packages:
    """Return what is in the base archive; it is noted beside it while the mirror still has it."""
    archive = base_archive(cache)
    noted = archive.with_suffix(".packages")
    if not noted.exists():
        hashes = mirrored(cache / "packages")
        found = {
            name: (version, hashes.get((name, version), GONE))
            for name, version in installed(archive)
        }
        write(noted, found)
    return read(noted)


def installed(archive: Path) -> list[tuple[str, str]]:
    """Read names and versions from dpkg's own list in the archive."""
    with tarfile.open(archive) as opened:
        status = opened.extractfile(STATUS)
        assert status is not None
        blocks = _blocks(status.read().decode())
    return [
        (each["Package"], each["Version"]) for each in blocks if "ok installed" in each["Status"]
    ]


def mirrored(folder: Path) -> dict[tuple[str, str], str]:
    """Return the hash of every package the mirror has today; apt checks the list's signature."""
    apt_folder(folder)
    apt(folder, "update")
    found: dict[tuple[str, str], str] = {}
    for index in (folder / "lists").glob("*_Packages*"):
        words = [APT_HELPER, "cat-file", str(index)]
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        found |= {(each["Package"], each["Version"]): each["SHA256"] for each in _blocks(text)}
    return found


def _blocks(text: str) -> list[dict[str, str]]:
    split = (block.splitlines() for block in text.split("\n\n") if block.strip())
    pairs = ([line.partition(": ") for line in lines] for lines in split)
    return [{name: value for name, _, value in each if name in FIELDS} for each in pairs]


def read(path: Path) -> Packages:
    """Read a list as `write` makes it."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return {name: (version, digest) for name, version, digest in lines}


def write(path: Path, found: Packages) -> None:
    """Write one package a line, in the order of their names."""
    lines = (f"{name} {version} {digest}\n" for name, (version, digest) in sorted(found.items()))
    path.write_text("".join(lines), encoding="utf-8")


def drift(found: Packages, locked: Packages) -> list[str]:
    """Say of each package that is not the lock's what it is and what it should be."""
    none = ("none", "")
    return [
        "{} {} {:.8}, locked {} {:.8}".format(name, *found.get(name, none), *locked.get(name, none))
        for name in sorted(found.keys() | locked.keys())
        if found.get(name) != locked.get(name)
    ]


def renew_lock(cache: Path) -> None:
    """Write the lock anew, from the base archive as it is in the cache or is made now."""
    found = base_packages(cache)
    if gone := [name for name, (_, digest) in found.items() if digest == GONE]:
        raise Drifted(f"The mirror has moved on: {', '.join(gone)}. Remove {cache}/base-* first.")
    write(LOCK, found)
    print(f"{LOCK}: {len(found)} packages")


def compare_with_lock(found: Packages) -> None:
    """Warn of another day's packages; refuse them where $SNAPSHOT has named the day."""
    differences = drift(found, read(LOCK))
    if not differences:
        return
    shown = "; ".join(differences[:SHOWN_MAX]) + ("; …" if len(differences) > SHOWN_MAX else "")
    sentence = f"{len(differences)} packages are not those of packages.lock: {shown}"
    if SNAPSHOT:
        raise Drifted(sentence)
    print(f"warning: {sentence}")
