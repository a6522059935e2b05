"""The button on the page, and a real systemd that hears it: it stops, or starts again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from tests.box import running_box, sign_in
from tests.systemd.units import UNITS

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("needs_systemd")]

FIRST = Path(__file__).with_name("first_process.py")
PATIENCE_S = 60.0
USER_ID = 970


@pytest.fixture
def small_machine(tmp_path):
    """Start systemd as the first process of a machine; return it and its /run."""
    if os.geteuid() != 0 or control_groups() is None:
        pytest.skip("only root may start a systemd of its own, in a control group of its own")
    for name in ("units", "machine"):
        (tmp_path / name).mkdir()
    for path in [*UNITS.glob("darasa-off.*"), *UNITS.glob("darasa-restart.*")]:
        shutil.copy(path, tmp_path / "units")
    words = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup"]
    words += ["--kill-child", sys.executable, FIRST, tmp_path / "machine", tmp_path / "units"]
    with control_group(f"darasa-test-{os.getpid()}") as enter:
        machine = subprocess.Popen([*enter, *words, str(USER_ID)])
        try:
            yield machine, run_of(machine)
        finally:
            machine.kill()
            machine.wait()


def control_groups():
    """Find where control groups may be made."""
    lines = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = (Path(words[1]) for words in lines if words[2] == "cgroup2")
    return next((place for place in found if os.access(place, os.W_OK)), None)


@contextmanager
def control_group(name):
    """Make one and say how to enter it; what systemd makes below it goes with it."""
    group = control_groups() / name
    group.mkdir()
    try:
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', group / "cgroup.procs"]
    finally:
        until(lambda: "populated 0" in (group / "cgroup.events").read_text())
        for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            path.rmdir()
        group.rmdir()


def run_of(machine):
    """Wait until systemd listens; return its /run."""
    children = Path(f"/proc/{machine.pid}/task/{machine.pid}/children")
    until(lambda: children.read_text().split())
    run = Path("/proc", children.read_text().split()[0], "root", "run")
    until(lambda: all(is_ready(run / "darasa-power" / name) for name in ("off", "restart")))
    return run


def is_ready(place):
    """Whether systemd has given it to the box's user: the last thing it does."""
    return place.exists() and place.stat().st_uid == USER_ID


def until(is_so):
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("switch", "words", "ends_with"),
    [
        ("off", "is switching off", signal.SIGINT),  # how the kernel tells of reboot(2) in there
        ("restart", "is restarting", signal.SIGHUP),
    ],
)
def test_the_keeper_presses_and_systemd_does_it(
    small_machine, database, school, switch, words, ends_with
):
    machine, run = small_machine
    assert (run / "darasa-power" / switch).stat().st_mode & 0o777 == 0o600
    with running_box(database) as client:
        state = client.app.state
        state.settings = structs.replace(state.settings, run_dir=run)
        keeper = sign_in(client, school.keeper)
        assert "Restart the box" in keeper.get("/box/switch").text
        assert machine.poll() is None, "looking is not pressing"
        assert words in keeper.post("/box/switch", data={"switch": switch}).text
        assert machine.wait(PATIENCE_S) == -ends_with
