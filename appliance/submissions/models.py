"""Drafts, hand-ins and receipts at the border."""

from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

EDITS_MAX: Final = 1 << 31  # one edit every 2 s for a hundred years

# No NUL: PostgreSQL's text cannot hold it, and a row the hub refuses is a row not safe.
Body = Annotated[str, Meta(pattern=r"^[^\x00]*$", description="Plain text.")]
EditNo = Annotated[int, Meta(ge=1, lt=EDITS_MAX)]
CustodyLevel = Literal["box", "district", "district_backup", "district_conflict"]


class DraftEdit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the pupil has typed so far; the phone numbers its edits."""

    assessment_id: UUID
    edit_no: EditNo
    body: Body


class Draft(Struct, frozen=True):
    """The draft as the box has it."""

    revision_id: UUID
    assessment_id: UUID
    edit_no: int
    body: str
    saved_at_ms: int


class HandIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Work, handed in under the id the phone made for it."""

    assessment_id: UUID
    body: Body


class Stamp(Struct, frozen=True):
    """The box's time, and how far it can be believed (appliance.clock)."""

    now_ms: int
    clock_quality: int


class Custody(Struct, frozen=True):
    """Where a hand-in is safe, and since when that is known."""

    level: CustodyLevel
    as_of_ms: int


class Receipt(Struct, frozen=True, kw_only=True):
    """Proof of one hand-in. `late_ms` is 0 where `is_clock_sure` is false."""

    revision_id: UUID
    submission_id: UUID
    assessment_id: UUID
    title: str
    attempt_no: int
    rev: int
    code: str
    content_hash: str
    saved_at_ms: int
    late_ms: int
    is_clock_sure: bool
    custody: Custody


class HandInLine(Struct, frozen=True, kw_only=True):
    """One line of "my hand-ins"; the mark only once it was given back."""

    submission_id: UUID
    assessment_id: UUID
    title: str
    attempt_no: int
    points_max_mp: int
    returned_points_mp: int | None
    receipt: Receipt


class ReturnedMark(Struct, frozen=True):
    """A mark the teacher has given back."""

    points_mp: int
    points_max_mp: int
    comment: str
    by_name: str
    returned_at_ms: int


class OwnRevision(Struct, frozen=True):
    """What was handed in, word for word, and its receipt."""

    body: str
    receipt: Receipt


class OwnHandIn(Struct, frozen=True, kw_only=True):
    """One piece of work as its author sees it; `revisions` and `marks` newest first."""

    submission_id: UUID
    assessment_id: UUID
    title: str
    attempt_no: int
    attempts_max: int
    may_start_again: bool
    revisions: list[OwnRevision]
    marks: list[ReturnedMark]
