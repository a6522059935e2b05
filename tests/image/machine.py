"""A whole box in qemu: the card as it was built, a console, two ports forwarded from this machine.

The card is never written: what the box writes goes to a layer above it, where a killed qemu
leaves what the guest had sent to its disk, as a power cut would.
"""

import http.client
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

from card import file_system
from layout import MIB, parts

from demo.processes import free_port

UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
CARD_GIB = 4
HEALTHY_S_MAX = 900.0
PAUSE_S = 0.5
SSH_OPTIONS = (
    "-oBatchMode=yes", "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null",
    "-oConnectTimeout=20", "-oLogLevel=ERROR", "-oServerAliveInterval=15",
)  # fmt: skip


class Machine:
    """Started, killed, started again; `folder` keeps its card's layer, its key and its console."""

    def __init__(self, card, folder):
        self.folder = folder
        self.http, self.ssh_port = free_port(), free_port()
        self.console = folder / "console"
        self._key = folder / "key"
        self._disk = folder / "card.qcow2"
        self._monitor = folder / "monitor"
        self._process = None
        self._make_key()
        base = card_with_key(card, folder, self._key.with_suffix(".pub"))
        words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, self._disk]
        subprocess.run([*words, f"{CARD_GIB}G"], check=True)

    def start(self):
        """Switch it on."""
        net = f"user,id=net,hostfwd=tcp:127.0.0.1:{self.http}-:80"
        net += f",hostfwd=tcp:127.0.0.1:{self.ssh_port}-:22"
        # One processor: with two, their kernel was seen waiting for minutes for the other's word
        # while this machine was busy (soft lockup), and most of a start is one program anyway.
        words = ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "1"]
        words += ["-m", "2048"]
        words += ["-accel", "tcg,tb-size=512", "-bios", UBOOT, "-display", "none"]
        words += ["-uuid", "5b1c0ffe-e000-4000-8000-00000000cafe", "-device", "qemu-xhci"]
        words += ["-monitor", f"unix:{self._monitor},server=on,wait=off"]
        words += ["-serial", f"file:{self.console}", "-device", "virtio-rng-device"]
        words += ["-drive", f"if=none,id=card,format=qcow2,file={self._disk},cache=writeback"]
        words += ["-device", "virtio-blk-device,drive=card"]
        words += ["-netdev", net, "-device", "virtio-net-device,netdev=net"]
        words += ["-device", "i6300esb", "-action", "watchdog=reset"]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL)

    def plug(self, stick, name="stick", *, bytes_s=0):
        """Push a stick into the running box; `bytes_s`: how fast it takes what is written."""
        self._tell(
            f"drive_add 0 if=none,id={name},format=raw,throttling.bps-write={bytes_s},file={stick}",
            f"device_add usb-storage,drive={name},id={name},serial={name}",
        )

    def pull(self, name="stick"):
        """Pull a stick out, whoever writes on it."""
        self._tell(f"device_del {name}")

    def _tell(self, *commands):
        """Type commands at qemu's monitor."""
        with closing(socket.socket(socket.AF_UNIX)) as monitor:
            monitor.settimeout(30)
            monitor.connect(str(self._monitor))
            said = b""
            for number, command in enumerate(["", *commands]):
                monitor.sendall(f"{command}\n".encode() if number else b"")
                while said.count(b"(qemu) ") <= number:
                    said += monitor.recv(4096)
        assert b"rror" not in said, said.decode(errors="replace")

    def kill(self):
        """Pull the plug."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def until_off(self, within_s=HEALTHY_S_MAX):
        """Wait until it has switched itself off."""
        self._process.wait(timeout=within_s)

    def until_healthy(self, within_s=HEALTHY_S_MAX):
        """Wait for the box's own word; return after how many seconds it came."""
        began = time.monotonic()
        while not self.is_healthy():
            assert self._process.poll() is None, "qemu has ended"
            assert time.monotonic() - began < within_s, self.tail()
            time.sleep(PAUSE_S)
        return time.monotonic() - began

    def is_healthy(self):
        """Ask once."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.http, timeout=20)) as asked:
            try:
                asked.request("GET", "/health")
                return asked.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def until_open(self, within_s=HEALTHY_S_MAX):
        """Wait for sshd, which nobody but the bench has."""
        end = time.monotonic() + within_s
        while "up" not in self.run("echo up", check=False):
            assert time.monotonic() < end, self.tail()
            time.sleep(PAUSE_S)

    def run(self, command, *, check=True):
        """Run a command as root in the box, over ssh."""
        done = subprocess.run(self._ssh(command), capture_output=True, check=False, timeout=1_800)
        said = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, said + done.stderr.decode(errors="replace")
        return said.strip()

    def fetch(self, path, target):
        """Copy a file out of the box."""
        with target.open("wb") as opened:
            subprocess.run(self._ssh(f"cat {path}"), stdout=opened, check=True, timeout=600)

    def push(self, source, path):
        """Copy a file into the box."""
        with source.open("rb") as opened:
            subprocess.run(self._ssh(f"cat > {path}"), stdin=opened, check=True, timeout=600)

    def begin(self, command):
        """Begin a command whose end nobody waits for: the box may be switched off meanwhile."""
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        return subprocess.Popen(self._ssh(command), **quiet)

    def _ssh(self, command):
        words = ["ssh", "-i", self._key, "-p", str(self.ssh_port), *SSH_OPTIONS]
        return [*words, "root@127.0.0.1", command]

    def tail(self):
        """Return the console's last words."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "\n".join(text.splitlines()[-40:])

    def _make_key(self):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key], check=True)


def card_with_key(card, folder, public_key):
    """Copy the card, with a key on its data partition: the way a bench opens the door."""
    copy = folder / "card.img"
    subprocess.run(["cp", "--reflink=auto", "--sparse=always", card, copy], check=True)
    tree = folder / "data"
    (tree / "ssh").mkdir(parents=True)
    shutil.copy(public_key, tree / "ssh/authorized_keys")
    (data,) = (part for part in parts() if part.name == "data")
    made = folder / "data.ext4"
    file_system(made, tree, data, epoch=1_767_225_600, journal=True)
    with copy.open("r+b") as opened:
        opened.seek(data.start_mib * MIB)
        opened.write(made.read_bytes())
    return copy
