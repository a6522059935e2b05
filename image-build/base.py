"""Debian's part of the root file system: a tar archive, made once for each list of packages.

Foreign code runs here: each package's own scripts are arm64 programs, which the kernel hands
to qemu-user. That takes most of the time of a build, so the archive is kept by the hash of
all that went into it.
"""

import hashlib
import os
import re
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent / "base"
SUITE: Final = "trixie"
ARCHITECTURE: Final = "arm64"
SOURCES: Final = Path("/etc/apt")
KEYRINGS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
# No file of the archive is younger, so that the same packages give the same bytes.
EPOCH: Final = "1767225600"  # 2026-01-01
# A day of the mirror's past, as an archive of such days names it: 20260101T000000Z.
SNAPSHOT: Final = os.environ.get("SNAPSHOT", "")
UNWANTED: Final = (
    "/usr/share/man/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/bash-completion/*",
    "/usr/share/doc/*",
    "/usr/share/lintian/*",
    "/usr/lib/modules/*/kernel/drivers/gpu/*",
    "/usr/lib/modules/*/kernel/drivers/infiniband/*",
    "/usr/lib/modules/*/kernel/drivers/media/*",
    "/usr/lib/modules/*/kernel/drivers/scsi/*",
    "/usr/lib/modules/*/kernel/sound/*",
)
WANTED: Final = (
    "/usr/share/doc/*/copyright",
    "/usr/lib/modules/*/kernel/drivers/scsi/scsi_*",
    "/usr/lib/modules/*/kernel/drivers/scsi/sd_mod*",  # a stick is a disk of this kind
)


class NoMirror(Exception):
    """This machine's package sources name no Debian mirror."""


def packages() -> list[str]:
    """Read the list, without its remarks."""
    lines = (HERE / "packages.list").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def is_left_out(path: str) -> bool:
    """Whether a file of a package does not go into the archive, as dpkg decides it."""
    unwanted = any(fnmatchcase(path, each) for each in UNWANTED)
    return unwanted and not any(fnmatchcase(path, each) for each in WANTED)


def fingerprint() -> str:
    """Hash everything that decides what the archive holds, but for the mirror's day."""
    parts = [*sorted(packages()), SUITE, EPOCH, *UNWANTED, *WANTED]
    parts += [(HERE / name).read_text(encoding="utf-8") for name in ("modules", "setup.sh")]
    parts += [SNAPSHOT] if SNAPSHOT else []
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def base_archive(cache: Path) -> Path:
    """Return the archive, from the cache where it is there already."""
    archive = cache / f"base-{fingerprint()}.tar"
    if not archive.exists():
        part = archive.with_suffix(".part")
        bootstrap(part)
        part.rename(archive)
    return archive


def bootstrap(target: Path) -> None:
    """Have mmdebstrap install the packages into an archive."""
    patterns = [f"path-exclude={each}" for each in UNWANTED]
    patterns += [f"path-include={each}" for each in WANTED]
    subprocess.run(
        [
            "mmdebstrap",
            "--variant=essential",
            "--mode=root",
            "--format=tar",
            f"--architectures={ARCHITECTURE}",
            f"--include={','.join(packages())}",
            f"--keyring={KEYRINGS}",
            "--aptopt=Apt::Install-Recommends false",
            f"--aptopt=Acquire::Check-Valid-Until {str(not SNAPSHOT).lower()}",
            *(f"--dpkgopt={each}" for each in patterns),
            f'--essential-hook={HERE / "setup.sh"} "$1" {HERE}',
            SUITE,
            str(target),
            *sources(),
        ],
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "INITRD": "Yes"},
        check=True,
    )


def sources() -> list[str]:
    """Name the archive's lines: $MIRROR and $MIRROR_SECURITY, or the host's own mirrors."""
    day = f"/{SNAPSHOT}" if SNAPSHOT else ""
    mirror = (os.environ.get("MIRROR") or host_mirror("debian")) + day
    security = (os.environ.get("MIRROR_SECURITY") or host_mirror("debian-security")) + day
    return [
        f"deb {mirror} {SUITE} main",
        f"deb {mirror} {SUITE}-updates main",
        f"deb {security} {SUITE}-security main",
    ]


def host_mirror(name: str) -> str:
    """Find a mirror of that archive among this machine's own package sources."""
    files = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]
    for line in "\n".join(each.read_text() for each in files if each.is_file()).splitlines():
        found = re.match(rf"(?:deb\b.*?|URIs:)\s+(\S+/{name})/?(?:\s|$)", line)
        if found:
            return found[1]
    raise NoMirror(f"no mirror of {name} here; set MIRROR and MIRROR_SECURITY")
