import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
EXPOSURE_MAX = 20  # systemd's scale times ten: 2.0 is "OK"; a bare service has 9.6
PROGRAM = re.compile(r"^ExecStart=/opt/darasa/bin/(\S+)", re.MULTILINE)
SETTING = re.compile(r"^(\w+)=", re.MULTILINE)
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze: install systemd")


@pytest.fixture
def installed(tmp_path):
    """Copy the units as they would be installed, with a program that exists everywhere."""
    for unit in [*SERVICES, *UNITS.glob("*.socket")]:
        text = unit.read_text()
        text, count = PROGRAM.subn("ExecStart=/bin/true", text)
        assert count == (unit.suffix == ".service"), unit
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*words):
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_about_our_units(installed):
    units = sorted(str(path) for path in installed.iterdir())
    # Its exit status is 0 for an unknown key, so any line counts. --man: pages are not installed.
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", *units)
    assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


def test_a_misspelt_limit_would_be_noticed(installed):
    unit = installed / "darasa-box.service"
    unit.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    verdict = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert "NoNewPriviledges" in verdict.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_exposure_stays_low(installed, unit):
    verdict = analyze(
        "security", "--offline=yes", f"--threshold={EXPOSURE_MAX}", str(installed / unit.name)
    )
    assert verdict.returncode == 0, verdict.stdout[-400:] + verdict.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_every_limit_is_explained(unit):
    told = (UNITS / "README.md").read_text()
    service = unit.read_text().partition("[Service]")[2].partition("[Install]")[0]
    settings = set(SETTING.findall(service))
    assert {name for name in settings if f"`{name}`" not in told} == set()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_runs_a_program_that_is_shipped(unit):
    program = PROGRAM.search(unit.read_text())[1]
    pyproject = (UNITS.parent / "pyproject.toml").read_text()
    assert f"{program} = " in pyproject.split("[project.scripts]")[1]
