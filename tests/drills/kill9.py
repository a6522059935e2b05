"""Kill the serving process under load, fifty times, and compare what the phones were promised.

    python -m tests.drills.kill9 [N] [SEED]

The real server in a process of its own; a class of pupils and two teachers who never
pause; SIGKILL at a random moment; a restart on the same files. The phones repeat what was
not answered, as outbox.js does. After every restart the ledger kept on the phones' side is
compared with the rows: nothing acknowledged may be missing or changed, nothing may be there
twice, and nothing may be there that nobody sent.
"""

import asyncio
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final, LiteralString
from uuid import UUID

from msgspec import Struct, field

from appliance.clock import system_clock
from appliance.database.agent import AgentDatabase
from appliance.database.integrity import full_check
from appliance.ids import uuid7
from demo.day import Classroom, fill_classroom, hang_up
from demo.ledger import Ledger, content_hash
from demo.material import sample_material
from demo.people import Learner, Teacher, sections_of
from demo.processes import Process, ProcessDied, box_process, free_port, until_healthy
from demo.school import open_school

KILLS: Final = 50
SEED: Final = 1
PUPILS: Final = 24  # enough to keep the writer's queue filled on two cores
LOAD_S: Final = (0.1, 0.9)  # how long the class works before the plug is pulled
PAUSE_S: Final = (0.0, 0.03)
SERVING_S_MAX: Final = 5.0

REVISIONS: Final[LiteralString] = "SELECT id, body, submission_id, rev FROM submission_revision"
FACTS: Final[LiteralString] = "SELECT id, enrolment_id, section_id, percent FROM progress_fact"
DRAFTS: Final[LiteralString] = "SELECT revision_id, edit_no, body FROM submission_draft"
MARKS: Final[LiteralString] = "SELECT id, submission_id, points_mp, seq FROM grade"
SUBMISSIONS: Final[LiteralString] = "SELECT assessment_id, person_id, attempt_no FROM submission"


class Tally(Struct):
    """What a comparison found. The texts name rows by id and never by content."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


class Drill(Struct):
    """What all rounds found together."""

    kills: int = 0
    acknowledged: int = 0
    lost: set[str] = field(default_factory=set)
    twice: set[str] = field(default_factory=set)
    damage: list[str] = field(default_factory=list)
    serving_s: list[float] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing doubled, the file sound, and back in time."""
        found = (*self.lost, *self.twice, *self.damage)
        return not found and max(self.serving_s, default=0.0) <= SERVING_S_MAX

    def add(self, found: Tally) -> None:
        """Note one comparison."""
        self.lost |= set(found.lost)
        self.twice |= set(found.twice)


async def drill(kills: int, seed: int) -> Drill:
    """Play all rounds on one school, which only ever grows."""
    dice, result = Random(seed), Drill()
    with tempfile.TemporaryDirectory(prefix="darasa-kill9-") as folder:
        data_dir, port = Path(folder) / "box", free_port()
        with box_process(data_dir, port, host_name="darasa-kill9") as box:
            await until_healthy(box, port)
            school = await open_school(sample_material(PUPILS)[0], port, data_dir)
            room = fill_classroom(school, seed=seed)
            await under_load(box, room, dice, result, kills=kills)
        compare(room, result)
        result.damage = [*full_check(school.database).problems]
    return result


async def under_load(
    box: Process, room: Classroom, dice: Random, result: Drill, *, kills: int
) -> None:
    """Kill and restart while everybody works; compare after every restart."""
    await asyncio.gather(*(_arrive(learner) for learner in room.learners))
    await asyncio.gather(*(teacher.sign_in() for teacher in room.teachers))
    async with asyncio.TaskGroup() as tasks:
        work = [tasks.create_task(keep_writing(each, dice)) for each in room.learners]
        work += [tasks.create_task(keep_marking(each)) for each in room.teachers]
        for _ in range(kills):
            await asyncio.sleep(dice.uniform(*LOAD_S))
            result.serving_s.append(await pull_the_plug(box, room.school.port))
            result.kills += 1
            compare(room, result)
        for task in work:
            task.cancel()
    hang_up([room])


async def pull_the_plug(box: Process, port: int) -> float:
    """Return the seconds from the kill to the first good answer."""
    killed_at = time.monotonic()
    box.kill()
    box.start()
    await until_healthy(box, port)
    return time.monotonic() - killed_at


async def _arrive(learner: Learner) -> None:
    await learner.sign_in()
    await learner.open_course()


async def keep_writing(learner: Learner, dice: Random) -> None:
    """Read, write, hand in, for ever."""
    assert learner.run is not None
    sections = sections_of(learner.run)
    while True:
        revision_id = uuid7(system_clock())
        for edit_no in range(1, dice.randrange(1, 4)):
            await learner.report(dice.choice(sections), dice.randrange(101))
            await learner.save_draft(revision_id, edit_no, learner.some_words(2))
            await asyncio.sleep(dice.uniform(*PAUSE_S))
        words = learner.some_words(5)
        await (learner.tap_twice if dice.random() < 1 / 5 else learner.hand_in)(revision_id, words)


async def keep_marking(teacher: Teacher) -> None:
    """Mark whatever is on the board, for ever."""
    while True:
        await teacher.mark_some(await teacher.board(), most=3)
        await asyncio.sleep(max(PAUSE_S))


def compare(room: Classroom, result: Drill) -> None:
    """Compare the ledger with the rows: first what was promised, then what is there."""
    book = room.book
    promised = Ledger(
        hand_ins=dict(book.hand_ins),
        facts=dict(book.facts),
        drafts=dict(book.drafts),
        marks=dict(book.marks),
    )
    with closing(AgentDatabase(room.school.database)) as db, db.snapshot():
        result.add(compare_hand_ins(db, promised, book.sent_revisions))
        result.add(compare_facts(db, promised, book.sent_facts))
        result.add(compare_marks(db, promised, book.sent_marks))
        result.add(compare_drafts(db, promised))
    result.acknowledged = promised.acknowledged


def compare_hand_ins(db: AgentDatabase, promised: Ledger, sent: set[UUID]) -> Tally:
    """Every receipt's words are there; every attempt and every revision number is single."""
    rows = db.tuples(REVISIONS)
    there = {row[0]: content_hash(str(row[1])) for row in rows}
    found = Tally()
    for hand_in in promised.hand_ins.values():
        if there.get(hand_in.revision_id.bytes) != hand_in.content_hash:
            found.lost.append(f"hand-in {hand_in.revision_id}")
    found.twice += unsent("hand-in", there, sent)
    found.twice += repeated("revision", ((row[2], row[3]) for row in rows))
    found.twice += repeated("submission", db.tuples(SUBMISSIONS))
    return found


def compare_facts(db: AgentDatabase, promised: Ledger, sent: set[UUID]) -> Tally:
    """Every acknowledged fact is there as it was sent."""
    there = {row[0]: row[1:] for row in db.tuples(FACTS)}
    found = Tally(twice=unsent("fact", there, sent))
    for fact in promised.facts.values():
        wanted = (fact.enrolment_id.bytes, fact.section_id.bytes, fact.percent)
        if there.get(fact.id.bytes) != wanted:
            found.lost.append(f"fact {fact.id}")
    return found


def compare_marks(db: AgentDatabase, promised: Ledger, sent: set[UUID]) -> Tally:
    """Every saved or released mark is there with its points; no number was given twice."""
    rows = db.tuples(MARKS)
    there = {row[0]: row[1:3] for row in rows}
    found = Tally(twice=unsent("mark", there, sent))
    found.twice += repeated("mark", ((row[1], row[3]) for row in rows))
    for mark in promised.marks.values():
        if there.get(mark.id.bytes) != (mark.submission_id.bytes, mark.points_mp):
            found.lost.append(f"mark {mark.id}")
    return found


def compare_drafts(db: AgentDatabase, promised: Ledger) -> Tally:
    """A draft is there at least as new as acknowledged, unless its words were handed in."""
    there = {row[0]: (row[1], row[2]) for row in db.tuples(DRAFTS)}
    handed_in = {row[0] for row in db.tuples(REVISIONS)}
    found = Tally()
    for draft in promised.drafts.values():
        edit_no, body = there.get(draft.revision_id.bytes, (0, ""))
        assert isinstance(edit_no, int)
        is_kept = edit_no > draft.edit_no or (edit_no, body) == (draft.edit_no, draft.body)
        if not is_kept and draft.revision_id.bytes not in handed_in:
            found.lost.append(f"draft {draft.revision_id}")
    return found


def unsent(what: str, there: dict[Any, Any], sent: set[UUID]) -> list[str]:
    """Rows that no phone ever sent."""
    return [f"{what} {UUID(bytes=key)}" for key in there if UUID(bytes=key) not in sent]


def repeated(what: str, keys: Iterator[Any] | list[Any]) -> list[str]:
    """Natural keys that stand there more than once."""
    return [f"{what} {key!r}" for key, count in Counter(keys).items() if count > 1]


def verdict(result: Drill) -> str:
    """One line with all figures."""
    p50 = statistics.median(result.serving_s) if result.serving_s else 0.0
    return (
        f"kill9 {'PASS' if result.is_good else 'FAIL'}: kills {result.kills}, "
        f"acknowledged {result.acknowledged}, lost {len(result.lost)}, "
        f"duplicated {len(result.twice)}, damage {len(result.damage)}, "
        f"serving again p50 {p50:.2f} s, max {max(result.serving_s, default=0.0):.2f} s "
        f"(budget {SERVING_S_MAX:.0f} s)"
    )


def main() -> int:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else SEED
    try:
        result = asyncio.run(drill(kills, seed))
    except (ExceptionGroup, ProcessDied) as error:  # an answer outside the contract, or none
        traceback.print_exception(error)
        print(f"kill9 FAIL: the drill was broken off: {error}")  # noqa: T201 -- as below
        return 1
    for found in sorted(result.lost | result.twice)[:20] + result.damage[:20]:
        print(f"  {found}", file=sys.stderr)  # noqa: T201 -- what a person looks at next
    print(verdict(result))  # noqa: T201 -- the verdict line is the drill's whole purpose
    return 0 if result.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
