"""The step of `make image-test` with the hardware's watchdog: qemu has one that resets."""

import time
from typing import Final

from tests.image.stage import Trouble

STATE: Final = "cat /sys/class/watchdog/watchdog0/identity /sys/class/watchdog/watchdog0/state"
# `kill -STOP 1` does nothing: the kernel keeps such signals from its first process.
DEATHS: Final = {
    "systemd stopped": "echo 1 > /sys/fs/cgroup/init.scope/cgroup.freeze",
    "kernel dead": "sysctl -q kernel.panic=0; echo c > /proc/sysrq-trigger",
}


def comes_back_by_its_watchdog(stage):
    """Nobody feeds it any more: the machine starts again by itself, and the school is there."""
    stage.until_good()
    identity, _, state = stage.machine.run(STATE).rpartition("\n")
    if state != "active":
        raise Trouble(f"{identity} is {state}")
    seen = []
    for name, deed in DEATHS.items():
        began = time.monotonic()
        ended = stage.machine.begin(deed)
        stage.wait_for_starts(1)
        seen.append(f"{name}: starts again after {time.monotonic() - began:.0f} s")
        ended.kill()
        stage.machine.until_healthy()
        stage.until_good()
        stage.compare_rows()
    return f"{identity}; {'; '.join(seen)}; every row there"
