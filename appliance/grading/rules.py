"""Where a piece of work stands, as one word for the teacher; and points as people type them."""

from decimal import Decimal
from typing import Final

from appliance.grading.models import POINTS_MP_MAX, Standing

# What the teacher should look at first.
BOARD_ORDER: Final[tuple[Standing, ...]] = (
    "again",
    "to_mark",
    "marked",
    "writing",
    "missing",
    "returned",
)
ON_THE_DESK: Final = frozenset({"to_mark", "again"})


def standing(state: str | None, *, has_mark: bool, has_draft: bool) -> Standing:
    """Say where a pupil's latest work stands."""
    match state:
        case None:
            return "writing" if has_draft else "missing"
        case "returned":
            return "returned"
        case "graded":
            return "marked"
        case _:
            return "again" if has_mark else "to_mark"


def points_mp(text: str) -> int | None:
    """Read points as typed, `7`, `7.5` or `7,5`, into thousandths; None if they are none."""
    try:
        points = Decimal(text.strip().replace(",", ".")) * 1000
    except ArithmeticError:  # not a number, or one beyond any school
        return None
    if not points.is_finite() or points != points.to_integral_value():
        return None
    return int(points) if 0 <= points <= POINTS_MP_MAX else None
