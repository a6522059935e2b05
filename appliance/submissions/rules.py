"""What a hand-in is, whatever the database holds: its words, its lateness, its place."""

import hashlib
import unicodedata
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.clock import TOLD
from appliance.submissions.faults import BodyTooLarge, NothingWritten

BODY_BYTES_MAX: Final = 64 << 10  # 10,000 words; half a minute on a 2G link to the district
COUNTED_STATES: Final = frozenset({"submitted", "in_grading", "graded", "returned"})


class Place(Struct, frozen=True):
    """Where a hand-in goes: into the submission of this attempt, or into a new one."""

    attempt_no: int
    is_new_attempt: bool


def kept_text(body: str) -> str:
    """Bring text into the one form that is kept and hashed: NFC. Raises BodyTooLarge."""
    text = unicodedata.normalize("NFC", body)
    size_bytes = len(text.encode())
    if size_bytes > BODY_BYTES_MAX:
        raise BodyTooLarge(size_bytes=size_bytes, size_bytes_max=BODY_BYTES_MAX)
    return text


def work_text(body: str) -> str:
    """Bring a hand-in into the form that is kept. Raises NothingWritten for blanks."""
    text = kept_text(body)
    if not text.strip():
        raise NothingWritten("the text is empty")
    return text


def form_text(body: str) -> str:
    """Undo what browsers do to a form: the same words must have the same hash by either way."""
    return body.replace("\r\n", "\n")


def content_hash(body: str) -> bytes:
    """SHA-256 of the text as kept."""
    return hashlib.sha256(body.encode()).digest()


def sibling_id(revision_id: UUID, digest: bytes) -> UUID:
    """Return the id for other words under a used id: the same words always get the same one."""
    chance = int.from_bytes(hashlib.sha256(revision_id.bytes + digest).digest()[:8], "big")
    high = revision_id.int >> 64
    return UUID(int=high << 64 | 0b10 << 62 | chance >> 2)


def is_clock_sure(clock_quality: int) -> bool:
    """Whether somebody who knew the time has vouched for it."""
    return clock_quality >= TOLD


def late_ms(due_at_ms: int | None, saved_at_ms: int, clock_quality: int) -> int:
    """How late it came; nobody is late by a clock that may be wrong."""
    if due_at_ms is None or not is_clock_sure(clock_quality):
        return 0
    return max(0, saved_at_ms - due_at_ms)


def place_of(latest_attempt_no: int, latest_state: str | None, attempts_max: int) -> Place:
    """Decide where the next hand-in goes. It is never refused.

    Before the work was given back, it replaces what lies on the teacher's desk. After, it
    opens the next attempt while there are any, and else is laid on top as "came after the
    mark". A void or withdrawn attempt is over in either case.
    """
    if latest_state is None:
        return Place(attempt_no=1, is_new_attempt=True)
    has_attempts_left = latest_attempt_no < attempts_max
    if latest_state not in COUNTED_STATES or (latest_state == "returned" and has_attempts_left):
        return Place(attempt_no=latest_attempt_no + 1, is_new_attempt=True)
    return Place(attempt_no=latest_attempt_no, is_new_attempt=False)
