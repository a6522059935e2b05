"""Progress at the border: what phones report, what pupils and teachers see."""

from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

FACTS_MAX: Final = 200  # a phone that was away for a week sends a few hundred in a few requests
AT_MS_MAX: Final = 1 << 48  # the year 10889; what a UUIDv7 can hold


class ProgressFact(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing a phone saw happen. The phone mints the id, so sending it again is safe."""

    id: UUID
    enrolment_id: UUID
    section_id: UUID
    percent: Annotated[int, Meta(ge=0, le=100)]
    at_ms: Annotated[int, Meta(ge=0, lt=AT_MS_MAX)]


class ProgressFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """A handful of facts; all of them are kept, or none."""

    facts: Annotated[list[ProgressFact], Meta(min_length=1, max_length=FACTS_MAX)]


class SectionProgress(Struct, frozen=True):
    """A section and how much of it this pupil has read."""

    id: UUID
    title: str
    percent: int


class LessonProgress(Struct, frozen=True):
    """A lesson and how much of it has been read."""

    id: UUID
    title: str
    percent: int
    sections: list[SectionProgress]


class ModuleProgress(Struct, frozen=True):
    """A module with its lessons."""

    id: UUID
    title: str
    lessons: list[LessonProgress]


class RunView(Struct, frozen=True, kw_only=True):
    """A run as its pupil (with an enrolment) or its teacher (without) sees it."""

    id: UUID
    enrolment_id: UUID | None
    class_group_id: UUID
    class_name: str
    course_version_id: UUID
    title: str
    language: str
    percent: int
    modules: list[ModuleProgress]


class SectionView(Struct, frozen=True):
    """A section to read."""

    id: UUID
    title: str
    body: str
    percent: int


class LessonLink(Struct, frozen=True):
    """Another lesson of the same course."""

    id: UUID
    title: str


class LessonView(Struct, frozen=True, kw_only=True):
    """A lesson to read. Without an enrolment (a teacher looks) nothing is recorded."""

    id: UUID
    title: str
    module_title: str
    course_title: str
    language: str
    run_id: UUID | None
    enrolment_id: UUID | None
    sections: list[SectionView]
    previous: LessonLink | None
    next: LessonLink | None


class LearnerProgress(Struct, frozen=True):
    """One line of the class table."""

    person_id: UUID
    display_name: str
    percent: int
    sections_done: int


class ClassLesson(Struct, frozen=True):
    """How far the class is in one lesson."""

    id: UUID
    title: str
    percent: int


class RunProgress(Struct, frozen=True, kw_only=True):
    """Where a class is."""

    id: UUID
    title: str
    class_group_id: UUID
    class_name: str
    course_id: UUID
    course_version_id: UUID
    sections: int
    learners: list[LearnerProgress]
    lessons: list[ClassLesson]
