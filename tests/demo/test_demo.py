"""The demo, small: everything real, from nothing to box = hub."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

COMMAND = [sys.executable, "-m", "demo", "--pupils", "5", "--schools", "1", "--hurried"]
PASSED = re.compile(
    r"demo PASS: schools 1, tables equal (\d+) of \1 \(\d+ rows\), "
    r"hand-ins acknowledged (\d+), lost 0, \d+ s"
)


def processes_of(parent: int) -> list[psutil.Process]:
    return psutil.Process(parent).children(recursive=True)


@pytest.mark.system
@pytest.mark.postgres
def test_a_school_day_with_a_cut_link_ends_with_box_equal_hub():
    run = subprocess.run(
        [*COMMAND, "--check"], capture_output=True, text=True, timeout=55, check=False
    )
    verdict = PASSED.search(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert verdict is not None, run.stdout
    assert int(verdict[2]) >= 5, "every pupil hands in"


@pytest.mark.system
@pytest.mark.postgres
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_ended_demo_leaves_no_process_behind(number: int, tmp_path: Path):
    with (tmp_path / "demo.log").open("wb") as log:
        demo = subprocess.Popen(COMMAND, stdout=log, stderr=log, start_new_session=True)
    until(lambda: len(processes_of(demo.pid)) >= 4, "PostgreSQL, hub, box and agent are up")
    family = processes_of(demo.pid)
    demo.send_signal(number)
    demo.wait(20)
    until(lambda: not any(is_alive(each) for each in family), "all of them are gone")


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(is_so, what, *, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
