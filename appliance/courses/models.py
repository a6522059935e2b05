"""Courses at the border: what is uploaded, what an import did, what lists and pages show."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

ImportOutcome = Literal["new", "changed", "same"]


class SourceFile(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a folder sent as JSON."""

    path: Annotated[
        str, Meta(min_length=1, max_length=500, pattern=r"^(?!/)(?!.*\.\.)[^\\\x00-\x1f]+$")
    ]
    text: str


class SourceFolder(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A folder of Markdown as JSON."""

    files: Annotated[list[SourceFile], Meta(min_length=1, max_length=2_000)]
    name: Annotated[str, Meta(max_length=300)] = ""


class LeftOut(Struct, frozen=True):
    """A file, or part of one, that the course does without, and why."""

    path: str
    reason: str


class ImportReport(Struct, frozen=True, kw_only=True):
    """What an import did, or (dry run) would do."""

    outcome: ImportOutcome
    is_dry_run: bool
    title: str
    language: str
    course_id: UUID | None
    course_version_id: UUID | None
    number: int
    modules: int
    lessons: int
    sections: int
    left_out: list[LeftOut]


class CourseCard(Struct, frozen=True):
    """One line of the list of courses, with its newest published version."""

    id: UUID
    title: str
    language: str
    course_version_id: UUID
    number: int
    lessons: int
    sections: int


class SectionTitle(Struct, frozen=True):
    """A section in an outline."""

    id: UUID
    title: str


class LessonOutline(Struct, frozen=True):
    """A lesson in an outline."""

    id: UUID
    title: str
    sections: list[SectionTitle]


class ModuleOutline(Struct, frozen=True):
    """A module in an outline."""

    id: UUID
    title: str
    lessons: list[LessonOutline]


class CourseOutline(Struct, frozen=True, kw_only=True):
    """A course, its newest version and everything in it but the text."""

    id: UUID
    title: str
    language: str
    course_version_id: UUID
    number: int
    modules: list[ModuleOutline]


class SectionBody(Struct, frozen=True):
    """A section with its Markdown."""

    id: UUID
    title: str
    body: str
