"""Forgetting a person, as the district's staff ask for it and follow it."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

Reason = Annotated[str, Meta(min_length=1, max_length=500)]
Search = Annotated[str, Meta(max_length=100)]


class PersonFound(Struct, frozen=True, kw_only=True):
    """Somebody of a school who may be chosen."""

    id: UUID
    name: str
    classes: str
    is_staff: bool


class ErasureWish(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to forget and why; the name, typed once more, shows that this person is meant."""

    person_id: UUID
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    reason: Reason


class ErasureListed(Struct, frozen=True, kw_only=True):
    """One line of the list; the person has no name any more."""

    id: UUID
    at_ms: int
    reason: str | None
    boxes: int
    answered: int

    @property
    def is_done(self) -> bool:
        """Whether every box at work has answered."""
        return self.answered >= self.boxes


class BoxAnswer(Struct, frozen=True, kw_only=True):
    """What one board of the school has said."""

    node_id: UUID
    state: Literal["active", "replaced", "revoked"]
    hardware: str
    contact_at_ms: int | None
    answered_at_ms: int | None
    rows_erased: int | None


class Certificate(Struct, frozen=True, kw_only=True):
    """Who was asked, who has answered, and since when it is true of all of them."""

    school_id: UUID
    school_name: str
    id: UUID
    asked_at_ms: int
    asked_by: str | None
    reason: str | None
    is_done: bool
    done_at_ms: int | None
    boxes: list[BoxAnswer]
