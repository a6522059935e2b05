"""Marks, the collect board and the work on the teacher's desk."""

from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

from appliance.submissions.models import OwnRevision

COMMENT_LENGTH_MAX: Final = 10_000  # three pages of advice
POINTS_MP_MAX: Final = 1_000_000  # no task gives more

Comment = Annotated[str, Meta(max_length=COMMENT_LENGTH_MAX, pattern=r"^[^\x00]*$")]
PointsMp = Annotated[int, Meta(ge=0, le=POINTS_MP_MAX, description="In thousandths of a point.")]
Version = Annotated[int, Meta(ge=1, description="The submission's version the mark was made from.")]

# missing   nothing came            writing   nothing came, a draft is on the box
# to_mark   handed in               again     handed in after a mark was made
# marked    saved, not given back   returned  the pupil has the mark
Standing = Literal["missing", "writing", "to_mark", "again", "marked", "returned"]


class NewGrade(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mark to save; the pupil sees nothing of it yet."""

    id: UUID
    points_mp: PointsMp
    comment: Comment = ""
    version: Version


class Return(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Give the saved mark back; `id` becomes the id of the released mark."""

    id: UUID
    version: Version


class Grade(Struct, frozen=True):
    """One act of marking."""

    id: UUID
    submission_id: UUID
    seq: int
    points_mp: int
    comment: str
    state: str
    by_person_id: UUID
    by_name: str
    graded_at_ms: int


class Graded(Struct, frozen=True, kw_only=True):
    """The mark as kept, and where the submission stands now."""

    grade: Grade
    state: str
    version: int


class BoardLine(Struct, frozen=True, kw_only=True):
    """One pupil of the class and what came from them."""

    person_id: UUID
    display_name: str
    standing: Standing
    submission_id: UUID | None
    attempt_no: int | None
    revisions: int
    submitted_at_ms: int | None
    late_ms: int
    is_clock_sure: bool
    points_mp: int | None


class Board(Struct, frozen=True, kw_only=True):
    """Who handed in and who did not."""

    assessment_id: UUID
    title: str
    class_name: str
    course_run_id: UUID
    due_at_ms: int | None
    points_max_mp: int
    pupils: int
    handed_in: int
    lines: list[BoardLine]


class Work(Struct, frozen=True, kw_only=True):
    """Everything about one submission on the teacher's desk; newest first."""

    submission_id: UUID
    assessment_id: UUID
    person_id: UUID
    display_name: str
    title: str
    instructions: str
    class_name: str
    points_max_mp: int
    attempt_no: int
    state: str
    version: int
    came_after_mark: bool
    revisions: list[OwnRevision]
    grades: list[Grade]
