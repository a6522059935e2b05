"""What the district reads about one school."""

from uuid import UUID

from msgspec import Struct

from sync.hub.fleet.models import School


class ClassSummary(Struct, frozen=True, kw_only=True):
    """A class and how many are in it."""

    class_group_id: UUID
    name: str
    learners: int


class RunSummary(Struct, frozen=True, kw_only=True):
    """A class reading a course: how far it is on average."""

    course_run_id: UUID
    course_title: str
    class_name: str
    learners: int
    percent: int


class TaskSummary(Struct, frozen=True, kw_only=True):
    """A task and what has come in."""

    assessment_id: UUID
    title: str
    class_name: str
    due_at_ms: int | None
    learners: int
    handed_in: int
    returned: int


class SchoolReport(Struct, frozen=True, kw_only=True):
    """One school on one page."""

    school: School
    classes: list[ClassSummary]
    runs: list[RunSummary]
    tasks: list[TaskSummary]


class LearnerProgress(Struct, frozen=True, kw_only=True):
    """One pupil in one course."""

    course_run_id: UUID
    course_title: str
    class_name: str
    person_id: UUID
    display_name: str
    percent: int
    sections_done: int
    sections: int


class HandIn(Struct, frozen=True, kw_only=True):
    """One attempt of one pupil: what is here of it. `code` is the one on the pupil's receipt."""

    submission_id: UUID
    assessment_id: UUID
    task_title: str
    person_id: UUID
    display_name: str
    attempt_no: int
    state: str
    submitted_at_ms: int
    late_ms: int
    revisions: int
    code: str | None
    points_mp: int | None
    points_max_mp: int


class TaskReport(Struct, frozen=True, kw_only=True):
    """A task, and every hand-in that is here."""

    school_id: UUID
    school_name: str
    task: TaskSummary
    hand_ins: list[HandIn]
