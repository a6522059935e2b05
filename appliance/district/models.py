"""Joining a district, and how far our work has got there."""

from typing import Annotated

from msgspec import Meta, Struct


class HubWish(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the district's hub is, and the one-time token its administrator gave."""

    hub_url: Annotated[str, Meta(pattern=r"^https?://[^\s/]+(/[^\s]*)?$", max_length=500)]
    token: Annotated[str, Meta(min_length=8, max_length=200, pattern=r"^\S+$")]


class Contact(Struct, frozen=True):
    """What the agent has written down about the hub."""

    is_enrolled: bool
    hub_url: str | None
    contact_at_ms: int | None
    contact_error: str | None
    recovery_due: bool


class Wish(Struct, frozen=True):
    """What was asked for and is not granted yet."""

    hub_url: str
    requested_at_ms: int
    error: str | None


class Waiting(Struct, frozen=True):
    """What is on this box only, and what the hub has put aside."""

    waiting: int
    oldest_since_ms: int | None
    put_aside: int
    in_conflict: int


class SyncStatus(Struct, frozen=True, kw_only=True):
    """One truthful screen. `waiting` counts changes the district has not confirmed."""

    is_enrolled: bool
    hub_url: str | None
    contact_at_ms: int | None
    error: str | None
    asked_url: str | None
    asked_at_ms: int | None
    recovery_due: bool
    waiting: int
    oldest_since_ms: int | None
    put_aside: int
    in_conflict: int
