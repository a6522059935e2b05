"""A stick made of a file: what udev's rule makes of it, and what a mount with its options allows.

The kernel's loop device stands for the USB port; that it is one, and which partition of a stick,
is said to udev in a rule before ours. Everything happens in a mount namespace of its own.
"""

import contextlib
import re
import subprocess
from pathlib import Path

OVERLAY = Path(__file__).parents[2] / "image-build/overlay"
RULE = OVERLAY / "usr/lib/udev/rules.d/90-darasa-stick.rules"
ASK_UDEV = """set -e
mount -t tmpfs run /run
for each in disk block; do mkdir -p /dev/$each; mount -t tmpfs links /dev/$each; done
mkdir -p /run/udev/rules.d
cp "$2" /run/udev/rules.d/
printf '%s\\n' "$3" > /run/udev/rules.d/89-pretend.rules
exec udevadm test --action="$4" --resolve-names=never "/sys/class/block/${1#/dev/}" 2>&1
"""
MAKE = {
    "vfat": ("mkfs.vfat", "-n"),
    "exfat": ("mkfs.exfat", "-L"),
    "ext4": ("mke2fs", "-q", "-F", "-t", "ext4", "-L"),
}


@contextlib.contextmanager
def plugged_in(file, kind, label="STICK"):
    """A file with a file system behind a loop device; yields the device."""
    with file.open("wb") as made:
        made.truncate(16 << 20)
    if kind in MAKE:
        subprocess.run([*MAKE[kind], label, file], check=True, capture_output=True)
    found = subprocess.run(
        ["losetup", "--find", "--show", file], check=True, stdout=subprocess.PIPE, text=True
    )
    device = found.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def told_udev(device, *, action="add", **facts):
    """Return everything `udevadm test` says of the device; `facts` are pretended."""
    said = "".join(f', ENV{{{name}}}="{value}"' for name, value in facts.items())
    words = ["unshare", "--mount", "sh", "-c", ASK_UDEV, "sh", device, RULE]
    words += [f'KERNEL=="loop*"{said}', action]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def mounts(said):
    """Return the commands that udev would run to mount it."""
    return re.findall(r"/usr/bin/systemd-mount [^'\n$]*(?=['\n])", said)


def options(command):
    """Return the mount options of such a command."""
    return re.search(r"--options=(\S+)", command)[1]


def in_mounted(device, how, script):
    """Run a script as the box's user in the mounted stick; return what it prints."""
    inside = f'mount -o "{how}" {device} /mnt && cd /mnt && {AS_DARASA} sh -c "$0" 2>&1'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", inside, script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


AS_DARASA = "setpriv --reuid 970 --regid 970 --clear-groups"
