"""Cut the power a thousand times and look for what was acknowledged.

    python -m tests.drills.powercut [N] [SEED]

The real Writer with its checkpoints, the real schema and the real commands run on a disk
that forgets what was not synced. Pupils hand in and report what they read until the power
fails at a random write or sync; then one of the disks that could have been left is opened
by an ordinary connection. Everything that was ever acknowledged must be there, whole and
noted for the hub, and the file must be sound.

The seed fixes where the power fails and what survives; the threads keep their own time, so
two runs of one seed are alike, not identical.
"""

import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final, LiteralString
from uuid import UUID

import apsw
from msgspec import Struct

from appliance.database.checkpoint import WalLimits
from appliance.database.connection import open_connection
from appliance.database.faults import WriteFailed
from appliance.database.integrity import full_check
from appliance.database.reader import Reader
from appliance.database.writer import Writer
from appliance.ids import uuid7
from appliance.progress.commands import keep_facts
from appliance.progress.models import ProgressFact
from appliance.submissions.commands import hand_in
from appliance.submissions.models import HandIn, Stamp
from tests.drills.power_loss_vfs import PowerLossDisk
from tests.drills.small_school import NOW_MS, Pupil, SmallSchool, make_small_school

CUTS: Final = 1_000
SEED: Final = 2
PUPILS: Final = 12
CUTS_PER_FILE: Final = 20  # then a new school: a file that only grows makes every cut slower
OPERATIONS_MAX: Final = (60, 600, 3_000)  # while starting, among commits, among checkpoints
BODY_LETTERS: Final = (40, 600, 6_000)  # within a page, and over several

# 16 and 13 are the numbers of the tables in sync/registry.py: what is kept but not noted in
# sync_dirty would never reach the hub.
KEPT: Final[LiteralString] = """
SELECT v.id, v.body AS what
  FROM submission_revision AS v
  JOIN submission AS s
    ON s.id = v.submission_id
  JOIN sync_dirty AS d
    ON d.tbl = 16
   AND d.pk = v.id
 UNION ALL
SELECT f.id, CAST(f.percent AS TEXT)
  FROM progress_fact AS f
  JOIN section_progress AS p
    ON p.enrolment_id = f.enrolment_id
   AND p.section_id = f.section_id
   AND p.percent >= f.percent
  JOIN sync_dirty AS d
    ON d.tbl = 13
   AND d.pk = f.id
"""

Sabotage = Callable[[Writer], None]


class Kept(Struct, frozen=True):
    """A piece of work or of reading, by the id the phone gave it."""

    id: UUID
    what: str


class Lesson(Struct, frozen=True):
    """One school from cut to cut, and what it has acknowledged so far."""

    school: SmallSchool
    chance: Random
    ledger: dict[UUID, str]


class Verdict(Struct):
    """What the drill found."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    corrupt: int = 0

    @property
    def is_good(self) -> bool:
        return self.lost == 0 and self.corrupt == 0 and self.acknowledged > 0

    def __str__(self) -> str:
        return (
            f"powercut: {self.cuts} cuts, acknowledged {self.acknowledged}, "
            f"lost {self.lost}, corrupt {self.corrupt}"
        )


def drill(
    cuts: int, seed: int, *, is_lying: bool = False, sabotage: Sabotage | None = None
) -> Verdict:
    """Run `cuts` power cuts. A lying disk or a sabotaged writer must make it fail."""
    chance = Random(seed)
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="powercut-") as name:
        path = Path(name) / "school.db"
        template = Path(name) / "template.db"
        school = make_small_school(template, PUPILS)
        lesson = Lesson(school, chance, ledger={})
        is_sound = False
        for number in range(cuts):
            if number % CUTS_PER_FILE == 0 or not is_sound:
                lesson.ledger.clear()
                shutil.copyfile(template, path)
                path.with_name("school.db-wal").unlink(missing_ok=True)
            disk = PowerLossDisk(f"powercut-{seed}-{number}", chance, is_lying=is_lying)
            disk.cut_after(chance.randint(1, chance.choice(OPERATIONS_MAX)))
            before = len(lesson.ledger)
            _run(path, disk, lesson, sabotage)
            disk.power_cycle()
            disk.close()
            verdict.cuts += 1
            verdict.acknowledged += len(lesson.ledger) - before
            is_sound = _judge(path, lesson.ledger, verdict)
    return verdict


def _run(path: Path, disk: PowerLossDisk, lesson: Lesson, sabotage: Sabotage | None) -> None:
    writer = _start(path, disk, lesson.chance)
    if writer is None:
        return
    if sabotage is not None:
        sabotage(writer)
    writer.start()
    asyncio.run(_lesson(lesson, writer))
    writer.stop()


def _start(path: Path, disk: PowerLossDisk, chance: Random) -> Writer | None:
    limits = WalLimits(
        passive=chance.choice((5, 50, 1_000)), restart=chance.choice((60, 300)), retry=10
    )
    try:
        return Writer(path, wal_limits=limits, mmap_size_bytes=0, vfs=disk.name)
    except apsw.IOError:
        return None  # the cut came while the box was starting up


async def _lesson(lesson: Lesson, writer: Writer) -> None:
    async with asyncio.TaskGroup() as pupils:
        for pupil in lesson.school.pupils:
            pupils.create_task(_work_until_dark(lesson, writer, pupil))


async def _work_until_dark(lesson: Lesson, writer: Writer, pupil: Pupil) -> None:
    chance = lesson.chance
    try:
        while True:
            work = _hand_in if chance.random() < 0.6 else _read
            done = await work(lesson, writer, pupil)
            lesson.ledger[done.id] = done.what  # acknowledged: from here on it is ours to keep
    except WriteFailed:
        return


async def _hand_in(lesson: Lesson, writer: Writer, pupil: Pupil) -> Kept:
    letter = chr(lesson.chance.randint(0x621, 0x64A))
    work = Kept(uuid7(NOW_MS), letter * lesson.chance.choice(BODY_LETTERS))
    receipt = await writer.write(
        hand_in,
        pupil.person_id,
        work.id,
        HandIn(assessment_id=lesson.school.assessment_id, body=work.what),
        submission_id=uuid7(NOW_MS),
        stamp=Stamp(NOW_MS, 1),
    )
    assert receipt.revision_id == work.id
    return work


async def _read(lesson: Lesson, writer: Writer, pupil: Pupil) -> Kept:
    percent = lesson.chance.randint(0, 100)
    fact_id, section_id = uuid7(NOW_MS), lesson.school.section_id
    fact = ProgressFact(fact_id, pupil.enrolment_id, section_id, percent, NOW_MS)
    await writer.write(keep_facts, pupil.person_id, [fact])
    return Kept(fact_id, str(percent))


def _judge(path: Path, ledger: dict[UUID, str], verdict: Verdict) -> bool:
    """Open the disk that was left and count; tell whether the school can go on with it."""
    kept, is_sound = _left_on(path)
    lost = [known for known, what in ledger.items() if kept.get(known) != what]
    verdict.lost += len(lost)
    verdict.corrupt += not is_sound
    return is_sound and not lost


def _left_on(path: Path) -> tuple[dict[UUID, str], bool]:
    try:
        with closing(open_connection(path, role="writer")) as connection:
            reader = Reader(connection)
            kept = {one.id: one.what for one in reader.rows(Kept, KEPT)}
            return kept, full_check(reader).is_ok
    except (apsw.Error, AssertionError):
        return {}, False


def main() -> int:
    logging.disable(logging.ERROR)  # a thousand cuts make ten thousand expected complaints
    cuts = int(sys.argv[1]) if len(sys.argv) > 1 else CUTS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    verdict = drill(cuts, seed)
    print(verdict)  # noqa: T201 -- the verdict line is the drill's whole purpose
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
