"""The boards of one school, and closing one that was lost."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

Reason = Annotated[str, Meta(min_length=1, max_length=500)]


class Box(Struct, frozen=True, kw_only=True):
    """A board the school has, had, or lost."""

    node_id: UUID
    state: Literal["active", "replaced", "revoked"]
    hardware: str
    app_version: str
    enrolled_at_ms: int
    contact_at_ms: int | None
    waiting: int
    former_keys: int
    rows_aside: int
    revoked_at_ms: int | None
    revoked_by: str | None
    revoked_reason: str | None


class Revocation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a box is closed; the school's keeper reads it."""

    reason: Reason
