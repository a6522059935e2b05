"""What the image is made of: each Debian package and each wheel, with version and hash."""

import json
from email.parser import HeaderParser
from pathlib import Path
from typing import Any


def bill_of_materials(root: Path, build: dict[str, str]) -> dict[str, Any]:
    """Return it in the words of CycloneDX 1.5."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {"type": "firmware", "name": "darasa", "version": build["version"]}
        },
        "components": [*debian_packages(root), *wheels(root)],
    }


def debian_packages(root: Path) -> list[dict[str, str]]:
    """Read what dpkg has written down."""
    status = (root / "var/lib/dpkg/status").read_text(encoding="utf-8")
    found = [HeaderParser().parsestr(block) for block in status.split("\n\n") if block.strip()]
    return [
        {
            "type": "library",
            "name": each["Package"],
            "version": each["Version"],
            "purl": "pkg:deb/debian/{Package}@{Version}?arch={Architecture}".format(**dict(each)),
        }
        for each in found
        if "installed" in each["Status"].split()
    ]


def wheels(root: Path) -> list[dict[str, str]]:
    """Read what each wheel says of itself."""
    found = []
    for page in sorted(root.glob("opt/darasa/lib/*/site-packages/*.dist-info/METADATA")):
        told = HeaderParser().parsestr(page.read_text(encoding="utf-8"))
        purl = f"pkg:pypi/{told['Name'].lower()}@{told['Version']}"
        found.append(
            {"type": "library", "name": told["Name"], "version": told["Version"], "purl": purl}
        )
    return found


def write_json(path: Path, content: Any) -> None:
    """Write it so that the same content is the same bytes."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
