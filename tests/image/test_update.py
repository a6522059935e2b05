"""What the real RAUC refuses on a running box: a sentence with what to do, and nothing touched."""

import hashlib
import os
import subprocess
import sys
from random import Random

import pytest
from bundle import throwaway_signer

from tests.drills.kill9 import Drill
from tests.drills.update_kill import Result, verdict
from tests.image.uboot import UBOOT
from tests.sources import ROOT
from tests.update.machine import BY_NAME, SmallMachine
from tests.update.release import Release, Workshop, make_plain_bundle

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

TOOLS = {
    "rauc": "rauc", "mksquashfs": "squashfs-tools", "fw_setenv": "libubootenv-tool",
    "dbus-daemon": "dbus-daemon", "openssl": "openssl", "mkimage": "u-boot-tools",
    "mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "sfdisk": "fdisk", "losetup": "mount",
}  # fmt: skip
WELL_S = 60.0
SEED_OF_A_MIGRATION = 10  # a good release, cut in its first start while the file is migrated
MIB = 1 << 20
NOTHING = "Nothing was changed; this box goes on with what it has."


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("update")


@pytest.fixture(scope="module")
def signer(workplace):
    return throwaway_signer(workplace / "signer")


@pytest.fixture(scope="module")
def _machine(workplace, signer):
    """Leave a box running in slot A, well, with an empty data partition."""
    shop = Workshop(workplace, BY_NAME["root_a"], signer, sys.executable)
    slot = shop.slot(Release("first", "0.3.0", "", ()))
    (workplace / "machine").mkdir()
    running = SmallMachine(workplace / "machine", slot, signer.certificate)
    try:
        running.start("A", is_apart=True)
        assert running.event("marking", within_s=WELL_S) == ["marking", "0"], running.tail()
        yield running
    finally:
        running.switch_off()


@pytest.fixture
def may_attach(tools):
    tools(TOOLS)
    if os.geteuid() != 0:
        pytest.skip("only root may attach loop devices")


@pytest.fixture
def machine(may_attach, request):
    return request.getfixturevalue("_machine")


@pytest.fixture
def bring(workplace, signer, machine):
    """Put a small update on the stick."""
    slot = workplace / "small.img"
    slot.write_bytes(Random(1).randbytes(MIB))

    def bring(name="update.raucb", *, by=signer, version="0.4.0", **more):
        target = machine.work / "stick" / name
        made = workplace / name
        make_plain_bundle(made, slot, by, version, "small", **more)
        target.write_bytes(made.read_bytes())
        return target

    yield bring
    for left in (machine.work / "stick").iterdir():
        left.unlink()


def install(machine, place):
    """Return the exit status and what a person reads."""
    machine.said.clear()
    machine.order(f"install {place}")
    event = machine.event("installing", within_s=WELL_S)
    return int(event[1]), list(machine.said)


def state(machine, *names):
    return [hashlib.sha256((machine.work / name).read_bytes()).digest() for name in names]


def strangers(bring, workplace):
    bring(by=throwaway_signer(workplace / "strange"))


def another_machine(bring, _):
    bring(compatible="another-box")


def older(bring, _):
    bring(version="0.2.9")


def damaged(bring, _):
    path = bring()
    with path.open("r+b") as file:
        file.seek(MIB // 2)
        file.write(b"damaged")


def half_copied(bring, _):
    path = bring()
    os.truncate(path, path.stat().st_size // 2)


def last_bytes_missing(bring, _):
    path = bring()
    os.truncate(path, path.stat().st_size - 100)


def empty(bring, _):
    os.truncate(bring(), 0)


def a_poem(bring, _):
    bring().write_text("Water rises when the sun warms it.\n")


def noise(bring, _):
    bring().write_bytes(Random(2).randbytes(MIB))


def pulled_out(bring, _):
    bring().unlink()


@pytest.mark.parametrize(
    ("wrong", "means", "todo"),
    [
        (strangers, "not an update from your supplier", "Ask your supplier"),
        (another_machine, "for another kind of machine", "Ask your supplier"),
        (older, "older than what runs here", "nothing to do"),
        (damaged, "damaged", "Copy the file to the stick once more"),
        (half_copied, "not copied to its end", "Copy the file to the stick once more"),
        (last_bytes_missing, "not copied to its end", "Copy the file to the stick once more"),
        (empty, "no update, or", "Copy the file to the stick once more"),
        (a_poem, "no update, or", "Copy the file to the stick once more"),
        (noise, "no update, or", "Copy the file to the stick once more"),
        (pulled_out, "no update at this place", "Plug the stick in"),
    ],
)
def test_what_is_no_update_for_this_box_is_refused_and_nothing_is_touched(
    machine, bring, workplace, wrong, means, todo
):
    before = state(machine, "bootstate", "root_a", "root_b")
    wrong(bring, workplace)
    status, said = install(machine, "/stick/update.raucb")
    assert status == 1
    assert means in said[0]
    assert todo in said[0]
    assert said[1] == NOTHING
    assert state(machine, "bootstate", "root_a", "root_b") == before
    assert machine.is_on


def test_a_stick_with_one_update_on_it_is_enough_to_name(machine, bring):
    bring(version="0.2.9")
    assert "older than what runs here" in install(machine, "/stick")[1][0]


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("last.raucb", "new.raucb", "older.raucb"), "new.raucb"),
        (("new.raucb", "a-poem.raucb", "another-machines.raucb", "strangers.raucb"), "new.raucb"),
        (("a-poem.raucb", "strangers.raucb"), ""),
        (("readme.txt",), ""),
    ],
)
def test_of_several_files_on_a_stick_the_newest_that_is_for_this_box_is_taken(
    machine, bring, workplace, names, taken
):
    kinds = {
        "last.raucb": {"version": "0.9.0"},
        "new.raucb": {"version": "0.10.0"},
        "older.raucb": {"version": "0.2.9"},
        "another-machines.raucb": {"version": "9.0.0", "compatible": "another-box"},
        "strangers.raucb": {"version": "9.0.0", "by": throwaway_signer(workplace / "strange")},
    }
    for name in names:
        if name in kinds:
            bring(name, **kinds[name])
        else:
            (machine.work / "stick" / name).write_text("Water rises when the sun warms it.\n")
    status, said = install(machine, "/stick")
    if taken:
        assert (status, said[0]) == (0, f"Taking {taken}: version {kinds[taken]['version']}.")
    else:
        assert (status, said[1]) == (1, NOTHING)
        assert "no update for this box on the stick" in said[0]


def test_the_right_one_goes_into_the_other_slot_and_the_running_one_is_not_written(machine, bring):
    before = state(machine, "root_a")
    path = bring()
    status, said = install(machine, "/stick")
    assert (status, said[0].split(".")[0]) == (0, "Installed")
    assert state(machine, "root_a") == before
    with (machine.work / "root_b").open("rb") as slot:
        assert slot.read(MIB) == Random(1).randbytes(MIB)
    assert b"BOOT_ORDER=B A\0" in (machine.work / "bootstate").read_bytes()[:512]
    assert path.exists()


def test_the_plug_is_pulled_in_the_middle_of_a_migration_and_a_box_serves(may_attach, tools):
    tools({"qemu-system-aarch64": "qemu-system-arm"})
    if not UBOOT.exists():
        pytest.skip("U-Boot for qemu is not here: apt-get install u-boot-qemu")
    words = [sys.executable, "-m", "tests.drills.update_kill", "1", str(SEED_OF_A_MIGRATION)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "image-build")}
    played = subprocess.run(words, capture_output=True, text=True, check=False, env=env, cwd=ROOT)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "update-kill PASS" in played.stdout
    assert "(migrating " in played.stdout


@pytest.mark.parametrize(
    "found", [{"silent": ["no box serves"]}, {"damage": ["a broken one was kept"]}, {"cuts": 0}]
)
def test_a_box_that_stands_still_fails_the_drill(found):
    ledger = Drill(acknowledged=40)
    assert verdict(Result(cuts=1, ledger=ledger)).startswith("update-kill PASS")
    assert verdict(Result(**{"cuts": 1, "ledger": ledger} | found)).startswith("update-kill FAIL")
    lost = Result(cuts=1, ledger=Drill(acknowledged=40, lost={"hand-in 7"}))
    assert verdict(lost).startswith("update-kill FAIL")
