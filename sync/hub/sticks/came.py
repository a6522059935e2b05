"""What one board brought on a stick, and how it is said to whoever stands at the hub."""

from typing import Final
from uuid import UUID

from msgspec import Struct, field

from appliance.errors import DarasaError

ASIDE_NAMED_MAX: Final = 20  # a stick full of rubbish is described, not listed


class Came(Struct):
    """What one board brought of one epoch, and what became of it."""

    node_id: UUID
    epoch: UUID
    school: str | None = None
    taken: int = 0
    known: int = 0
    files: int = 0
    files_known: int = 0
    given_back: int = 0
    waits: dict[str, int] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)
    answer_no: int | None = None

    def wait(self, why: str) -> None:
        """Count one more that waits."""
        self.waits[why] = self.waits.get(why, 0) + 1

    def leave(self, what: str, error: Exception | str) -> None:
        """Name what stays on the stick, and why."""
        self.aside.append(f"left on the stick: {what}: {error_words(error)}")


def error_words(error: Exception | str) -> str:
    """What went wrong, in the words of whoever said it."""
    return f"{error.title}: {error}" if isinstance(error, DarasaError) else str(error)


def words_of(came: Came) -> list[str]:
    """Say what became of one board's files, to whoever stands at the hub with the stick."""
    who = f"{came.school or 'unknown school'}, box {came.node_id}"
    lines = [f"{who}: {came.taken} segments came, {came.known} were there already"]
    if came.files or came.files_known:
        lines.append(f"  {came.files} files of hand-ins came, {came.files_known} were there")
    lines += [f"  {count} wait {why}" for why, count in sorted(came.waits.items())]
    lines += [f"  {what}" for what in came.aside[:ASIDE_NAMED_MAX]]
    if len(came.aside) > ASIDE_NAMED_MAX:
        lines.append(f"  and {len(came.aside) - ASIDE_NAMED_MAX} more like these")
    if came.given_back:
        lines.append(f"  {came.given_back} files that the box lacks are on the stick")
    if came.answer_no is not None:
        lines.append(f"  the answer {came.answer_no} is on the stick: carry it back")
    return lines
