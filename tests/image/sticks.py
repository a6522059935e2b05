"""The steps of `make image-test` with sticks: as they are bought, and pulled out of a backup."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.image.bought import KINDS, stick
from tests.image.keeper import Keeper
from tests.image.stage import Trouble

STICK_MIB: Final = 64
SLOW_B_S: Final = 2_000  # a backup is being written for as long as it takes to pull
WITHIN_S: Final = 120.0
PAUSE_S: Final = 0.5
FOR_DARASA: Final = {"nosuid", "nodev", "noexec", "nosymfollow", "noatime"}
MORE: Final = {
    "vfat": {"uid=970", "gid=970", "fmask=0077", "dmask=0077", "flush", "utf8"},
    "exfat": {"uid=970", "gid=970", "fmask=0077", "dmask=0077", "iocharset=utf8"},
    "ext4": {"idmapped", "errors=remount-ro"},
}
HALF_WRITTEN: Final = (
    "timeout 120 sh -c"
    " 'until ls /run/media/*/darasa-backup/school-*.partial 2>&-; do sleep .1; done'"
)
OURS: Final = "This school's"


def sticks_as_bought(stage):
    """Each kind is mounted by the rule, taken with one tap, and carries a backup that passed."""
    keeper, seen = Keeper(stage), []
    for kind in KINDS:
        stage.machine.plug(stick(stage.folder / f"{kind}.img", kind, STICK_MIB), kind)
        place = plugged_in(stage, kind)
        if not keeper.sticks()[place]["is_free"]:
            raise Trouble(f"{place}: {keeper.sticks()}")
        keeper.take(place)
        run = backed_up(keeper, place)
        seen.append(f"{kind} {KINDS[kind].label!r} at {place}, {run['rows']} rows")
        stage.machine.pull(kind)
        gone(stage, keeper)
    return "; ".join(seen)


def a_stick_pulled_out_of_a_backup(stage):
    """A sentence, a box that goes on; the same stick takes the next one."""
    keeper, target = Keeper(stage), stage.folder / "vfat.img"
    stage.machine.plug(target, "slow", bytes_s=SLOW_B_S)
    place = plugged_in(stage, "vfat")
    if keeper.sticks()[place]["title"] != OURS:
        raise Trouble(f"pulled out after a backup, it was no longer ours: {keeper.sticks()}")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(keeper.back_up)
        stage.machine.run(HALF_WRITTEN)
        stage.machine.pull("slow")
        status, told = asked.result()
    gone(stage, keeper)
    if told.get("code") != "backup-medium-failed" or not stage.machine.is_healthy():
        raise Trouble(f"{status} {told}")
    stage.machine.plug(target, "again")
    place = plugged_in(stage, "vfat")
    run = backed_up(keeper, place)
    left = stage.machine.run(f"ls {place}/darasa-backup")
    stage.machine.pull("again")
    gone(stage, keeper)
    if "partial" in left:
        raise Trouble(left)
    return f"{told['title']}: {told['detail']}; plugged in again: {run['words']}"


def plugged_in(stage, kind):
    """Wait until the rule has mounted it, look at its options and owner; return the place."""
    words = until(lambda: mounts(stage.machine), f"no stick is mounted: {kind}")
    (line,) = words
    place, shown, options = line.split()
    lacking = (FOR_DARASA | MORE[kind]) - set(options.split(","))
    owner = stage.machine.run(f"stat -c %U {place}")
    if shown != kind or lacking or owner != "darasa":
        raise Trouble(f"{line}, lacking {lacking}, of {owner}")
    return place


def mounts(machine):
    """The sticks that are mounted, a line each."""
    lines = machine.run("findmnt -rno TARGET,FSTYPE,OPTIONS").splitlines()
    return [line for line in lines if line.startswith("/run/media/")]


def gone(stage, keeper):
    """Nothing is left of it: no mount, here or in the box's own view, and no failed unit."""
    until(lambda: not mounts(stage.machine), "still mounted")
    failed = stage.machine.run("systemctl list-units --failed --plain --no-legend")
    if failed or keeper.sticks():
        raise Trouble(f"failed: {failed}; the box still sees {keeper.sticks()}")


def backed_up(keeper, place):
    """Make a backup that passes its test."""
    status, run = keeper.back_up()
    if status != 201 or not run["is_verified"] or run["place"] != place:
        raise Trouble(f"{status} {run}")
    return run


def until(holds, trouble, within_s=WITHIN_S):
    """Wait until something holds; return it."""
    end = time.monotonic() + within_s
    while not (found := holds()):
        if time.monotonic() > end:
            raise Trouble(trouble)
        time.sleep(PAUSE_S)
    return found
