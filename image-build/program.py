"""Darasa itself and its wheels, as a virtual environment for the image's Python.

Nothing foreign runs: arm64 wheels are chosen by name and hash and unpacked, and a virtual
environment is a folder with a link to Python and three lines of text.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = Path(__file__).with_name("requirements-arm64.lock")
PYTHON: Final = "3.13"
PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
# Drawn in by what we need, and never imported by it: 50 MB.
UNUSED: Final = ("pip", "faker")
LAUNCHERS: Final = {"darasa-box": "appliance.__main__", "darasa-agent": "sync.agent.__main__"}
LAUNCHER: Final = """#!/opt/darasa/bin/python
import sys

from {module} import main

sys.exit(main())
"""


def install_program(root: Path, wheels: Path) -> None:
    """Make /opt/darasa in the root file system."""
    here = root / "opt/darasa"
    packages = here / f"lib/python{PYTHON}/site-packages"
    packages.mkdir(parents=True)
    (here / "bin").mkdir()
    (here / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"
    )
    (here / "bin/python").symlink_to(f"/usr/bin/python{PYTHON}")
    _pip(
        "install", "--no-deps", "--no-compile", "--target", packages, *_foreign(), *fetched(wheels)
    )
    _trim(packages)
    for name, module in LAUNCHERS.items():
        launcher = here / "bin" / name
        launcher.write_text(LAUNCHER.format(module=module))
        launcher.chmod(0o755)


def fetched(wheels: Path) -> list[Path]:
    """Return every wheel: the locked ones, checked against their hashes, and our own."""
    shutil.rmtree(wheels, ignore_errors=True)
    lock = ("--require-hashes", "-r", LOCK)
    _pip("download", "--no-deps", "-d", wheels, *_foreign(), *lock)
    _pip("wheel", "--no-deps", "--no-build-isolation", "-w", wheels, ROOT)
    return sorted(wheels.glob("*.whl"))


def _foreign() -> list[str]:
    words = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    return [*words, *(f"--platform={each}" for each in PLATFORMS)]


def _pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check"]
    env = {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*command, *map(str, words)], env=env, check=True)


def _trim(packages: Path) -> None:
    shutil.rmtree(packages / "bin", ignore_errors=True)
    for name in UNUSED:
        for found in packages.glob(f"{name}*"):
            shutil.rmtree(found)
    for found in [*packages.rglob("tests"), *packages.rglob("*.pyi")]:
        shutil.rmtree(found) if found.is_dir() else found.unlink()
