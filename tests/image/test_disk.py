"""A second disk for backups: mounted when it is there, missed by nobody when it is not."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.image.plug_lab import SYSTEMD, UNSHARE, played
from tests.image.stick_lab import OVERLAY
from tests.image.test_sticks import SAFE

FSTAB = OVERLAY / "etc/fstab"
LABEL, PLACE = "PARTLABEL=darasa-backup", "/run/media/disk"
CHECK = r"""
systemd-sysusers /run/darasa.conf > /run/said 2>&1
/lib/systemd/systemd-udevd --daemon > /run/said 2>&1
cat > /etc/fstab << 'END'
@LINE@
END
systemctl daemon-reexec
echo "without=$(systemctl list-units --all --no-legend --plain --state=failed,activating '*disk*')"
systemctl start darasa-box
BOX=$(systemctl show -p MainPID --value darasa-box)
truncate -s 16M /tmp/disk
mke2fs -q -F -t ext4 -E root_owner=970:970 /tmp/disk
DISK=$(losetup --find --show /tmp/disk)
echo "KERNEL==\"${DISK#/dev/}\", SYMLINK+=\"disk/by-partlabel/darasa-backup\"" \
  > /run/udev/rules.d/89-pretend.rules
udevadm control --reload
udevadm trigger --settle --action=add /sys/class/block/${DISK#/dev/}
for i in $(seq 200); do grep -q /run/media/disk /proc/self/mountinfo && break; sleep .1; done
echo "options=$(findmnt -n -o OPTIONS /run/media/disk)"
W='echo kept > /run/media/disk/note && cat /run/media/disk/note'
echo "kept=$(nsenter -t $BOX -m setpriv --reuid 970 --regid 970 --clear-groups sh -c "$W" 2>&1)"
echo "failed=$(systemctl list-units --failed --no-legend --plain)"
systemctl stop run-media-disk.mount
losetup -d $DISK
echo "done=yes"
"""


def line():
    (found,) = [each for each in FSTAB.read_text().splitlines() if each.startswith(LABEL)]
    return found


def test_it_is_mounted_by_the_rules_of_a_stick_where_the_box_looks_for_one():
    _, place, kind, options, *_ = line().split()
    assert (place, kind) == (PLACE, "ext4")
    assert set(options.split(",")) > SAFE | {"nofail", "errors=remount-ro"}


@pytest.mark.system
@pytest.mark.timeout(120)
def test_a_disk_that_shows_itself_is_the_boxs_and_one_that_does_not_is_not_waited_for(tmp_path):
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists() or not Path(SYSTEMD).exists():
        pytest.skip("needs root, a loop device and systemd: apt-get install systemd")
    if subprocess.run((*UNSHARE, "true"), check=False).returncode:
        pytest.skip("needs root's namespaces")
    seen = played(tmp_path, CHECK.replace("@LINE@", line()))
    assert seen["done"] == "yes", seen
    assert seen["without"] == ""
    assert {"nosuid", "nodev", "noexec", "noatime"} <= set(re.split("[, ]", seen["options"]))
    assert seen["kept"] == "kept"
    assert seen["failed"] == ""
