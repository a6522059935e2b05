"""A small box: U-Boot in qemu chooses the slot, namespaces of this machine run what is in it.

The card is one file, in the layout of the real one. Loop devices show its partitions; the data
partition is ext4 with a journal. A power cut ends every process at once and takes a copy of the
file as it is at that moment: what was never flushed is not in it, and the next start replays the
journal of what is. The old file and everything still in memory for it is thrown away.

Root, `unshare`, `losetup` and `rauc` are needed.
"""

import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from card import assemble, boot_script, boot_state, file_system
from layout import MIB, parts

from appliance.durable import sync_path
from tests.image.uboot import lines_of, power_on
from tests.sources import ROOT

LAYOUT = parts(slot_mib=16, data_mib=96)
BY_NAME = {part.name: part for part in LAYOUT}
LOOPS = ("bootstate", "root_a", "root_b", "data")
EPOCH = 1_767_225_600
INSIDE = Path(__file__).with_name("inside.py")
GONE_S = 120.0
LOADER_S = 240.0  # this machine may have other things to do
STARTS = re.compile(r"STARTS (\S+)")
SLOT = re.compile(r"darasa: slot (\w), (\d) left")


class DoesNotStart(Exception):
    """Nothing more comes, and no box serves."""


class SmallMachine:
    """One card, and whatever of it is switched on."""

    def __init__(self, folder, first_slot, keyring):
        self.work = folder
        self.card = folder / "card.img"
        self._process = None
        self._events, self._is_gone = queue.Queue(), False
        self.said = []
        self._loops = {}
        for name in ("data", "stick", "ns"):
            (folder / name).mkdir()
        shutil.copyfile(keyring, folder / "keyring.pem")
        self._make_card(first_slot)

    def _make_card(self, first_slot):
        tree = self.work / "boot"
        tree.mkdir()
        boot_script(tree / "boot.scr", EPOCH)
        contents = {name: self.work / f"{name}.part" for name in ("boot", "data", "bootstate")}
        file_system(contents["boot"], tree, BY_NAME["boot"], epoch=EPOCH, journal=False)
        file_system(contents["data"], None, BY_NAME["data"], epoch=EPOCH, journal=True)
        contents["bootstate"].write_bytes(boot_state())
        assemble(self.card, LAYOUT, {**contents, "root_a": first_slot}, loader=None)

    @property
    def is_on(self):
        return self._process is not None and self._process.poll() is None

    def load(self, *, cut_after_s=None):
        """Let U-Boot choose; return (slot, build) of the kernel that runs, None if cut before."""
        board = power_on(self.card)
        timer = threading.Timer(cut_after_s, board.kill) if cut_after_s is not None else None
        slot = None
        try:
            if timer:
                timer.start()
            for line in lines_of(board.stdout, patience_s=LOADER_S):
                if said := SLOT.match(line):
                    slot = said[1]
                if said := STARTS.search(line):
                    return slot, said[1]
        except AssertionError:
            if timer is None:
                raise
        finally:
            if timer:
                timer.cancel()
            board.kill()
            board.wait()
            board.stdout.close()
        return None

    def start(self, slot, *, is_apart=False):
        """Run the slot's programs on the data partition; `is_apart`: port 80 is its own."""
        self._attach()
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
        words += ["--net"] if is_apart else []
        words += [sys.executable, INSIDE, self.work, slot, ROOT]
        self._events, self._is_gone = queue.Queue(), False
        with (self.work / "console").open("ab") as console:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=console, text=True
            )
        threading.Thread(target=self._listen, args=(self._process, self._events)).start()

    @staticmethod
    def _listen(process, events):
        for line in filter(str.strip, process.stdout):
            events.put(line.split())
        process.stdout.close()
        events.put(["off"])

    def order(self, words):
        """Tell the machine to do something."""
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()

    def event(self, *names, within_s):
        """Wait for one of these, or for the end of it all; return its words, [] if neither."""
        if self._is_gone:
            return ["off"]
        end = time.monotonic() + within_s
        while (left := end - time.monotonic()) > 0:
            try:
                found = self._events.get(timeout=left)
            except queue.Empty:
                break
            if found[:1] == ["said"]:
                self.said.append(" ".join(found[1:]))
            self._is_gone = found == ["off"]
            if self._is_gone or found[0] in names:
                return found
        return []

    def cut(self):
        """Pull the plug."""
        self._process.kill()
        self._process.wait()
        self.event(within_s=GONE_S)  # the pipe closes when the last process inside is gone
        copy = self.card.with_suffix(".cut")
        subprocess.run(["cp", "--sparse=always", self.card, copy], check=True)
        self._detach()
        copy.replace(self.card)

    def until_off(self):
        """Wait for an orderly end, and flush what an orderly end flushes."""
        if self.event(within_s=GONE_S) != ["off"]:
            raise DoesNotStart(f"it does not switch off:\n{self.tail()}")
        self._process.wait()
        self._detach()

    def tail(self):
        """Return the last of what the programs inside have said."""
        said = (self.work / "console").read_text(errors="replace").splitlines()
        return "\n".join(said[-40:])

    def _attach(self):
        for name in LOOPS:
            part = BY_NAME[name]
            words = ["losetup", "--find", "--show", f"--offset={part.start_mib * MIB}"]
            words += [f"--sizelimit={part.size_mib * MIB}", self.card]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            self._loops[name] = done.stdout.strip()
            link = self.work / name
            if name != "data":
                link.unlink(missing_ok=True)
                link.symlink_to(self._loops[name])
        # A long time between the journal's own commits: only what is asked for is on the card.
        options = "noatime,commit=300,errors=remount-ro"
        words = ["mount", "-o", options, self._loops["data"], self.work / "data"]
        subprocess.run(words, check=True)

    def _detach(self):
        self._process.stdin.close()
        self._process = None
        subprocess.run(["umount", self.work / "data"], check=True)
        for device in self._loops.values():  # one whose last user has just gone is free already
            subprocess.run(["losetup", "--detach", device], check=False, capture_output=True)
        self._loops = {}

    def switch_off(self):
        """Leave nothing behind, whatever has happened."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.event(within_s=GONE_S)
            self._detach()

    def room_left(self, free_bytes):
        """Fill the data partition but for so much; return the file to take away again."""
        filler = self.work / "data/filler"
        usage = os.statvfs(self.work / "data")
        with filler.open("wb") as opened:
            os.posix_fallocate(opened.fileno(), 0, usage.f_bavail * usage.f_frsize - free_bytes)
            os.fsync(opened.fileno())
        sync_path(filler.parent)
        return filler
