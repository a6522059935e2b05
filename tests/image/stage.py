"""What the steps of `make image-test` share: machine, build, school, and what was promised."""

import asyncio
import re
import time
from contextlib import closing
from random import Random

import apsw

from demo.day import hang_up
from tests.drills.kill9 import Drill, compare, keep_writing
from tests.image.machine import Machine

STARTED = re.compile(r"darasa: slot (\w), (\d) left")
PAUSE_S = 1.0
LOAD_S = (3.0, 10.0)  # emulated, a hand-in takes a tenth of a second or more
# SQLite's own copy of the file as it is at this moment, while the box goes on.
COPY = """
import sqlite3
with sqlite3.connect("file:/var/lib/darasa/school.db?mode=ro", uri=True) as source:
    source.backup(sqlite3.connect("/run/drill.db"))
""".strip()


class Trouble(Exception):
    """A step did not hold."""


class Stage:
    """One card in one machine, from the first start to the last."""

    def __init__(self, build, folder, kills):
        self.build, self.folder, self.kills = build, folder, kills
        (card,) = build.glob("darasa-*-qemu.img")
        self.machine = Machine(card, folder)
        self.room = None
        self.dice = Random(1)
        self.result = Drill()

    def start(self):
        """Switch on; return the seconds until the box said that it serves."""
        self.machine.start()
        return self.machine.until_healthy()

    def cut_under_load(self):
        """Pull the plug while the class writes, start, compare; return the start's seconds."""
        asyncio.run(self._write_until_the_cut())
        self.result.kills += 1
        took = self.start()
        self.compare_rows()
        return took

    async def _write_until_the_cut(self):
        learners = self.room.learners
        work = [asyncio.create_task(keep_writing(each, self.dice)) for each in learners]
        await asyncio.sleep(self.dice.uniform(*LOAD_S))
        ended = [task for task in work if task.done()]
        self.machine.kill()
        for task in work:
            task.cancel()
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        hang_up([self.room])
        if ended:
            raise Trouble(f"before the cut: {outcomes}")

    def slot(self):
        """Return the slot that runs."""
        self.machine.until_open()
        return re.search(r"rauc\.slot=(\w)", self.machine.run("cat /proc/cmdline"))[1]

    def starts(self):
        """Return every start on the console: the slot, and how many it has left."""
        said = self.machine.console.read_text(errors="replace")
        return ["".join(each) for each in STARTED.findall(said)]

    def wait_for_starts(self, count, within_s=3_000.0):
        """Wait for so many more; return them."""
        began, end = len(self.starts()), time.monotonic() + within_s
        while len(self.starts()) < began + count:
            if time.monotonic() > end:
                raise Trouble(f"{self.starts()[began:]}\n{self.machine.tail()}")
            time.sleep(PAUSE_S)
        return self.starts()[began:]

    def until_good(self, within_s=300.0):
        """Wait until the box has told the loader that this system is well."""
        self.machine.until_open()
        end = time.monotonic() + within_s
        while self.machine.run("systemctl is-active darasa-good", check=False) != "active":
            if time.monotonic() > end:
                said = self.machine.run("journalctl -b -u darasa-good --no-pager", check=False)
                raise Trouble(said)
            time.sleep(PAUSE_S)

    def compare_rows(self):
        """Compare the box's rows with what the phones were promised; nothing may be missing."""
        copy = self.room.school.database
        self.machine.until_open()
        self.machine.run(f"rm -f /run/drill.db; python3 -c '{COPY}'")
        self.machine.fetch("/run/drill.db", copy)
        with closing(apsw.Connection(str(copy))) as opened:
            problems = [row[0] for row in opened.execute("PRAGMA quick_check") if row[0] != "ok"]
        compare(self.room, self.result)
        if self.result.lost or self.result.twice or problems:
            raise Trouble(
                f"lost {sorted(self.result.lost)}, twice {sorted(self.result.twice)}, {problems}"
            )
