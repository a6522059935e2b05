"""Starts the built image in qemu and asks it to do what a school's box does.

    python -m tests.image.drill [--kills 20] [--only STEP…]

Every step prints its verdict and its time. The times are qemu's, on this machine; they say
nothing about a board.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import apsw
from bundle import Signer, make_bundle, throwaway_signer
from card import cache_folder, search_path

from demo.day import fill_classroom, hang_up
from demo.material import sample_material
from demo.phone import Unexpected, Unreachable
from demo.school import open_school
from tests.drills.kill9 import Drill, compare, keep_writing
from tests.image.machine import Machine

HOST = "10.0.2.2"  # this machine, as qemu's guest sees it
PUPILS = 6
LOAD_S = (2.0, 8.0)
NAMED_PORTS = {"tcp 0.0.0.0:22", "tcp [::]:22", "tcp 0.0.0.0:80", "udp mdns", "itself"}
CODE = re.compile(r"darasa-box\[\d+\]:\s+(\w{4}-\w{4})\s*$", re.MULTILINE)


class Trouble(Exception):
    """A step did not hold."""


class Stage:
    """What the steps share: the machine, the build, and the school once there is one."""

    def __init__(self, build, folder, kills):
        self.build, self.folder, self.kills = build, folder, kills
        (card,) = build.glob("darasa-*-qemu.img")
        self.machine = Machine(card, folder)
        self.room = None
        self.result = Drill()

    def start(self):
        self.machine.start()
        took = self.machine.until_healthy()
        self.machine.until_open()
        return took

    def slot(self):
        return re.search(r"rauc\.slot=(\w)", self.machine.run("cat /proc/cmdline"))[1]


def boots(stage):
    took = stage.start()
    root = stage.machine.run("findmnt -no OPTIONS / | cut -d, -f1; findmnt -no SIZE /data")
    return f"/health after {took:.0f} s; root and data: {root.split()}"


def claims(stage):
    data_dir = stage.folder / "box"
    data_dir.mkdir()
    code = CODE.findall(stage.machine.console.read_text(errors="replace").replace("\r", ""))
    if not code:
        raise Trouble("the console shows no claim code")
    (data_dir / "claim-code").write_text(code[-1].replace("-", ""))
    school = asyncio.run(open_school(sample_material(PUPILS)[0], stage.machine.http, data_dir))
    stage.room = fill_classroom(school, seed=1)
    return f"{school.name}: {len(school.pupils)} pupils, by the code on the console"


def names_its_ports(stage):
    lines = stage.machine.run("ss -Hlntu").splitlines()
    found = {shown_as(words[0], words[4]) for words in map(str.split, lines)}
    if more := found - NAMED_PORTS:
        raise Trouble(f"also open: {sorted(more)}")
    policy = stage.machine.run("nft list chain inet darasa input")
    if "policy drop" not in policy:
        raise Trouble(policy)
    return f"{sorted(found)}; 22 only because of the key on the data partition"


def shown_as(kind, address):
    """What only the box itself reaches is one place; mDNS stands on each address of its own."""
    host, _, port = re.sub(r"%\w+", "", address).rpartition(":")
    if host.startswith("127.") or host == "[::1]":
        return "itself"
    return "udp mdns" if (kind, port) == ("udp", "5353") else f"{kind} {host}:{port}"


def tests_itself(stage):
    report = json.loads(stage.machine.run("board-selftest", check=False))
    lines = {name: line["state"] for name, line in report["lines"].items()}
    if failed := {n: report["lines"][n]["read"] for n, state in lines.items() if state == "failed"}:
        raise Trouble(str(failed))
    return f"{report['board']}: {lines}"


def survives_power_cuts(stage):
    if stage.room is None:
        claims(stage)
    dice, times = Random(1), []
    for _ in range(stage.kills):
        asyncio.run(under_load(stage, dice))
        times.append(stage.start())
        compare_rows(stage)
    result = stage.result
    if result.lost or result.twice:
        raise Trouble(f"lost {sorted(result.lost)}, twice {sorted(result.twice)}")
    checked = stage.machine.run(
        "runuser -u darasa -- env DARASA_DATA_DIR=/var/lib/darasa /opt/darasa/bin/darasa-box check"
    )
    return (
        f"{stage.kills} cuts, acknowledged {result.acknowledged}, lost 0, twice 0, {checked};"
        f" serving again after {min(times):.0f}-{max(times):.0f} s"
    )


async def under_load(stage, dice):
    """Let the class write, pull the plug in the middle of it, send everybody home."""
    room = stage.room
    for learner in room.learners:
        await learner.sign_in()
        await learner.open_course()
    work = [asyncio.create_task(keep_writing(each, dice)) for each in room.learners]
    await asyncio.sleep(dice.uniform(*LOAD_S))
    stage.machine.kill()
    for task in work:
        task.cancel()
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if not isinstance(outcome, asyncio.CancelledError | Unreachable | Unexpected):
            raise outcome
    hang_up([room])


def compare_rows(stage):
    """Have the box copy its file, and compare the copy with what the phones were promised."""
    copy = "/var/lib/darasa/backups/drill.db"
    stage.machine.run(
        f"runuser -u darasa -- env DARASA_DATA_DIR=/var/lib/darasa "
        f"/opt/darasa/bin/darasa-box backup --plain {copy}"
    )
    stage.machine.fetch(copy, stage.room.school.database)
    with closing(apsw.Connection(str(stage.room.school.database))) as copied:
        copied.pragma("journal_mode", "wal")  # as the box has it; a backup is one plain file
    compare(stage.room, stage.result)


def updates(stage):
    before = stage.slot()
    (made,) = stage.build.glob("*.raucb")
    with Served(stage.build) as port:
        began = time.monotonic()
        said = stage.machine.run(f"/usr/lib/darasa/update install http://{HOST}:{port}/{made.name}")
        took = time.monotonic() - began
    again = restart(stage)
    after = stage.slot()
    until_good(stage)
    if (before, after) != ("A", "B"):
        raise Trouble(f"from {before} to {after}: {said}")
    return f"A -> B over HTTP, installed in {took:.0f} s, healthy {again:.0f} s after the restart"


def goes_back(stage):
    """A system whose box does not start goes in, is tried three times, and the old one is back."""
    before = stage.slot()
    broken = stage.folder / "broken"
    broken.mkdir()
    slot = broken / "rootfs.img"
    subprocess.run(["cp", "--sparse=always", stage.build / "rootfs.img", slot], check=True)
    removal = b"rm /opt/darasa/bin/darasa-box\n"
    subprocess.run(
        ["debugfs", "-w", "-f", "-", slot], input=removal, capture_output=True, check=True
    )
    bundle = broken / "broken.raucb"
    signed_with_the_tests_key(stage, slot, bundle)
    with Served(broken) as port:
        stage.machine.run(f"/usr/lib/darasa/update install http://{HOST}:{port}/{bundle.name}")
    began = time.monotonic()
    stage.machine.run("systemctl reboot", check=False)
    starts = wait_for_starts(stage, 4)
    stage.machine.until_healthy()
    stage.machine.until_open()
    took = time.monotonic() - began
    if stage.slot() != before:
        raise Trouble(f"in slot {stage.slot()}, began in {before}")
    return f"{' '.join(starts)}: back in {before} {took:.0f} s after the restart"


def refuses_strangers(stage):
    """A bundle signed by somebody else is refused with a sentence, and nothing is touched."""
    strange = stage.folder / "strange"
    strange.mkdir()
    bundle = strange / "strange.raucb"
    slot = strange / "rootfs.img"
    slot.write_bytes(Random(1).randbytes(1 << 20))
    make_bundle(bundle, slot, throwaway_signer(strange / "keys"), version="9.9.9", build="strange")
    state = stage.machine.run("fw_printenv BOOT_ORDER")
    with Served(strange) as port:
        said = stage.machine.run(
            f"/usr/lib/darasa/update install http://{HOST}:{port}/{bundle.name}", check=False
        )
    if "not an update from your supplier" not in said:
        raise Trouble(said)
    if stage.machine.run("fw_printenv BOOT_ORDER") != state:
        raise Trouble("the order of starts was changed")
    return said.splitlines()[0]


def signed_with_the_tests_key(stage, slot, bundle):
    keys = stage.build.parent / "test-signer"
    signer = Signer(keys / "test.cert.pem", keys / "test.key.pem")
    make_bundle(bundle, slot, signer, version="9.9.9", build="broken")


def restart(stage):
    """Switch off in order and on again: the guest's own reboot."""
    stage.machine.run("systemctl reboot", check=False)
    wait_for_starts(stage, 1)
    took = stage.machine.until_healthy()
    stage.machine.until_open()
    return took


def wait_for_starts(stage, count, within_s=3_000.0):
    """Wait for so many more lines of the loader on the console; return the slots."""
    began = len(starts_on(stage))
    end = time.monotonic() + within_s
    while len(starts_on(stage)) < began + count:
        if time.monotonic() > end:
            raise Trouble(f"{starts_on(stage)[began:]}\n{stage.machine.tail()}")
        time.sleep(1)
    return starts_on(stage)[began:]


def starts_on(stage):
    said = stage.machine.console.read_text(errors="replace")
    return ["".join(each) for each in re.findall(r"darasa: slot (\w), (\d) left", said)]


def until_good(stage, within_s=300.0):
    """Wait until the box has told the loader that this system is well."""
    end = time.monotonic() + within_s
    while stage.machine.run("systemctl is-active darasa-good", check=False) != "active":
        if time.monotonic() > end:
            raise Trouble(stage.machine.run("journalctl -b -u darasa-good --no-pager", check=False))
        time.sleep(2)


class Served:
    """A folder over HTTP, with the ranges that streaming asks for."""

    def __init__(self, folder):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=folder))

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self._server.server_port

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Ranges(SimpleHTTPRequestHandler):
    """`Range: bytes=a-b`, which Python's own server does not know."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        path = Path(self.translate_path(self.path))
        if not wanted or not path.is_file():
            super().do_GET()
            return
        size = path.stat().st_size
        first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        with path.open("rb") as content:
            content.seek(first)
            self.wfile.write(content.read(last - first + 1))

    def log_message(self, *_):
        return


STEPS = {
    each.__name__.replace("_", "-"): each
    for each in (
        boots, claims, names_its_ports, tests_itself, refuses_strangers, survives_power_cuts,
        updates, goes_back,
    )
}  # fmt: skip


def main():
    os.environ["PATH"] = search_path()
    parser = argparse.ArgumentParser(prog="image-test")
    latest = cache_folder() / "latest"
    parser.add_argument("--build", type=Path, default=latest, help="default: what was made last")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", nargs="*", choices=STEPS, default=list(STEPS))
    told = parser.parse_args()
    told.build = told.build.resolve(strict=True)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="darasa-image-", dir=told.build) as folder:
        stage = Stage(told.build, Path(folder), told.kills)
        try:
            for name in told.only:
                bad += not holds(stage, name)
        finally:
            stage.machine.kill()
    print("image-test: " + ("passed" if not bad else f"{bad} of {len(told.only)} failed"))
    return bool(bad)


def holds(stage, name):
    """Play one step and print its line."""
    began = time.monotonic()
    try:
        words, verdict = STEPS[name](stage), "ok"
    except (Trouble, AssertionError, subprocess.SubprocessError, Unreachable, Unexpected) as error:
        words, verdict = f"{type(error).__name__}: {error}", "FAILED"
    print(f"{verdict:6}  {time.monotonic() - began:6.0f} s  {name}: {words}", flush=True)
    return verdict == "ok"


if __name__ == "__main__":
    sys.exit(main())
