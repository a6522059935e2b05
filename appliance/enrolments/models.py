"""Runs and enrolments at the border."""

from uuid import UUID

from msgspec import Struct


class NewRun(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Give a class a course."""

    class_group_id: UUID
    course_version_id: UUID
    id: UUID | None = None


class Run(Struct, frozen=True):
    """A class reading one version of a course."""

    id: UUID
    class_group_id: UUID
    class_name: str
    course_id: UUID
    course_version_id: UUID
    title: str
    language: str
    number: int
    state: str


class OwnRun(Struct, frozen=True):
    """A run as its pupil sees it in a list."""

    id: UUID
    enrolment_id: UUID
    class_group_id: UUID
    class_name: str
    course_version_id: UUID
    title: str
    language: str
    percent: int


class TaughtRun(Struct, frozen=True):
    """A run as its teacher sees it in a list."""

    id: UUID
    class_group_id: UUID
    class_name: str
    course_version_id: UUID
    title: str
    language: str
    state: str
    learners: int


class Runs(Struct, frozen=True, kw_only=True):
    """What this person learns and what this person teaches."""

    learning: list[OwnRun]
    teaching: list[TaughtRun]


class TaughtClass(Struct, frozen=True):
    """A class one may give a course to."""

    id: UUID
    name: str
    learners: int


class Member(Struct, frozen=True):
    """A pupil with a place in a run."""

    enrolment_id: UUID
    person_id: UUID
    display_name: str
