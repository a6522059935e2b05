"""The doctor beside a real box: while it serves, after it was killed, after it stopped."""

import asyncio
import subprocess

import pytest

from appliance.maintenance.stops import read_mark, running_box
from appliance.settings import Settings
from demo.processes import PYTHON, box_process, free_port, until_healthy

pytestmark = pytest.mark.system


def doctor(data_dir):
    command = [PYTHON, "-m", "appliance", "doctor"]
    env = {"DARASA_DATA_DIR": str(data_dir), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_the_doctor_knows_a_box_that_serves_from_one_that_was_killed(tmp_path):
    data_dir = tmp_path / "box"
    port = free_port()
    running = Settings(data_dir=data_dir).running
    with box_process(data_dir, port) as box:
        asyncio.run(until_healthy(box, port))
        told = doctor(data_dir)
        assert (told.returncode, "not running" in told.stdout) == (0, False), told.stdout
        assert running_box(running).port == port
        box.kill()
        assert running_box(running) is None
        assert read_mark(running).port == port, "nobody said goodbye"
        told = doctor(data_dir)
        assert (told.returncode, "The box is not running." in told.stdout) == (1, True)
        box.start()
        asyncio.run(until_healthy(box, port))
        box.stop()
    assert read_mark(running) is None
