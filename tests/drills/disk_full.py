"""The card is full in the middle of a lesson, again and again.

    python -m tests.drills.disk_full [N] [SEED]

A real box and a class that hands in without pause, on a small file system of its own that a film
fills and leaves again. Where nobody may mount one, the kernel refuses the box every further byte
instead (`RLIMIT_FSIZE`, for this process alone), and the verdict says so. Each hand-in is either
acknowledged, and then it is there for good, or refused in plain words, and then the phone still
has its text and the same request goes through once there is room.

On a real card the box also finds out by itself that it fills up, and is killed and started while
it is full: with its reserve it serves, full to the last block it shows lessons, with room again
it takes everything that waited.
"""

import asyncio
import resource
import sys
import tempfile
import time
from contextlib import ExitStack, closing
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
from appliance.room import card_of, keep_reserve
from appliance.settings import Settings
from appliance.submissions.models import Receipt
from demo.day import Classroom, fill_classroom, hang_up
from demo.ledger import HandIn, content_hash
from demo.material import sample_material
from demo.people import Learner
from demo.processes import Process, box_process, free_port, until_healthy
from demo.school import open_school
from tests.drills.kill9 import compare_hand_ins
from tests.full_disk import delete_films, fill, small_card, why_no_card

ROUNDS: Final = 20
SEED: Final = 1
PUPILS: Final = 12
LESSON_S: Final = (0.1, 0.4)
FULL_S: Final = (0.3, 0.8)
BYTES_LEFT: Final = (0, 4_096, 65_536)  # of each file, when the card is full
REFUSALS: Final = frozenset({"storage-full", "write-failed", "busy", "only-lessons"})
CARD_MIB: Final = 128  # the log alone grows to 16
SHED_S_MAX: Final = 60.0  # it looks every ten seconds, on a machine that is never as idle


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
    why_no_card: str
    starts: list[str]
    wrong: list[str]

    @property
    def is_good(self) -> bool:
        """Nothing acknowledged is missing, refusals had words, and all went in at last."""
        found = (*self.lost, *self.wordless, *self.stuck, *self.damage, *self.wrong)
        return not found and bool(self.codes) and self.acknowledged > 0


class Place(Struct):
    """Where the box keeps its school, and how its card is filled and emptied."""

    box: Process
    settings: Settings
    why_no_card: str

    def fill(self, left: int) -> None:
        """So many bytes are left: of the card, or of each file."""
        if self.why_no_card:
            refuse_more(self.box, self.settings.database, left)
        else:
            fill(self.settings.data_dir, left=left)

    def give_room(self) -> None:
        """Somebody has deleted a film."""
        if self.why_no_card:
            unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(self.box.pid, resource.RLIMIT_FSIZE, unlimited)
        else:
            delete_films(self.settings.data_dir)


async def drill(rounds: int, seed: int, *, sheds: bool) -> Outcome:
    """Play all rounds on one school. `sheds`: wait for the running box to give its reserve up."""
    dice, phones, why = Random(seed), Phones(), why_no_card()
    starts: list[str] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="darasa-full-") as folder, ExitStack() as mounts:
        data_dir, port = Path(folder) / "box", free_port()
        data_dir.mkdir()
        if not why:
            mounts.enter_context(small_card(data_dir, mib=CARD_MIB))
        with box_process(data_dir, port, host_name="darasa-full") as box:
            place = Place(box, Settings(data_dir=data_dir), why)
            await until_healthy(box, port)
            school = await open_school(sample_material(PUPILS)[0], port, data_dir)
            room = fill_classroom(school, seed=seed)
            await fill_up(place, room, phones, dice, rounds)
            if not why:
                wrong += await sheds_by_itself(place, room, phones) if sheds else []
                starts, more = await starts_when_full(place, room, phones)
                wrong += more
            stuck = [each async for each in _again(room, phones)]
            hang_up([room])
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
        why_no_card=why,
        starts=starts,
        wrong=wrong,
    )


async def fill_up(place: Place, room: Classroom, phones: Phones, dice: Random, rounds: int) -> None:
    """Fill the card and empty it again while everybody writes."""
    for learner in room.learners:
        await learner.sign_in()
    async with asyncio.TaskGroup() as tasks:
        writing = [tasks.create_task(keep_handing_in(each, room, phones)) for each in room.learners]
        for _ in range(rounds):
            await asyncio.sleep(dice.uniform(*LESSON_S))
            place.fill(dice.choice(BYTES_LEFT))
            await asyncio.sleep(dice.uniform(*FULL_S))
            place.give_room()
        for task in writing:
            task.cancel()


async def sheds_by_itself(place: Place, room: Classroom, phones: Phones) -> list[str]:
    """The card is full; the running box gives its reserve up and takes texts again."""
    take_reserve(place.settings)
    place.fill(0)
    deadline = time.monotonic() + SHED_S_MAX
    while place.settings.reserve.exists():
        if time.monotonic() > deadline:
            return ["the running box kept its reserve on a full card"]
        await asyncio.sleep(0.1)
    took = await hand_in(room.learners[0], room, phones, uuid7(system_clock()), "Maji ni uhai.")
    place.give_room()
    return [] if took else ["a text was refused after the reserve was given up"]


async def starts_when_full(
    place: Place, room: Classroom, phones: Phones
) -> tuple[list[str], list[str]]:
    """Kill and start it full but for the reserve, full to the last block, and with room again."""
    starts: list[str] = []
    wrong: list[str] = []
    for case, serves in (("reserve", True), ("last block", False), ("room", True)):
        place.box.kill()
        hang_up([room])
        prepare(place, case)
        starts.append(await started(place, room))
        for learner in room.learners[:3]:
            text = learner.some_words(12)
            if serves != await hand_in(learner, room, phones, uuid7(system_clock()), text):
                wrong.append(f"{case}: a text was {'refused' if serves else 'taken'}")
        if serves != (starts[-1] != "reading"):
            wrong.append(f"{case}: it says {starts[-1]}")
    return starts, wrong


def prepare(place: Place, case: str) -> None:
    """While nobody runs: the reserve is kept or used up, and a film fills the rest."""
    place.give_room()
    if case == "reserve":
        take_reserve(place.settings)
    if case == "last block":
        place.settings.reserve.unlink(missing_ok=True)
    if case != "room":
        place.fill(0)


async def started(place: Place, room: Classroom) -> str:
    """Start it, and return what /health says."""
    place.box.start()
    await until_healthy(place.box, room.school.port)
    said: str = (await room.learners[0].phone.get("/health", dict))["status"]
    return said


def take_reserve(settings: Settings) -> None:
    """As the box does when there is room; it looks only every ten seconds."""
    keep_reserve(settings.reserve, card_of(settings.data_dir), settings.reserve_bytes)


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


def verdict(result: Outcome) -> str:
    """One line with all figures."""
    refused = ", ".join(f"{code} {count}" for code, count in sorted(result.codes.items()))
    where = f"no real card, {result.why_no_card}" if result.why_no_card else "a real card"
    starts = f", started full: {', '.join(result.starts)}" if result.starts else ""
    return (
        f"disk-full {'PASS' if result.is_good else 'FAIL'}: {where}, "
        f"full {result.rounds} times{starts}, "
        f"acknowledged {result.acknowledged}, refused in words ({refused or 'never'}), "
        f"acknowledged and lost {len(result.lost)}, not taken afterwards {len(result.stuck)}, "
        f"refused without words {len(result.wordless)}, damage {len(result.damage)}"
    )


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    result = asyncio.run(drill(rounds, seed, sheds=True))
    for found in [*result.wrong, *result.lost, *result.stuck, *result.wordless, *result.damage][
        :20
    ]:
        print(f"  {found}", file=sys.stderr)  # noqa: T201 -- what a person looks at next
    print(verdict(result), flush=True)  # noqa: T201 -- the verdict is the whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
