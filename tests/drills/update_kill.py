"""Pull the plug during updates, fifty times, at any moment of them, and see who serves afterwards.

    python -m tests.drills.update_kill [N] [SEED]

Each round a release with a further migration comes on a stick while a class hands in: the real
`update install` has the real RAUC write the other slot, U-Boot runs the real boot.cmd and
chooses, and what is in the chosen slot runs `darasa-box migrate`, `serve` and the real
`mark-good` on the data partition. The power fails while the slot is written, around the switch,
in the loader, during the migration, before and after the box is marked good, sometimes twice.
One release in five is broken: it answers nobody, ends at once, its migration fails, or the
card has no room for the copy that comes first. Then the box starts again and again by its own
rules until one serves; every acknowledged hand-in, fact and draft must be there.

Real: boot.cmd in U-Boot, the environment's sector, `rauc install` and `mark-good` over D-Bus,
`fw_setenv`, our scripts, the program out of the slot's own file system, ext4 on the card's file,
of which a cut keeps only what was flushed (tests/update/machine.py).
Not real: qemu's board stands for the loader and namespaces of this machine for the system (the
kernel in a slot only says which it is), so no arm64 kernel, initrd or systemd starts:
tests/update/inside.py starts the services in the units' order. Bundles are RAUC's plain format,
because this kernel has no device mapper for verity. `mark-good` waits 8 s instead of 120 for a box
that answers nobody. Every write the kernel has sent out counts as kept, as on a card that never
lies. `make image-test` has the whole image; the card itself only a bench has.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from random import Random

from bundle import throwaway_signer
from card import search_path
from msgspec import Struct, field

from appliance.database.faults import MigrationFailed, NoRoomToMigrate, SchemaTooNew
from appliance.database.integrity import full_check
from appliance.repair import LOST_LOG
from demo.day import fill_classroom, hang_up
from demo.material import sample_material
from demo.phone import Unreachable
from demo.school import open_school
from tests.drills.kill9 import Drill, compare, keep_writing
from tests.update.machine import BY_NAME, DoesNotStart, SmallMachine
from tests.update.release import Release, Workshop

CUTS = 50
SEED = 1
PUPILS = 5
PORT = 80
HEALTH = "http://127.0.0.1/health"
IN_OWN_NAMESPACE = "DARASA_TEST_NAMESPACE"
FAULTS = ("deaf", "refusing", "failing", "full")
FAULTY = 0.22
ROOM_LEFT = 14 << 20
REFUSALS = (NoRoomToMigrate.title, MigrationFailed.title, SchemaTooNew.title)
# Where the power fails, and how long after that place has been reached at most.
PLACES = {
    "writing": 0.5, "switched": 0.2, "loader": 3.0, "migrating": 1.6, "serving": 3.0, "good": 0.5,
}  # fmt: skip
TWICE = 0.2
STARTS_MAX = 12
SETTLED_S = 120.0
HEALTHY_S = 60.0
ORDERED_S = 10.0  # a start that mark-good orders comes at once; a build it knows is kept


class Result(Struct):
    """What all cuts left."""

    cuts: int = 0
    silent: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    ledger: Drill = field(default_factory=Drill)
    places: dict[str, int] = field(default_factory=dict)
    updated: int = 0
    went_back: int = 0
    untouched: int = 0

    @property
    def is_good(self):
        found = (*self.silent, *self.damage, *self.ledger.lost, *self.ledger.twice)
        return self.cuts > 0 and self.ledger.acknowledged > 0 and not found


class UpdateDrill:
    """The machine, the releases made for it, and what was found."""

    def __init__(self, folder, seed):
        self.dice, self.seed, self.result = Random(seed), seed, Result()
        self.folder = folder
        signer = throwaway_signer(folder / "signer")
        self.shop = Workshop(folder, BY_NAME["root_a"], signer, sys.executable)
        first = Release("first", "0.3.0", "", ())
        (folder / "machine").mkdir()
        self.machine = SmallMachine(folder / "machine", self.shop.slot(first), signer.certificate)
        self.running, self.history, self.room = first, [], None
        self.releases, self.tried = {"first": first}, set()
        self.console, self.read_to = folder / "machine/console", 0

    def play(self, cuts):
        """One update after another until the plug was pulled so often."""
        number = 0
        try:
            while self.result.cuts < cuts:
                number += 1
                self.round(number)
        except DoesNotStart as error:
            self.result.silent.append(str(error))
            return
        self.result.damage += full_check(self.room.school.database).problems
        # Every cut keeps what was flushed: nobody may be told that something is missing.
        alarms = self.console.read_text(errors="replace").count(LOST_LOG)
        self.result.damage += ["a log is called lost that was not"] * alarms

    def round(self, number):
        """One update: written, switched to, started until a box serves, judged."""
        release, before, began = self.next_release(number), self.running.build, time.monotonic()
        place = self.dice.choice(list(PLACES))
        moment = self.dice.uniform(0.0, PLACES[place])
        bundle = self.shop.bundle(release)
        stick = self.machine.work / "stick" / bundle.name
        shutil.move(bundle, stick)
        self.write(stick.name, place, moment)
        if release.fault == "full":
            self.machine.fill(ROOM_LEFT)
        self.bring_up(place, moment)
        self.machine.make_room()
        stick.unlink()
        self.judge(release)
        say(
            f"  {number:3} {release.fault or 'good':8} {place:9} +{moment:.2f} s:"
            f" {before} -> {self.running.build} in {time.monotonic() - began:.0f} s,"
            f" cuts {self.result.cuts}{self.why()}"
        )
        self.read_to = self.console.stat().st_size

    def why(self):
        """What the programs of this round have said of an update that they refused."""
        text = self.console.read_bytes()[self.read_to :].decode(errors="replace")
        return "".join(f"; {title}" for title in REFUSALS if title in text)

    def write(self, name, place, moment):
        """Install it, and switch off: in order, or by the plug."""
        self.machine.order(f"install /stick/{name}")
        if place != "writing":
            said = self.machine.event("installing", within_s=SETTLED_S)
            if said != ["installing", "0"]:
                raise DoesNotStart(f"the update was not installed: {said}\n{self.machine.tail()}")
        if place in {"writing", "switched"}:
            time.sleep(moment)
            self.cut(place)
        else:
            self.machine.order("reboot")
            self.machine.until_off()

    def next_release(self, number):
        fault = self.dice.choice(FAULTS) if self.dice.random() < FAULTY else ""
        text = self.shop.migration(number, is_failing=fault == "failing")
        release = Release(f"r{number}", f"0.4.{number}", fault, (*self.history, text))
        if fault != "failing":
            self.history.append(text)
        self.releases[release.build] = release
        return release

    def cut(self, place):
        self.machine.cut()
        self.count(place)

    def count(self, place):
        self.result.cuts += 1
        self.result.places[place] = self.result.places.get(place, 0) + 1

    def bring_up(self, place, moment):
        """Start again until a box serves and has marked itself good, as often as it takes."""
        is_to_cut = place in {"loader", "migrating", "serving", "good"}
        for _ in range(STARTS_MAX):
            if is_to_cut and place == "loader":
                is_to_cut = self.again()
                found = self.machine.load(cut_after_s=moment)
                if found is None:
                    self.count(place)
                    continue
            else:
                found = self.machine.load()
            slot, build = found
            self.tried.add(build)
            self.machine.start(slot)
            if is_to_cut and self.reached(place):
                is_to_cut = self.again()
                time.sleep(moment)
                if self.machine.is_on:
                    self.cut(place)
                    continue
            if self.is_settled(build):
                self.running = self.releases[build]
                return
        raise DoesNotStart(f"no box serves after {STARTS_MAX} starts\n{self.machine.tail()}")

    def again(self):
        """Whether the power fails once more on the way back."""
        return self.dice.random() < TWICE

    def reached(self, place):
        name = {"migrating": "migrating", "serving": "migrated", "good": "marking"}[place]
        return self.machine.event(name, within_s=SETTLED_S)[:1] == [name]

    def is_settled(self, build):
        """Wait for mark-good's word, or for the start it orders; say whether the box serves."""
        said = self.machine.event("marking", within_s=SETTLED_S)
        if not said:
            raise DoesNotStart(f"mark-good says nothing\n{self.machine.tail()}")
        if said != ["marking", "0"] and self.machine.event(within_s=ORDERED_S):
            self.machine.until_off()  # mark-good has ordered another start
            return False
        if not self.answers(self.releases[build].version):
            raise DoesNotStart(f"{build} runs and does not answer\n{self.machine.tail()}")
        return True

    def answers(self, version):
        end = time.monotonic() + HEALTHY_S
        while time.monotonic() < end:
            with suppress(OSError), urllib.request.urlopen(HEALTH, timeout=10) as said:
                return json.loads(said.read())["version"] == version
            time.sleep(0.1)
        return False

    def judge(self, release):
        """Compare what the phones were promised, and note which release it is now."""
        compare(self.room, self.result.ledger)
        if self.running.build == release.build:
            self.result.updated += 1
            if release.fault:
                self.result.damage.append(f"{release.build} is broken and was kept")
        elif release.build in self.tried:
            self.result.went_back += 1
        else:
            self.result.untouched += 1


async def keep_at_it(learner, dice):
    """Hand in for ever; a box that is away longer than a phone is patient is asked again."""
    while True:
        with suppress(Unreachable):
            await keep_writing(learner, dice)
        await asyncio.sleep(0.2)


async def drill(cuts, seed):
    """A school is opened on the first release; the class works while everything else happens."""
    with tempfile.TemporaryDirectory(prefix="darasa-update-") as folder:
        play = UpdateDrill(Path(folder), seed)
        try:
            await asyncio.to_thread(play.bring_up, "", 0.0)
            data_dir = play.machine.work / "data/darasa"
            school = await open_school(sample_material(PUPILS)[0], PORT, data_dir)
            play.room = fill_classroom(school, seed=seed)
            for learner in play.room.learners:
                await learner.sign_in()
                await learner.open_course()
            work = [
                asyncio.create_task(keep_at_it(each, Random(seed))) for each in play.room.learners
            ]
            playing = asyncio.create_task(asyncio.to_thread(play.play, cuts))
            done, _ = await asyncio.wait([playing, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in work:
                task.cancel()
            for task in done:
                task.result()
            await playing
            hang_up([play.room])
        finally:
            play.machine.switch_off()
    return play.result


def verdict(result):
    """One line with all figures."""
    places = ", ".join(f"{name} {count}" for name, count in sorted(result.places.items()))
    return (
        f"update-kill {'PASS' if result.is_good else 'FAIL'}: cuts {result.cuts}, "
        f"acknowledged {result.ledger.acknowledged}, lost {len(result.ledger.lost)}, "
        f"duplicated {len(result.ledger.twice)}, damage {len(result.damage)}, "
        f"boxes that did not serve {len(result.silent)}, went back {result.went_back}, "
        f"updated {result.updated}, not begun {result.untouched} ({places})"
    )


def say(words):
    print(words, flush=True)  # noqa: T201 -- the verdict is the whole purpose


def main():
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else CUTS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    os.environ["PATH"] = search_path()
    if IN_OWN_NAMESPACE not in os.environ:  # port 80 and the mounts are this drill's own
        words = ["unshare", "--mount", "--net", sys.executable, "-m", "tests.drills.update_kill"]
        os.environ[IN_OWN_NAMESPACE] = "yes"
        os.execvp(words[0], [*words, str(cuts), str(seed)])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # loop devices outlive a process
    say(f"update-kill: {cuts} cuts, seed {seed}")
    result = asyncio.run(drill(cuts, seed))
    for found in [*result.silent, *result.damage, *sorted(result.ledger.lost)][:20]:
        say(f"  {found}")
    say(verdict(result))
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
