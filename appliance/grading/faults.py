"""What can go wrong with a mark.

Conflict: GradeIdTaken      the id belongs to another mark
          MarkedMeanwhile   another teacher, or another hand-in, was first
RuleViolation: TooManyPoints, NoMarkYet
Invalid:  PointsUnreadable   the form only
"""

from uuid import UUID

from appliance.errors import Conflict, FieldError, Invalid, RuleViolation


class GradeIdTaken(Conflict):
    """The same id was sent before with other points, words or work."""

    code = "grade-id-taken"
    hint = "What was saved first stands. Save the other mark under a new id."

    def __init__(self, grade_id: UUID) -> None:
        super().__init__(f"mark {grade_id} exists with other content")


class MarkedMeanwhile(Conflict):
    """The submission moved on since this page was loaded; nothing was overwritten."""

    code = "marked-meanwhile"
    title = "Something was first"
    hint = (
        "Look at what is there now; your own mark is still on the page. Save it again if it fits."
    )

    def __init__(self, submission_id: UUID, *, now: dict[str, str]) -> None:
        super().__init__(f"submission {submission_id} has changed since it was opened")
        self.errors = [FieldError(field, message) for field, message in now.items()]


class TooManyPoints(RuleViolation):
    """More points than the task gives."""

    code = "too-many-points"
    title = "That is more than the task gives"
    hint = "Give fewer points, or raise the points of the task first."

    def __init__(self, points_mp: int, *, points_max_mp: int) -> None:
        super().__init__(f"{points_mp} thousandths of a point are more than {points_max_mp}")


class NoMarkYet(RuleViolation):
    """There is no saved mark for the words that lie on the desk."""

    code = "no-mark-yet"
    title = "There is no mark to give back yet"
    hint = "Save points and a comment first."


class PointsUnreadable(Invalid):
    """What was typed is no number of points."""

    code = "points-unreadable"
    title = "The points are not a number"
    hint = "Write a number such as 7 or 7.5."

    def __init__(self, typed: str) -> None:
        super().__init__(f"“{typed[:20]}” is no number of points")
