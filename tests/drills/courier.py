"""A courier whom nobody should hire: sticks are lost, late, repeated and damaged on the way."""

import os
import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct, field

from demo.processes import PYTHON
from demo.school import School
from sync.agent.__main__ import NOTHING_NEW
from sync.core.segment import MAGIC
from tests.drills.district import Hub

NAME_BYTES_MIN: Final = 5
LOST: Final = 0.2
LATE: Final = 0.35
REPEATED: Final = 0.3
DAMAGED: Final = 0.25


class Tally(Struct):
    """What happened to the sticks."""

    exported: int = 0
    readable: int = 0
    lost: int = 0
    late: int = 0
    repeated: int = 0
    damaged: int = 0


class Courier(Struct):
    """Sticks on the road, sticks on their way home, and the bag for new ones."""

    hub: Hub
    school: School
    dice: Random
    tally: Tally = field(default_factory=Tally)
    on_the_road: list[Path] = field(default_factory=list)
    on_the_way_home: list[Path] = field(default_factory=list)
    at_school: list[Path] = field(default_factory=list)

    def happens(self, chance: float) -> bool:
        return self.dice.random() < chance

    def week(self) -> None:
        """One stick is written; of all that are somewhere, some arrive."""
        stick = self.at_school.pop() if self.at_school else self.new_stick()
        self.export(stick)
        self.send(stick, self.on_the_road)
        for stick in self.arriving(self.on_the_road):
            self.at_the_district(stick)
            self.send(stick, self.on_the_way_home)
        for stick in self.arriving(self.on_the_way_home):
            self.bring_back(stick)
            self.at_school.append(stick)

    def send(self, stick: Path, road: list[Path]) -> None:
        """Give a stick to the courier."""
        if self.happens(LOST):
            shutil.rmtree(stick)
            self.tally.lost += 1
            return
        if self.happens(DAMAGED):
            self.damage(stick)
        road.append(stick)

    def arriving(self, road: list[Path]) -> list[Path]:
        """Take whatever arrives this week, in whatever order."""
        late = [stick for stick in road if self.happens(LATE)]
        arrived = [stick for stick in road if stick not in late]
        self.tally.late += len(late)
        road[:] = late
        self.dice.shuffle(arrived)
        return arrived

    def damage(self, stick: Path) -> None:
        """Cut a file off, take it away, or turn one bit in it."""
        files = sorted(each for each in stick.rglob("*") if each.is_file())
        if not files:
            return
        self.tally.damaged += 1
        chosen = self.dice.choice(files)
        content = bytearray(chosen.read_bytes())
        at = self.dice.randrange(len(content))
        content[at] ^= 1 << self.dice.randrange(8)
        how = self.dice.randrange(3)
        if how == 0:
            chosen.unlink()
        else:
            chosen.write_bytes(content if how == 1 else content[:at])

    def new_stick(self) -> Path:
        """Buy one."""
        stick = self.hub.folder / f"stick-{self.tally.exported}"
        stick.mkdir()
        return stick

    def export(self, stick: Path) -> None:
        """At the school."""
        self.tally.exported += 1
        agent(self.school, "export", stick)
        self.look(stick)

    def look(self, stick: Path) -> None:
        """Do what whoever finds a stick would do: search it for names, and for open segments."""
        found = b"".join(each.read_bytes() for each in stick.rglob("*") if each.is_file())
        sought = names_in(self.school) | {MAGIC}
        self.tally.readable += sum(word in found for word in sought)

    def at_the_district(self, stick: Path) -> None:
        """Import, sometimes twice."""
        again = self.happens(REPEATED)
        self.tally.repeated += again
        for _ in range(1 + again):
            self.hub.command("import", str(stick))
        self.look(stick)

    def bring_back(self, stick: Path) -> None:
        """Import the answers, sometimes twice."""
        for _ in range(1 + self.happens(REPEATED)):
            agent(self.school, "import", stick)

    def with_care(self) -> None:
        """One stick there and back."""
        stick = self.new_stick()
        self.export(stick)
        self.hub.command("import", str(stick))
        self.bring_back(stick)


def names_in(school: School) -> set[bytes]:
    """Every longer word of a name; of five letters, none stands in locked bytes by chance."""
    people = [pupil.name for pupil in school.pupils] + [school.teacher.name, school.keeper.name]
    words = {word for name in [*people, school.name] for word in name.split()}
    return {word.encode() for word in words if len(word.encode()) >= NAME_BYTES_MIN}


def agent(school: School, word: str, stick: Path) -> None:
    """Run one command of `darasa-agent` beside the one that runs."""
    ran = subprocess.run(
        [PYTHON, "-m", "sync.agent", word, str(stick)],
        env={**os.environ, "DARASA_DATA_DIR": str(school.data_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode in {0, NOTHING_NEW}, f"darasa-agent {word}: {ran.stdout}{ran.stderr}"
