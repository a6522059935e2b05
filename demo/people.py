"""Pupils and teachers with think times. They do what phones do: mint ids, repeat, wait.

Every acknowledgement goes into the ledger the moment it is read, and not before.
"""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.clock import system_clock
from appliance.grading.models import Board, Graded, Work
from appliance.ids import uuid7
from appliance.progress.models import LessonView, RunView
from appliance.submissions.models import Draft as KeptDraft
from appliance.submissions.models import Receipt
from demo import ledger
from demo.ledger import Ledger
from demo.phone import Phone, Unexpected
from demo.school import Pupil, School, Staff

WORDS: Final = (
    "Water rises when the sun warms it.",
    "I tried it with two bottles; the flat plate was dry first.",
    "Maji yanapanda, halafu yanashuka kama mvua.",
    "Nous avons mesuré vingt millimètres de pluie.",
    "عندما يبرد البخار يصبح قطرات.",
    "Because the roof has 24 square metres it caught 480 litres.",
    "My grandmother boils it; my uncle leaves it in the sun.",
    "Thử nghiệm của em: nước bùn qua cát thì trong, nhưng chưa uống được.",
    "I am not sure about the third question.",
)


class Pace(Struct, frozen=True, kw_only=True):
    """How long people think, as a range in seconds, and how fast the bell brings them in."""

    think_s: tuple[float, float]
    bell_s: float = 0.0


class Learner:
    """One pupil on one phone."""

    def __init__(self, school: School, pupil: Pupil, book: Ledger, dice: Random) -> None:
        self.pupil: Final = pupil
        self.school: Final = school
        self.phone: Final = Phone(school.port)
        self._book: Final = book
        self._dice: Final = dice
        self.run: RunView | None = None

    async def sign_in(self) -> None:
        """Name and PIN."""
        body = {"person_id": self.pupil.person_id, "pin": self.pupil.pin}
        (await self.phone.send_patiently("POST", "/api/v1/sessions", body)).must(201)

    async def open_course(self) -> RunView:
        """Open the list of lessons."""
        self.run = await self.phone.get(f"/api/v1/course-runs/{self.school.run_id}", RunView)
        assert self.run.enrolment_id is not None, self.pupil.name
        return self.run

    async def open_lesson(self, lesson_id: UUID) -> LessonView:
        """Open one lesson to read."""
        return await self.phone.get(
            f"/api/v1/lessons/{lesson_id}?run={self.school.run_id}", LessonView
        )

    async def report(self, section_id: UUID, percent: int) -> None:
        """Tell the box how far down a section this pupil has read."""
        assert self.run is not None
        assert self.run.enrolment_id is not None
        now_ms = system_clock()
        fact = ledger.Fact(uuid7(now_ms), self.run.enrolment_id, section_id, percent)
        body = {
            "id": fact.id,
            "enrolment_id": fact.enrolment_id,
            "section_id": section_id,
            "percent": percent,
            "at_ms": now_ms,
        }
        self._book.sent_facts.add(fact.id)
        answer = await self.phone.send_patiently(
            "POST", "/api/v1/progress-facts", {"facts": [body]}
        )
        answer.must(204)
        self._book.facts[fact.id] = fact

    async def save_draft(self, revision_id: UUID, edit_no: int, body: str) -> None:
        """Autosave what has been typed so far."""
        sent = {"assessment_id": self.school.task_id, "edit_no": edit_no, "body": body}
        answer = await self.phone.send_patiently("PUT", f"/api/v1/drafts/{revision_id}", sent)
        kept = answer.must().read(KeptDraft)
        self._book.drafts[revision_id] = ledger.Draft(
            revision_id, self.pupil.person_id, kept.edit_no, kept.body
        )

    async def hand_in(self, revision_id: UUID, body: str) -> Receipt:
        """Hand in and keep the receipt. Raises Unexpected when the receipt is for other words."""
        sent = {"assessment_id": self.school.task_id, "body": body}
        self._book.sent_revisions.add(revision_id)
        answer = await self.phone.send_patiently(
            "PUT", f"/api/v1/submission-revisions/{revision_id}", sent
        )
        receipt = answer.must().read(Receipt)
        self._keep(receipt, revision_id, body)
        return receipt

    def _keep(self, receipt: Receipt, revision_id: UUID, body: str) -> None:
        digest = ledger.content_hash(body)
        if (receipt.revision_id, receipt.content_hash) != (revision_id, digest.hex()):
            raise Unexpected(f"receipt {receipt.code} is not for what {revision_id} said")
        before = self._book.hand_ins.get(revision_id)
        if before is not None and before.code != receipt.code:
            raise Unexpected(f"two codes for {revision_id}: {before.code} and {receipt.code}")
        self._book.drafts.pop(revision_id, None)
        self._book.hand_ins[revision_id] = ledger.HandIn(
            revision_id, self.school.task_id, self.pupil.person_id, digest, receipt.code
        )

    async def tap_twice(self, revision_id: UUID, body: str) -> None:
        """Hand in by two taps that race each other on two connections."""
        twin = Learner(self.school, self.pupil, self._book, self._dice)
        twin.phone.cookies.update(self.phone.cookies)
        async with twin.phone:
            await asyncio.gather(self.hand_in(revision_id, body), twin.hand_in(revision_id, body))

    def some_words(self, sentences: int) -> str:
        """Something to hand in; no two pupils write the same."""
        chosen = self._dice.choices(WORDS, k=sentences)
        return f"{self.pupil.name}: " + "\n".join(chosen)

    async def think(self, pace: Pace) -> None:
        """Read, look out of the window, go on."""
        await asyncio.sleep(self._dice.uniform(*pace.think_s))


class Teacher:
    """Looks at the collect board, marks what is there, gives some of it back."""

    def __init__(self, school: School, staff: Staff, book: Ledger, dice: Random) -> None:
        self.school: Final = school
        self.phone: Final = Phone(school.port)
        self._staff: Final = staff
        self._book: Final = book
        self._dice: Final = dice

    async def sign_in(self) -> None:
        """Name and password."""
        body = {"sign_in_name": self._staff.sign_in_name, "password": self._staff.password}
        (await self.phone.send_patiently("POST", "/api/v1/sessions", body)).must(201)

    async def board(self) -> Board:
        """Look who has handed in."""
        return await self.phone.get(f"/api/v1/assessments/{self.school.task_id}/board", Board)

    async def mark_some(self, board: Board, *, most: int) -> int:
        """Mark up to `most` of what waits on the board; return how many were marked."""
        waiting = [
            line.submission_id
            for line in board.lines
            if line.standing in {"to_mark", "again"} and line.submission_id is not None
        ]
        for submission_id in waiting[:most]:
            await self.mark(submission_id)
        return len(waiting[:most])

    async def mark(self, submission_id: UUID) -> None:
        """Read one piece of work, give it points, and return two of three."""
        work = await self.phone.get(f"/api/v1/submissions/{submission_id}", Work)
        points_mp = self._dice.randrange(work.points_max_mp // 2_000, work.points_max_mp // 1_000)
        version = await self._save_mark(work, points_mp * 1_000)
        if version is not None and self._dice.random() < 2 / 3:
            await self._give_back(submission_id, version)

    async def _save_mark(self, work: Work, points_mp: int) -> int | None:
        """Return the new version, or None when the pupil handed in again meanwhile.

        Nobody gives back a mark for words that are not the newest.
        """
        mark = ledger.Mark(uuid7(system_clock()), work.submission_id, points_mp)
        body = {
            "id": mark.id,
            "points_mp": points_mp,
            "comment": "Good reasons. Look at question three again.",
            "version": work.version,
        }
        return await self._act(mark, f"/api/v1/submissions/{work.submission_id}/grades", body)

    async def _give_back(self, submission_id: UUID, version: int) -> None:
        released = ledger.Mark(uuid7(system_clock()), submission_id, -1)
        body = {"id": released.id, "version": version}
        await self._act(released, f"/api/v1/submissions/{submission_id}/return", body)

    async def _act(self, mark: ledger.Mark, path: str, body: dict[str, object]) -> int | None:
        self._book.sent_marks.add(mark.id)
        answer = (await self.phone.send_patiently("POST", path, body)).must(200, 201, 409)
        if answer.status == 409:  # there are newer words on the desk
            return None
        graded = answer.read(Graded)
        self._book.marks[mark.id] = ledger.Mark(mark.id, mark.submission_id, graded.grade.points_mp)
        # A mark whose answer was lost may have been overtaken by a second hand-in.
        return graded.version if graded.state == "graded" else None


def sections_of(run: RunView) -> list[UUID]:
    """Every section of a course, in reading order."""
    return [
        section.id
        for module in run.modules
        for lesson in module.lessons
        for section in lesson.sections
    ]


def lessons_of(run: RunView) -> Sequence[UUID]:
    """Every lesson of a course, in reading order."""
    return [lesson.id for module in run.modules for lesson in module.lessons]
