"""What the image is made of: each Debian package and each wheel, with version and hash."""

import hashlib
import json
from collections.abc import Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

Component = dict[str, Any]


def bill_of_materials(
    root: Path, fetched: Path, packages: Mapping[str, tuple[str, str]], build: Mapping[str, str]
) -> Component:
    """Return it in the words of CycloneDX 1.5."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "firmware", "name": "darasa", "version": build["version"]}
        },
        "components": [*debian_packages(root, packages), *wheels(root, fetched)],
    }


def debian_packages(root: Path, packages: Mapping[str, tuple[str, str]]) -> list[Component]:
    """Read what dpkg has written down; the hash is that of the file it came from."""
    status = (root / "var/lib/dpkg/status").read_text(encoding="utf-8")
    found = [HeaderParser().parsestr(block) for block in status.split("\n\n") if block.strip()]
    return [
        component(
            each["Package"],
            each["Version"],
            "pkg:deb/debian/{Package}@{Version}?arch={Architecture}".format(**dict(each)),
            packages[each["Package"]][1],
        )
        for each in found
        if "installed" in each["Status"].split()
    ]


def wheels(root: Path, fetched: Path) -> list[Component]:
    """Read what each wheel says of itself; the hash is that of the file it was unpacked from."""
    files = {distribution(path.name): path for path in fetched.glob("*.whl")}
    found = []
    for page in sorted(root.glob("opt/darasa/lib/*/site-packages/*.dist-info/METADATA")):
        told = HeaderParser().parsestr(page.read_text(encoding="utf-8"))
        name, version = told["Name"], told["Version"]
        digest = hashlib.sha256(files[distribution(page.parent.name)].read_bytes()).hexdigest()
        found.append(component(name, version, f"pkg:pypi/{name.lower()}@{version}", digest))
    return found


def distribution(name: str) -> str:
    """Return the part of a wheel's or a dist-info's name that says what it is."""
    return "-".join(name.removesuffix(".dist-info").lower().split("-")[:2])


def component(name: str, version: str, purl: str, digest: str) -> Component:
    """Return one line of the bill."""
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "library", "name": name, "version": version, "purl": purl, "hashes": hashes}


def write_json(path: Path, content: Any) -> None:
    """Write it so that the same content is the same bytes."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
