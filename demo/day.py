"""A school day in three parts: before the link is cut, while it is down, and after.

The morning is for reading, the middle for writing and handing in, the afternoon for
second thoughts and marks. Nobody waits for the link at any time: that is the point.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.clock import system_clock
from appliance.ids import uuid7
from demo.ledger import Ledger
from demo.people import Learner, Pace, Teacher, lessons_of
from demo.school import School

HUMAN: Final = Pace(think_s=(0.3, 1.2), bell_s=2.0)  # a school day in about a minute
HURRIED: Final = Pace(think_s=(0.02, 0.1), bell_s=0.2)  # for tests
SECTIONS_READ: Final = 4  # of each lesson; nobody reads everything
DRAFTS: Final = 3
HALF: Final = 50
WHOLE: Final = 100
MARKED_AT_ONCE: Final = 5


class Classroom(Struct, frozen=True):
    """One school with everybody in it and the ledger of what they were promised."""

    school: School
    learners: list[Learner]
    teachers: list[Teacher]
    book: Ledger


def fill_classroom(school: School, *, seed: int) -> Classroom:
    """Give every pupil a phone; both teachers work on the same board."""
    book = Ledger()
    learners = [
        Learner(school, pupil, book, Random(f"{seed} {number}"))
        for number, pupil in enumerate(school.pupils)
    ]
    staff = (school.keeper, school.teacher)
    teachers = [Teacher(school, each, book, Random(f"{seed} {each.name}")) for each in staff]
    return Classroom(school, learners, teachers, book)


async def morning(rooms: Sequence[Classroom], pace: Pace) -> None:
    """The bell rings, everybody signs in and reads the first lesson."""
    await _everybody(rooms, lambda learner, dice: _arrive_and_read(learner, dice, pace))
    await asyncio.gather(*(teacher.sign_in() for room in rooms for teacher in room.teachers))


async def middle(rooms: Sequence[Classroom], pace: Pace) -> None:
    """Everybody reads on, writes and hands in, while teachers mark what is there."""
    async with asyncio.TaskGroup() as tasks:
        marking = [
            tasks.create_task(_mark_until_cancelled(teacher, pace))
            for room in rooms
            for teacher in room.teachers
        ]
        await _everybody(rooms, lambda learner, dice: _read_and_write(learner, dice, pace))
        for task in marking:
            task.cancel()


async def afternoon(rooms: Sequence[Classroom], pace: Pace) -> None:
    """Second thoughts of a few, marks for everybody."""
    await _everybody(rooms, lambda learner, dice: _second_thoughts(learner, dice, pace))
    await asyncio.gather(
        *(_mark_everything(teacher) for room in rooms for teacher in room.teachers)
    )


def hang_up(rooms: Sequence[Classroom]) -> None:
    """Close every phone."""
    for room in rooms:
        for learner in room.learners:
            learner.phone.hang_up()
        for teacher in room.teachers:
            teacher.phone.hang_up()


async def _everybody(
    rooms: Sequence[Classroom], does: Callable[[Learner, Random], Awaitable[None]]
) -> None:
    await asyncio.gather(
        *(
            does(learner, Random(f"{room.school.name} {learner.pupil.name}"))
            for room in rooms
            for learner in room.learners
        )
    )


async def _arrive_and_read(learner: Learner, dice: Random, pace: Pace) -> None:
    await asyncio.sleep(dice.uniform(0, pace.bell_s))
    await learner.sign_in()
    run = await learner.open_course()
    await read_lesson(learner, lessons_of(run)[0], pace)


async def _read_and_write(learner: Learner, dice: Random, pace: Pace) -> None:
    assert learner.run is not None
    lessons = lessons_of(learner.run)
    await read_lesson(learner, lessons[1 % len(lessons)], pace)
    revision_id = uuid7(system_clock())
    words = ""
    for edit_no in range(1, DRAFTS + 1):
        words = learner.some_words(edit_no * 2)
        await learner.save_draft(revision_id, edit_no, words)
        await learner.think(pace)
    if dice.random() < 1 / 4:  # an impatient thumb
        await learner.tap_twice(revision_id, words)
    else:
        await learner.hand_in(revision_id, words)


async def _second_thoughts(learner: Learner, dice: Random, pace: Pace) -> None:
    """One in four hands in again; everybody looks at the last section once more."""
    assert learner.run is not None
    await read_lesson(learner, lessons_of(learner.run)[0], pace)
    if dice.random() < 1 / 4:
        await learner.hand_in(uuid7(system_clock()), learner.some_words(3))


async def read_lesson(learner: Learner, lesson_id: UUID, pace: Pace) -> None:
    """Open a lesson and report progress in it, half and whole, section by section."""
    lesson = await learner.open_lesson(lesson_id)
    for section in lesson.sections[:SECTIONS_READ]:
        for percent in (HALF, WHOLE):
            await learner.think(pace)
            await learner.report(section.id, percent)


async def _mark_until_cancelled(teacher: Teacher, pace: Pace) -> None:
    while True:
        await asyncio.sleep(sum(pace.think_s))
        await teacher.mark_some(await teacher.board(), most=MARKED_AT_ONCE)


async def _mark_everything(teacher: Teacher) -> None:
    while await teacher.mark_some(await teacher.board(), most=MARKED_AT_ONCE):
        pass
