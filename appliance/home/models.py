"""What stands on the two start pages."""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from appliance.enrolments.models import OwnRun, TaughtClass, TaughtRun

Standing = Literal["todo", "handed_in", "returned"]


class OwnTask(Struct, frozen=True):
    """A task of one of the pupil's courses."""

    id: UUID
    title: str
    course_title: str
    due_at_ms: int | None
    standing: Standing


class LearnerHome(Struct, frozen=True):
    """A pupil's start page: what to hand in, what to read."""

    tasks: list[OwnTask]
    runs: list[OwnRun]


class TaughtTask(Struct, frozen=True):
    """A task of one of the teacher's runs and how far its class is."""

    id: UUID
    course_run_id: UUID
    title: str
    due_at_ms: int | None
    handed_in: int
    to_mark: int


class ClassHome(Struct, frozen=True):
    """One class on the teacher's start page."""

    group: TaughtClass
    runs: list[TaughtRun]
    tasks: list[TaughtTask]


class TeacherHome(Struct, frozen=True):
    """A teacher's start page."""

    classes: list[ClassHome]
