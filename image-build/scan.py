"""Looks through a root file system for what must not be in an image that everybody gets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{16}"
)
PASSWORD: Final = re.compile(r"^([^:]+):([^!*:][^:]*):", re.MULTILINE)
ELSEWHERE: Final = re.compile(r"^([^:]+):x:", re.MULTILINE)  # passwd means: see shadow
NO_PASSWORD: Final = re.compile(r"^([^:]+)::", re.MULTILINE)
FORBIDDEN: Final = {
    "etc/ssh/ssh_host_*": "a host key that every box would share",
    "**/authorized_keys": "a door for somebody",
    "var/lib/darasa/*": "a school's data",
    "etc/darasa/*": "a school's settings",
    "root/.*history": "somebody's commands",
    "**/random-seed": "chance that every box would share",
}
LARGE: Final = 4 << 20  # a key is small; libraries are not read through


def findings(root: Path) -> list[str]:
    """Return every reason why this root must not be given away; none is well."""
    return sorted([*_identity(root), *_passwords(root), *_forbidden(root), *_keys(root)])


def _identity(root: Path) -> Iterator[str]:
    machine_id = root / "etc/machine-id"
    if machine_id.exists() and machine_id.read_text().strip():
        yield "etc/machine-id: every box would be one machine"


def _passwords(root: Path) -> Iterator[str]:
    for name in ("etc/shadow", "etc/shadow-", "etc/passwd"):
        path = root / name
        text = path.read_text() if path.exists() else ""
        text = ELSEWHERE.sub(r"\1:*:", text)
        yield from (f"{name}: {each[1]} has a password" for each in PASSWORD.finditer(text))
        yield from (f"{name}: {each[1]} needs no password" for each in NO_PASSWORD.finditer(text))


def _forbidden(root: Path) -> Iterator[str]:
    for pattern, reason in FORBIDDEN.items():
        for found in root.glob(pattern):
            yield f"{found.relative_to(root)}: {reason}"


def _keys(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        is_read = path.is_file() and not path.is_symlink() and path.stat().st_size < LARGE
        content = path.read_bytes() if is_read else b""
        # A library that tests itself has keys of its own for that, in every Debian.
        if not content.startswith(b"\x7fELF") and PRIVATE_KEY.search(content):
            yield f"{path.relative_to(root)}: a private key"
