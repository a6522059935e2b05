"""The card is full in the middle of a lesson, again and again.

    python -m tests.drills.disk_full [N] [SEED]

A real box and a class that hands in without pause. The kernel refuses the box every further byte
(`RLIMIT_FSIZE`, for this process alone), then there is room again. Each hand-in is either
acknowledged, and then it is there for good, or refused in plain words, and then the phone still
has its text and the same request goes through once there is room.
"""

import asyncio
import resource
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final
from uuid import UUID

from msgspec import Struct, field

from appliance.clock import system_clock
from appliance.database.agent import AgentDatabase
from appliance.database.integrity import full_check
from appliance.ids import uuid7
from appliance.problems import Problem
from appliance.submissions.models import Receipt
from demo.day import Classroom, fill_classroom, hang_up
from demo.ledger import HandIn, content_hash
from demo.material import sample_material
from demo.people import Learner
from demo.processes import Process, box_process, free_port, until_healthy
from demo.school import open_school
from tests.drills.kill9 import compare_hand_ins

ROUNDS: Final = 20
SEED: Final = 1
PUPILS: Final = 12
LESSON_S: Final = (0.1, 0.4)
FULL_S: Final = (0.3, 0.8)
BYTES_LEFT: Final = (0, 4_096, 65_536)  # of each file, when the card is full
REFUSALS: Final = frozenset({"storage-full", "write-failed", "busy"})


class Phones(Struct):
    """What the phones hold: texts that were refused, and how they were told."""

    refused: dict[UUID, tuple[Learner, str]] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    wordless: list[str] = field(default_factory=list)


class Outcome(Struct, kw_only=True):
    """What all rounds came to."""

    rounds: int
    acknowledged: int
    codes: dict[str, int]
    lost: list[str]
    wordless: list[str]
    stuck: list[str]
    damage: list[str]

    @property
    def is_good(self) -> bool:
        """Nothing acknowledged is missing, refusals had words, and all went in at last."""
        found = (*self.lost, *self.wordless, *self.stuck, *self.damage)
        return not found and bool(self.codes) and self.acknowledged > 0


async def drill(rounds: int, seed: int) -> Outcome:
    """Play all rounds on one school."""
    dice, phones = Random(seed), Phones()
    with tempfile.TemporaryDirectory(prefix="darasa-full-") as folder:
        data_dir, port = Path(folder) / "box", free_port()
        with box_process(data_dir, port, host_name="darasa-full") as box:
            await until_healthy(box, port)
            school = await open_school(sample_material(PUPILS)[0], port, data_dir)
            room = fill_classroom(school, seed=seed)
            stuck = await fill_up(box, room, phones, dice, rounds)
        with closing(AgentDatabase(school.database)) as db, db.snapshot():
            found = compare_hand_ins(db, room.book, room.book.sent_revisions)
        damage = full_check(school.database).problems
    return Outcome(
        rounds=rounds,
        acknowledged=len(room.book.hand_ins),
        codes=phones.codes,
        lost=[*found.lost, *found.twice],
        wordless=phones.wordless,
        stuck=stuck,
        damage=damage,
    )


async def fill_up(
    box: Process, room: Classroom, phones: Phones, dice: Random, rounds: int
) -> list[str]:
    """Fill the card and empty it again while everybody writes; return what never went in."""
    for learner in room.learners:
        await learner.sign_in()
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(keep_handing_in(each, room, phones)) for each in room.learners]
        for _ in range(rounds):
            await asyncio.sleep(dice.uniform(*LESSON_S))
            refuse_more(box, room.school.database, dice.choice(BYTES_LEFT))
            await asyncio.sleep(dice.uniform(*FULL_S))
            give_room(box)
        for task in writing:
            task.cancel()
    still = [each async for each in _again(room, phones)]
    hang_up([room])
    return still


async def _again(room: Classroom, phones: Phones):
    """There is room: whatever a phone still has goes in with the same id."""
    for revision_id, (learner, text) in list(phones.refused.items()):
        if not await hand_in(learner, room, phones, revision_id, text):
            yield f"hand-in {revision_id}"


async def keep_handing_in(learner: Learner, room: Classroom, phones: Phones) -> None:
    """Hand in for ever, and go on whatever comes back."""
    while True:
        revision_id, text = uuid7(system_clock()), learner.some_words(12)
        await hand_in(learner, room, phones, revision_id, text)
        await asyncio.sleep(0.01)


async def hand_in(
    learner: Learner, room: Classroom, phones: Phones, revision_id: UUID, text: str
) -> bool:
    """Send one text once; note the receipt, or keep the text."""
    phones.refused[revision_id] = (learner, text)
    room.book.sent_revisions.add(revision_id)
    sent = {"assessment_id": room.school.task_id, "body": text}
    answer = await learner.phone.send("PUT", f"/api/v1/submission-revisions/{revision_id}", sent)
    if answer.status in {200, 201}:
        receipt = answer.read(Receipt)
        room.book.hand_ins[revision_id] = HandIn(
            revision_id,
            room.school.task_id,
            learner.pupil.person_id,
            content_hash(text),
            receipt.code,
        )
        del phones.refused[revision_id]
        return True
    problem = answer.read(Problem)
    phones.codes[problem.code] = phones.codes.get(problem.code, 0) + 1
    if problem.code not in REFUSALS or not problem.hint:
        phones.wordless.append(f"status {answer.status}: {problem.code}")
    return False


def refuse_more(box: Process, database: Path, left: int) -> None:
    """No file of this process may grow by more than `left` bytes."""
    files = [path.stat().st_size for path in database.parent.glob(f"{database.name}*")]
    size = max(files) + left
    resource.prlimit(box.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def give_room(box: Process) -> None:
    """Somebody has deleted a film."""
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(box.pid, resource.RLIMIT_FSIZE, unlimited)


def verdict(result: Outcome) -> str:
    """One line with all figures."""
    refused = ", ".join(f"{code} {count}" for code, count in sorted(result.codes.items()))
    return (
        f"disk-full {'PASS' if result.is_good else 'FAIL'}: full {result.rounds} times, "
        f"acknowledged {result.acknowledged}, refused in words ({refused or 'never'}), "
        f"acknowledged and lost {len(result.lost)}, not taken afterwards {len(result.stuck)}, "
        f"refused without words {len(result.wordless)}, damage {len(result.damage)}"
    )


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = asyncio.run(drill(rounds, seed))
    for found in [*result.lost, *result.stuck, *result.wordless, *result.damage][:20]:
        print(f"  {found}", file=sys.stderr)  # noqa: T201 -- what a person looks at next
    print(verdict(result), flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
