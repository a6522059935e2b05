"""A stick in a box: mounted where the box may write, by safe rules, whatever it is called."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.image.stick_lab import OVERLAY, RULE, in_mounted, mounts, options, plugged_in, told_udev
from tests.systemd.units import UNITS, values

SAFE = {"nosuid", "nodev", "noexec", "nosymfollow", "noatime"}
TOOLS = {
    "udevadm": "udev", "losetup": "mount", "mkfs.vfat": "dosfstools", "mkfs.exfat": "exfatprogs",
    "mke2fs": "e2fsprogs", "unshare": "util-linux", "setpriv": "util-linux",
}  # fmt: skip
SYMLINKS_REMOVED_SINCE = 253  # udev's; before, the line that removes one is no rule
IDMAP_SINCE = (2, 39)  # mount's; an older one passes over it


@pytest.fixture
def stick(tools, tmp_path):
    """Plug a stick of one kind in."""
    tools(TOOLS)
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists():
        pytest.skip("a stick is played by a loop device, which needs root")

    def plug(kind, label="STICK"):
        return plugged_in(tmp_path / "stick.img", kind, label)

    return plug


def version(program):
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return tuple(int(each) for each in re.findall(r"\d+", said.stdout)[:2])


def command_for(device, **facts):
    """The one command by which a USB stick is mounted."""
    (command,) = set(mounts(told_udev(device, **{".STICK": "1"}, **facts)))
    return command


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("vfat", {"uid=970", "gid=970", "umask=0077", "flush"}),
        ("exfat", {"uid=970", "gid=970", "umask=0077"}),
        ("ext4", {"errors=remount-ro", "X-mount.idmap=b:0:970:1"}),
    ],
)
def test_a_stick_is_mounted_for_the_box_alone_and_by_safe_rules(stick, kind, more):
    with stick(kind) as device:
        command = command_for(device)
        assert set(options(command).split(",")) == SAFE | more | {"x-systemd.device-bound=yes"}
        assert f" --type={kind} " in command
        assert command.endswith(f" {device} /run/media/{device.removeprefix('/dev/')}")


@pytest.mark.parametrize("label", ["../../etc", "A B C", "Ünï", "$(reboot)", "'; x", "sda1"])
def test_a_label_plays_no_part(stick, label):
    with stick("ext4", label) as device:
        assert command_for(device).endswith(f" {device} /run/media/{device.removeprefix('/dev/')}")


@pytest.mark.parametrize(
    "facts",
    [
        {},  # a card, an NVMe disk, a disk of the kernel's own: not behind a USB port
        {".STICK": "1", "ID_PART_ENTRY_NAME": "data"},  # another box's card in a reader
        {".STICK": "1", "ID_PART_ENTRY_NAME": "root_b"},
        {".STICK": "1", "PARTN": "5"},  # the first four are enough
        {".STICK": "1", "PARTN": "64"},
    ],
    ids=str,
)
def test_what_is_no_stick_of_the_schools_is_left_alone(stick, facts):
    with stick("ext4") as device:
        assert mounts(told_udev(device, **facts)) == []


def test_each_of_four_partitions_is_mounted(stick):
    with stick("vfat") as device:
        assert command_for(device, PARTN="4")


def test_a_stick_without_a_file_system_is_left_alone(stick):
    with stick("none") as device:
        assert mounts(told_udev(device, **{".STICK": "1"})) == []


def test_it_is_mounted_when_it_comes_and_not_at_every_event(stick):
    with stick("vfat") as device:
        facts = {".STICK": "1"}
        assert mounts(told_udev(device, action="change", **facts)) == []
        assert mounts(told_udev(device, action="change", DISK_MEDIA_CHANGE="1", **facts)) != []
        assert mounts(told_udev(device, action="remove", **facts)) == []


def test_udev_has_no_remark_on_the_rule(stick):
    with stick("vfat") as device:
        said = told_udev(device)
    remarks = re.findall(rf"{RULE.name}:(\d+) (?:Invalid|Unknown|The line|Failed|Missing).*", said)
    removing = [
        str(number)
        for number, line in enumerate(RULE.read_text().splitlines(), 1)
        if "SYMLINK-=" in line
    ]
    is_old = version("udevadm")[0] < SYMLINKS_REMOVED_SINCE
    assert remarks == (removing if is_old else [])


def test_nothing_on_a_stick_leads_out_of_it_or_runs(stick):
    with stick("ext4") as device:
        how = options(command_for(device))
        made = (
            "cp /bin/true program && ln -s /etc/passwd link && mknod null c 1 3 && chmod 777 . null"
        )
        place = f"mount {device} /mnt && cd /mnt && {made}"
        subprocess.run(["unshare", "--mount", "sh", "-c", place], check=True)
        assert "Permission denied" in in_mounted(device, how, "./program")
        assert "symbolic links" in in_mounted(device, how, "cat link")
        assert "Permission denied" in in_mounted(device, how, "echo x > null")


def test_the_box_may_write_on_a_linux_stick_without_its_owner_being_changed(stick):
    with stick("ext4") as device:
        said = in_mounted(device, options(command_for(device)), "echo kept > note && cat note")
        assert said == "kept\n" if version("mount") >= IDMAP_SINCE else "Permission denied" in said


def test_the_number_in_the_rule_is_the_boxs_user_and_the_place_is_one_it_may_write():
    assert (UNITS / "darasa-box.sysusers").read_text().split()[:3] == ["u", "darasa", "970"]
    assert set(re.findall(r"(?:[ug]id=|b:0:)(\d+)", RULE.read_text())) == {"970"}
    (writable,) = values("darasa-box.service", "ReadWritePaths")
    assert "-/run/media" in writable.split()
    folders = (OVERLAY / "usr/lib/tmpfiles.d/darasa-image.conf").read_text()
    assert re.search(r"^d /run/media ", folders, re.MULTILINE)
