"""U-Boot itself runs boot.cmd on a card of small slots: who starts, who is given up, and when."""

import re
import subprocess

import pytest
from card import boot_state

from tests.image.uboot import UBOOT, small_card, starts, state_of

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

CHIP = "5b1c0ffee0000000000000000000cafe"
STATE = {"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"}


@pytest.fixture(autouse=True)
def machine(tools):
    tools({"qemu-system-aarch64": "qemu-system-arm", "mkimage": "u-boot-tools"})
    tools({"mke2fs": "e2fsprogs", "debugfs": "e2fsprogs", "sfdisk": "fdisk"})
    if not UBOOT.exists():
        pytest.skip("U-Boot for qemu is not here: apt-get install u-boot-qemu")


def by_fw_setenv(card, tmp_path, values):
    """Change the state as RAUC does on a running box: through fw_setenv."""
    config = tmp_path / "fw_env.config"
    config.write_text(f"{card} {32768 * 512:#x} 0x200\n")
    script = tmp_path / "values"
    script.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    subprocess.run(["fw_setenv", "-c", config, "-s", script], check=True)


def test_a_slot_has_three_starts_then_the_other_then_both_begin_anew(tmp_path):
    card = small_card(tmp_path, state=boot_state(STATE))
    seen, heard = starts(card, 7)
    assert seen == [
        ("A", 2, "A"), ("A", 1, "A"), ("A", 0, "A"),
        ("B", 2, "B"), ("B", 1, "B"), ("B", 0, "B"),
        ("A", 2, "A"),
    ]  # fmt: skip
    assert "darasa: no start is left, both slots get three" in heard
    assert sum("rauc.slot=B" in line and "of=B" in line for line in heard) == 3


def test_a_system_without_a_kernel_gives_way_to_the_other(tmp_path):
    card = small_card(tmp_path, state=boot_state(STATE | {"BOOT_A_LEFT": "1"}), kernels="B")
    seen, heard = starts(card, 2)
    assert seen == [("A", 0, None), ("B", 2, "B")]
    assert "darasa: slot A does not start" in heard


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (b"\xa5" * 512, ("A", 2, "A")),  # damaged: as if both were fresh
        (None, ("A", 2, "A")),  # never written
        (boot_state({"BOOT_ORDER": "B A"}), ("B", 2, "B")),  # names are missing
        (boot_state(STATE | {"BOOT_ORDER": "X"}), ("A", 2, "A")),  # valid, and senseless
        (boot_state(STATE | {"BOOT_A_LEFT": "many"}), ("B", 2, "B")),
    ],
)
def test_whatever_the_state_says_a_slot_starts(tmp_path, state, expected):
    card = small_card(tmp_path, state=state)
    assert starts(card, 1)[0] == [expected]


def test_what_rauc_writes_is_what_the_loader_reads(tmp_path, tools):
    tools({"fw_setenv": "libubootenv-tool"})
    card = small_card(tmp_path, state=boot_state(STATE))
    by_fw_setenv(card, tmp_path, {"BOOT_ORDER": "B A", "BOOT_B_LEFT": "2"})
    assert starts(card, 1)[0] == [("B", 1, "B")]
    printed = subprocess.run(
        ["fw_printenv", "-c", tmp_path / "fw_env.config"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(printed.stdout.split("\n")) >= {"BOOT_ORDER=B A", "BOOT_A_LEFT=3", "BOOT_B_LEFT=1"}
    assert len(state_of(card)) == 512


def test_the_chips_number_becomes_the_machines(tmp_path):
    card = small_card(tmp_path, state=boot_state(STATE), before=f"setenv cpuid# {CHIP}\n")
    _, heard = starts(card, 1)
    assert any(re.search(rf"machine_id={CHIP}$", line) for line in heard)
