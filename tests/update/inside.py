"""PID 1 of the small machine: what systemd does with our units on a box, in their order.

    python inside.py WORK SLOT

It sees one root: this machine's own below, and above it the slot that U-Boot has started, the
data partition, RAUC's configuration. `migrate`, `serve`, `mark-good`, `update`, `rauc` and
`fw_setenv` are the real ones. It is told "install PLACE" and "reboot", and says what has happened,
a line each.
"""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

OVERLAY = "image-build/overlay"
LINKS = "/dev/disk/by-partlabel"
PARTS = ("bootstate", "root_a", "root_b")
KNOWN_TO_HOST = "min-bundle-version"  # RAUC 1.13 of the image has it, 1.8 of Debian 12 has not
SAID = Path("/run/said")
RESTART_S = 0.5
STOP_S = 15.0
TICK_S = 0.02
ENV = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "DARASA_DATA_DIR": "/data/darasa",
    "DARASA_PORT": "80",
    "DARASA_HOST": "127.0.0.1",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/small-bus",
    "DBUS_STARTER_BUS_TYPE": "session",
}


def say(*words, sep=" "):
    print(*words, sep=sep, flush=True)  # noqa: T201 -- how it answers


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def lay_out_root(work, slot, repo):
    """This machine's files below, never written; ours above."""
    place = work / "ns"
    mount("-t", "tmpfs", "small-machine", place)
    for name in ("upper", "work", "root"):
        (place / name).mkdir()
    root = place / "root"
    layers = f"lowerdir=/,upperdir={place}/upper,workdir={place}/work"
    mount("-t", "overlay", "small-machine", "-o", layers, root)
    for path in ("data", "opt/darasa", "usr/share/darasa", "usr/lib/darasa", "etc/rauc", "stick"):
        (root / path).mkdir(parents=True, exist_ok=True)
    mount("--rbind", "/dev", root / "dev")
    mount("--rbind", "/sys", root / "sys")
    mount("-t", "proc", "proc", root / "proc")
    mount("-t", "tmpfs", "run", root / "run")
    mount("--bind", work / "data", root / "data")
    mount("--bind", work / "stick", root / "stick")
    (place / "slot").mkdir()
    mount("-o", "ro", work / f"root_{slot.lower()}", place / "slot")
    for path in ("opt/darasa", "usr/share/darasa", "usr/lib/darasa"):
        mount("--bind", place / "slot" / path, root / path)
    (place / "cmdline").write_text(f"root=PARTUUID=x ro rauc.slot={slot} panic=10 quiet\n")
    mount("--bind", place / "cmdline", root / "proc/cmdline")
    configure(root, work, repo)
    return root


def configure(root, work, repo):
    (root / "run/parts").mkdir()
    for name in PARTS:
        (root / "run/parts" / name).symlink_to((work / name).resolve())
    overlay = repo / OVERLAY
    lines = (overlay / "etc/rauc/system.conf").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(KNOWN_TO_HOST)]
    text = "\n".join(kept).replace(LINKS, "/run/parts").replace("=verity", "=plain")
    (root / "etc/rauc/system.conf").write_text(text)
    shutil.copyfile(work / "keyring.pem", root / "etc/rauc/keyring.pem")
    table = (overlay / "etc/fw_env.config").read_text().replace(LINKS, "/run/parts")
    (root / "etc/fw_env.config").write_text(table)
    with (root / "etc/passwd").open("a") as people:
        people.write("darasa:x:0:0::/:/bin/sh\n")
    systemctl = root / "usr/bin/systemctl"
    systemctl.unlink(missing_ok=True)
    systemctl.write_text("#!/bin/sh\nkill -USR1 1\n")
    systemctl.chmod(0o755)


class Box:
    """The services, and what was asked for."""

    def __init__(self):
        self.is_leaving = False
        self.serving = self.marking = self.installing = None
        self.restart_at = 0.0

    def leave(self, *_):
        self.is_leaving = True

    def start(self):
        self.spawn("dbus-daemon", "--session", f"--address={ENV['DBUS_SESSION_BUS_ADDRESS']}")
        while not Path("/run/small-bus").exists():
            time.sleep(TICK_S)
        self.spawn("rauc", "service")
        (Path("/data/darasa")).mkdir(mode=0o700, exist_ok=True)
        (Path("/data/system")).mkdir(exist_ok=True)
        (Path("/data/rauc")).mkdir(exist_ok=True)
        say("migrating")
        migrated = self.spawn("/opt/darasa/bin/darasa-box", "migrate")
        say("migrated", self.until_done(migrated))
        self.serving = self.spawn("/opt/darasa/bin/darasa-box", "serve")
        self.marking = self.spawn("/usr/lib/darasa/mark-good")

    def spawn(self, *words, to=sys.stderr):
        return subprocess.Popen(words, env=ENV, stdin=subprocess.DEVNULL, stdout=to)

    def until_done(self, process):
        while process.poll() is None and not self.is_leaving:
            time.sleep(TICK_S)
        return process.poll()

    def look(self):
        """Restart the box as its unit would; tell what has ended."""
        if self.serving.poll() is not None and not self.restart_at:
            self.restart_at = time.monotonic() + RESTART_S
        if self.restart_at and time.monotonic() > self.restart_at:
            self.restart_at = 0.0
            self.serving = self.spawn("/opt/darasa/bin/darasa-box", "serve")
        for name in ("marking", "installing"):
            process = getattr(self, name)
            if process is not None and process.poll() is not None:
                setattr(self, name, None)
                if name == "installing":
                    say(*(f"said {line}" for line in SAID.read_text().splitlines()), sep="\n")
                say(name, process.returncode)

    def obey(self, line):
        verb, _, place = line.partition(" ")
        if verb == "install":
            with SAID.open("w") as said:
                self.installing = self.spawn("/usr/lib/darasa/update", "install", place, to=said)
        elif verb == "reboot":
            self.leave()

    def stop(self):
        """Switch off in order: the box first, then whatever is left."""
        self.serving.terminate()
        try:
            self.serving.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.serving.kill()
        os.sync()


def main():
    work, slot, repo = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    root = lay_out_root(work, slot, repo)
    os.chroot(root)
    os.chdir("/")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    box = Box()
    signal.signal(signal.SIGUSR1, box.leave)
    box.start()
    with selectors.DefaultSelector() as told:
        told.register(sys.stdin, selectors.EVENT_READ)
        while not box.is_leaving:
            if told.select(TICK_S):
                line = sys.stdin.readline()
                if not line:
                    break
                box.obey(line.strip())
            box.look()
    box.stop()


if __name__ == "__main__":
    main()
