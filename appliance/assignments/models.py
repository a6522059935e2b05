"""A task at the border: what a teacher sends, and what teacher and pupil read."""

from typing import Annotated, Final
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

TITLE_LENGTH_MAX: Final = 300  # the schema's CHECK
INSTRUCTIONS_LENGTH_MAX: Final = 20_000  # ten printed pages; more belongs into a lesson
POINTS_MP_MAX: Final = 1_000_000  # the schema's CHECK: 1,000 points
ATTEMPTS_MAX: Final = 100  # the schema's CHECK
INSTANT_MS_MAX: Final = 1 << 47  # fits the time part of an id; the year 6429

# No NUL: PostgreSQL's text cannot hold it, and a row the hub refuses is a row not safe.
Title = Annotated[
    str, Meta(min_length=1, max_length=TITLE_LENGTH_MAX, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]
Instructions = Annotated[str, Meta(max_length=INSTRUCTIONS_LENGTH_MAX, pattern=r"^[^\x00]*$")]
Instant = Annotated[int, Meta(ge=0, lt=INSTANT_MS_MAX, description="UTC milliseconds.")]
PointsMax = Annotated[int, Meta(ge=0, le=POINTS_MP_MAX, description="In thousandths of a point.")]
AttemptsMax = Annotated[int, Meta(ge=1, le=ATTEMPTS_MAX)]


class NewTask(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A task for the class of one course run; `id` makes sending it twice harmless."""

    course_run_id: UUID
    title: Title
    instructions: Instructions = ""
    due_at_ms: Instant | None = None
    points_max_mp: PointsMax
    attempts_max: AttemptsMax = 1
    id: UUID | None = None


class TaskChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a teacher changes in a task; fields left out stay as they are."""

    title: Title | UnsetType = UNSET
    instructions: Instructions | UnsetType = UNSET
    due_at_ms: Instant | UnsetType | None = UNSET
    points_max_mp: PointsMax | UnsetType = UNSET
    attempts_max: AttemptsMax | UnsetType = UNSET


class Task(Struct, frozen=True):
    """A task as teacher and pupil read it."""

    id: UUID
    course_run_id: UUID
    title: str
    instructions: str
    due_at_ms: int | None
    points_max_mp: int
    attempts_max: int
    version: int


class TaskRun(Struct, frozen=True):
    """The class and the course a task is for, to head a page."""

    course_run_id: UUID
    class_group_id: UUID
    class_name: str
    course_title: str
