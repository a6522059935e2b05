"""The steps of `make image-test` that write a slot: whole, half, broken, strange."""

import json
import re
import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

from bundle import Signer, make_bundle, throwaway_signer

from tests.image.stage import Trouble

HOST = "10.0.2.2"  # this machine, as qemu's guest sees it
INSTALL = "/usr/lib/darasa/update install"
BUILD = "/usr/share/darasa/build.json"
MARK_GOOD = "/usr/lib/darasa/mark-good"
SENT_BEFORE_THE_CUT = 48 << 20
NEXT_VERSION = "9.9.9"


def refuses_strangers(stage):
    """A bundle signed by somebody else is refused with a sentence, and nothing is touched."""
    strange = stage.folder / "strange"
    strange.mkdir()
    bundle = strange / "strange.raucb"
    slot = strange / "rootfs.img"
    slot.write_bytes(Random(1).randbytes(1 << 20))
    make_bundle(bundle, slot, throwaway_signer(strange / "keys"), version="9.9.9", build="strange")
    state = stage.machine.run("fw_printenv BOOT_ORDER")
    with Served(strange) as server:
        said = stage.machine.run(f"{INSTALL} {server.place(bundle)}", check=False)
    if "not an update from your supplier" not in said:
        raise Trouble(said)
    if stage.machine.run("fw_printenv BOOT_ORDER") != state:
        raise Trouble("the order of starts was changed")
    return said.splitlines()[0]


def outlives_a_cut_in_an_update(stage):
    """The power goes while a slot is half written: the one that runs starts again, whole."""
    bundle = next_release(stage)
    stage.until_good()
    before = stage.slot()
    with Served(bundle.parent) as server:
        writing = stage.machine.begin(f"{INSTALL} {server.place(bundle)}")
        server.wait_until_sent(SENT_BEFORE_THE_CUT)
        was_writing = writing.poll() is None
        stage.machine.kill()
        writing.wait()
    took = stage.start()
    after, state = stage.slot(), stage.machine.run("fw_printenv BOOT_ORDER BOOT_B_LEFT")
    stage.compare_rows()
    if (before, after, was_writing) != ("A", "A", True):
        raise Trouble(f"from {before} to {after}, writing: {was_writing}, {state}")
    return (
        f"cut after {server.sent >> 20} of {bundle.stat().st_size >> 20} MiB; serving again from"
        f" {after} after {took:.0f} s with its rows; {' '.join(state.split())}"
    )


def goes_back(stage):
    """A system whose box does not start goes in, is tried three times, and the old one is back."""
    bundle = broken_release(stage)
    stage.until_good()
    before = stage.slot()
    with Served(bundle.parent) as server:
        stage.machine.run(f"{INSTALL} {server.place(bundle)}")
    began = time.monotonic()
    stage.machine.run("systemctl reboot", check=False)
    starts = stage.wait_for_starts(4)
    stage.machine.until_healthy()
    took = time.monotonic() - began
    if stage.slot() != before:
        raise Trouble(f"in slot {stage.slot()}, began in {before}")
    if len({each[0] for each in starts[:3]} | {before}) != 2 or starts[3][0] != before:
        raise Trouble(f"began in {before}: {starts}")
    return f"{' '.join(starts)}: back in {before} {took:.0f} s after the restart"


def updates(stage):
    """The next release over HTTP: it runs from the other slot, and has the school's rows."""
    bundle = next_release(stage)
    stage.until_good()
    before = stage.slot()
    with Served(bundle.parent) as server:
        took, said = timed(stage, f"{INSTALL} {server.place(bundle)}")
    return f"over HTTP, {bundle.stat().st_size >> 20} MiB, " + started_from_the_other(
        stage, before, took, said
    )


def started_from_the_other(stage, before, took, said):
    again = stage.cut_under_load()
    stage.until_good()
    after, build = stage.slot(), json.loads(stage.machine.run(f"cat {BUILD}"))["build"]
    if before == after or build != "next":
        raise Trouble(f"from {before} to {after}, build {build}: {said}")
    return (
        f"{before} -> {after}: installed in {took:.0f} s, serving {again:.0f} s after a power cut"
        " in a lesson, marked good, every row there"
    )


def timed(stage, command):
    began = time.monotonic()
    said = stage.machine.run(command)
    return time.monotonic() - began, said


def next_release(stage):
    """The same system under another name, so that it can be told from the one on the card."""
    told = json.loads((stage.build / "root" / BUILD.lstrip("/")).read_text())
    changed = {BUILD: json.dumps({**told, "build": "next"})}
    return release(stage, "next", changed)


def broken_release(stage):
    """A system without its box; it gives up on itself after 20 s in place of 120."""
    script = (stage.build / "root" / MARK_GOOD.lstrip("/")).read_text()
    sooner = re.sub(r"^WAIT_S: Final = 120$", "WAIT_S: Final = 20", script, flags=re.MULTILINE)
    assert sooner != script
    return release(stage, "broken", {MARK_GOOD: sooner, "/opt/darasa/bin/darasa-box": None})


def release(stage, name, changed):
    """Sign the build's slot with some files changed, once a build: it takes a minute."""
    folder = stage.build / "for-tests" / name
    bundle = folder / f"{name}.raucb"
    if bundle.exists():
        return bundle
    folder.mkdir(parents=True, exist_ok=True)
    slot = folder / "rootfs.img"
    subprocess.run(["cp", "--sparse=always", stage.build / "rootfs.img", slot], check=True)
    for path, text in changed.items():
        change(slot, path, text, folder / "file")
    keys = stage.build.parent / "test-signer"
    signer = Signer(keys / "test.cert.pem", keys / "test.key.pem")
    part = folder / "part"
    make_bundle(part, slot, signer, version=NEXT_VERSION, build=name)
    part.rename(bundle)
    slot.unlink()
    return bundle


def change(slot, path, text, scratch):
    """Replace or remove a file in a file system that nobody has mounted."""
    folder, _, name = path.rpartition("/")
    lines = [f"cd {folder}", f"rm {name}"]
    if text is not None:
        scratch.write_text(text)
        lines += [f"write {scratch} {name}", f"set_inode_field {name} mode 0100755"]
    subprocess.run(
        ["debugfs", "-w", "-f", "-", slot],
        input="\n".join(lines) + "\n", text=True, capture_output=True, check=True,
    )  # fmt: skip
    words = ["debugfs", "-R", f"cat {path}", slot]
    there = subprocess.run(words, text=True, capture_output=True, check=True).stdout
    assert there == (text or ""), f"{path} was not changed"


class Served:
    """A folder over HTTP, with the ranges that streaming asks for, and how much was sent."""

    def __init__(self, folder):
        self.sent = 0
        handler = partial(Ranges, directory=folder, sent=self._note)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def place(self, path):
        """Return the address of one file, for the guest."""
        return f"http://{HOST}:{self._server.server_port}/{path.name}"

    def wait_until_sent(self, size, within_s=600.0):
        """Wait until the guest has taken that much."""
        end = time.monotonic() + within_s
        while self.sent < size:
            if time.monotonic() > end:
                raise Trouble(f"only {self.sent} bytes were asked for")
            time.sleep(0.1)

    def _note(self, size):
        self.sent += size


class Ranges(SimpleHTTPRequestHandler):
    """`Range: bytes=a-b`, which Python's own server does not know."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *request, sent, directory):
        self._sent = sent
        super().__init__(*request, directory=directory)

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
        self._sent(last - first + 1)

    def log_message(self, *_):
        return
