"""The steps of `make image-test` with an update on a stick: pulled out meanwhile, and left in."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.image.bought import MIB, stick
from tests.image.keeper import Keeper
from tests.image.stage import Trouble
from tests.image.sticks import gone, plugged_in
from tests.image.updates import INSTALL, next_release, started_from_the_other, timed

ROOM_MIB: Final = 96
# A third of the bundle, in the kernel's sectors.
A_THIRD_READ: Final = (
    "timeout 900 sh -c 'until read _ _ sectors _ < /sys/block/{disk}/stat"
    " && [ $sectors -gt 100000 ]; do sleep .2; done'"
)
ORDER: Final = "fw_printenv -n BOOT_ORDER"


def a_stick_pulled_out_of_an_update(stage):
    """A sentence, and the system that runs is the one that starts next."""
    target = stick_with_an_update(stage)
    stage.until_good()
    keeper, before = Keeper(stage), stage.slot()
    stage.machine.plug(target, "update")
    place = plugged_in(stage, "vfat")
    disk = place.rpartition("/")[2].rstrip("1")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(stage.machine.run, f"{INSTALL} {place}", check=False)
        stage.machine.run(A_THIRD_READ.format(disk=disk))
        stage.machine.pull("update")
        said = asked.result()
    gone(stage, keeper)
    order = stage.machine.run(ORDER)
    if "could not be read to its end" not in said or not order.startswith(before):
        raise Trouble(f"{said}; from {before}, BOOT_ORDER={order}")
    return f"{said.splitlines()[0]} {before} runs, BOOT_ORDER={order}"


def updates_from_a_stick(stage):
    """From a FAT stick that the rule mounts in the running box; it goes on from there."""
    target = stick_with_an_update(stage)
    stage.until_good()
    before = stage.slot()
    stage.machine.plug(target, "update")
    place = plugged_in(stage, "vfat")
    took, said = timed(stage, f"{INSTALL} {place}")
    return f"vfat at {place}, " + started_from_the_other(stage, before, took, said)


def stick_with_an_update(stage):
    """Make it once, or take the one that was pulled out."""
    target, bundle = stage.folder / "update.img", next_release(stage)
    if target.exists():
        return target
    return stick(target, "vfat", bundle.stat().st_size // MIB + ROOM_MIB, bundle)
