"""The step of `make image-test` with the page that switches the machine off, or restarts it."""

import time

from tests.image.keeper import Keeper
from tests.image.stage import Trouble


def is_switched_from_its_page(stage):
    """The keeper restarts it, then switches it off; it stops in order and comes back."""
    stage.until_good()
    began = time.monotonic()
    press(stage, "restart")
    stage.wait_for_starts(1)
    restarting = time.monotonic() - began
    stage.machine.until_healthy()
    stage.until_good()
    began = time.monotonic()
    press(stage, "off")
    stage.machine.until_off()
    stopping = time.monotonic() - began
    took = stage.start()
    stage.compare_rows()
    return (
        f"restart: starts again after {restarting:.0f} s; off after {stopping:.0f} s, serving"
        f" {took:.0f} s after being switched on, every row there"
    )


def press(stage, switch):
    """Press the button, which the page shows."""
    keeper = Keeper(stage)
    if 'href="/box/switch"' not in keeper.page("/box"):
        raise Trouble("*This box* shows no way to switch it off")
    status, told = keeper.press("/box/switch", {"switch": switch})
    if "is restarting" not in told and "is switching off" not in told:
        raise Trouble(f"{status} {told[:400]}")
