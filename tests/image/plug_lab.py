"""A machine under this one: systemd, udevd, the box's unit with all its limits, and sticks.

Namespaces and a throw-away layer over this machine's files; nothing outside is changed. The
kernel's loop devices stand for USB ports, which udev is told in a rule before ours. What the unit
runs is `sleep`: what is looked at is what its limits let it see.
"""

import subprocess

from tests.image.stick_lab import RULE
from tests.systemd.units import UNITS

SYSTEMD = "/lib/systemd/systemd"
UNSHARE = ("unshare", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--fork",
           "--kill-child")  # fmt: skip
PLAY_S_MAX = 110
BOX_UNIT = r"""
s|^ExecStart=.*|ExecStart=/bin/sleep 900|
s|^Type=.*|Type=exec|
/^\(WatchdogSec\|Wants\|Requires\|After\|StateDirectory.*\)=/d
s|^\[Unit\]|[Unit]\nDefaultDependencies=no|
"""
LAB_TARGET = "[Unit]\nDefaultDependencies=no\n"
LAB_SERVICE = """[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh /run/check
StandardOutput=append:/mnt/seen
StandardError=inherit
ExecStopPost=/bin/systemctl --force --force poweroff
"""
BOOT = r"""set -e
FOLDER=$1 RULE=$2 UNITS=$3
mount --make-rprivate /
mount -t tmpfs lab $FOLDER/lab
R=$FOLDER/lab/root
mkdir -p $FOLDER/lab/upper $FOLDER/lab/work $R
mount -t overlay -o lowerdir=/,upperdir=$FOLDER/lab/upper,workdir=$FOLDER/lab/work lab $R
for each in dev run tmp; do mount -t tmpfs $each $R/$each; done
mount -t sysfs sys $R/sys
mount -t proc proc $R/proc
mount -t cgroup2 group $R/sys/fs/cgroup
mount --bind $FOLDER/out $R/mnt
for each in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 $R/dev/${each%:*} c 1 ${each#*:}; done
mknod -m 666 $R/dev/tty c 5 0
mknod -m 666 $R/dev/ptmx c 5 2
mknod $R/dev/loop-control c 10 237
for each in $(seq 0 63); do mknod $R/dev/loop$each b 7 $each; done
mkdir -p $R/dev/shm $R/dev/pts $R/run/media $R/run/udev/rules.d
mkdir -p $R/run/systemd/system/lab.target.wants
cp $RULE $R/run/udev/rules.d/
cp $FOLDER/check $R/run/check
cp $FOLDER/lab.target $FOLDER/check.service $R/run/systemd/system/
ln -s ../check.service $R/run/systemd/system/lab.target.wants/
sed -f $FOLDER/box.sed $UNITS/darasa-box.service > $R/run/systemd/system/darasa-box.service
cp $UNITS/darasa-box.sysusers $R/run/darasa.conf
mkdir $R/old
cd $R
pivot_root . old
umount -l old
mount --make-rshared /  # as systemd itself does where it is not in a container
exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=lab.target --log-target=null
"""
CHECK = r"""
MOUNTS=/proc/self/mountinfo
until_gone() { for i in $(seq 200); do grep -q "$1" $MOUNTS || return; sleep .1; done; }
until_there() { for i in $(seq 200); do grep -q "$1" $MOUNTS && return; sleep .1; done; }
in_box() { nsenter -t $BOX -m setpriv --reuid 970 --regid 970 --clear-groups sh -c "$1" 2>&1; }
seen() { echo "$1=$(cut -d ' ' -f 5 /proc/$2/mountinfo | grep /run/media/ | sort -u | xargs)"; }
systemd-sysusers /run/darasa.conf > /run/said 2>&1
/lib/systemd/systemd-udevd --daemon > /run/said 2>&1
systemctl daemon-reexec  # it had no udev to listen to before
systemctl start darasa-box
BOX=$(systemctl show -p MainPID --value darasa-box)
cd /tmp
for each in one two; do
  truncate -s 16M $each
  mke2fs -q -F -t ext4 -E root_owner=970:970 -L ../../etc $each
done
ONE=$(losetup --find --show one); TWO=$(losetup --find --show two)
A=${ONE#/dev/}; B=${TWO#/dev/}
echo "sticks=/run/media/$A /run/media/$B"
echo "KERNEL==\"$A|$B\", ENV{.STICK}=\"1\"" > /run/udev/rules.d/89-pretend.rules
udevadm control --reload
plug() { udevadm trigger --settle --action=$1 /sys/class/block/$2; }
plug add $A; plug add $B
until_there /run/media/$A; until_there /run/media/$B
seen machine self
seen box $BOX
echo "kept=$(in_box "echo kept > /run/media/$A/note; cat /run/media/$A/note")"
echo "usr=$(in_box 'touch /usr/x')"
in_box "exec 3> /run/media/$A/open; echo open > /tmp/open; sleep 60" &
for i in $(seq 50); do nsenter -t $BOX -m test -e /tmp/open && break; sleep .1; done
plug remove $A
until_gone /run/media/$A
seen pulled_machine self
seen pulled_box $BOX
echo "failed=$(systemctl list-units --failed --no-legend --plain)"
plug add $A
until_there /run/media/$A
seen again $BOX
systemctl restart darasa-box
BOX=$(systemctl show -p MainPID --value darasa-box)
echo "after=$(in_box "cat /run/media/$A/note; echo 2 > /run/media/$A/two && echo written" | xargs)"
systemctl stop run-media-$A.mount run-media-$B.mount
losetup -d $ONE; losetup -d $TWO
echo "done=yes"
"""


def played(folder, check=CHECK):
    """Start the machine, let it check, and return what it has seen, name by name."""
    for name in ("lab", "out"):
        (folder / name).mkdir()
    for name, text in {
        "boot": BOOT,
        "check": check,
        "box.sed": BOX_UNIT,
        "lab.target": LAB_TARGET,
        "check.service": LAB_SERVICE,
    }.items():
        (folder / name).write_text(text)
    words = [*UNSHARE, "sh", folder / "boot", folder, RULE, UNITS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PLAY_S_MAX, check=False)
    seen = folder / "out/seen"
    assert seen.exists(), done.stdout + done.stderr
    lines = [line.partition("=") for line in seen.read_text().splitlines()]
    return {name: value for name, _, value in lines}
