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
    node_state: str
    board_changed_at_ms: int | None
    left_reason: str | None = None
    left_at_ms: int | None = None
    held_words: str | None = None


class Wish(Struct, frozen=True):
    """What was asked for and is not granted yet."""

    hub_url: str
    requested_at_ms: int
    error: str | None


class Waiting(Struct, frozen=True):
    """What is on this box only, what the hub has put aside, and what has two versions."""

    waiting: int
    oldest_since_ms: int | None
    put_aside: int
    dismissed: int
    has_unlisted: bool
    in_conflict: int


class Verified(Struct, frozen=True):
    """What the last comparison found, and up to where both said the same."""

    compared: int
    different: int
    explained: int
    at_ms: int | None
    no: int | None


class SyncStatus(Struct, frozen=True, kw_only=True):
    """One truthful screen; every number is computed from the log.

    `waiting`: changes the district has not confirmed. `put_aside`: rows it could not read and
    looks at; `has_unlisted`: there are more than it named. `dismissed`: rows it will not take.
    `in_conflict`: rows with two versions nobody has looked at. `different`: rows of `compared`
    that differ from the district's and could not be mended; `verified_at_ms` and `verified_no`
    say when, and up to which of its changes, both were last found the same. `left_reason`: why
    the log was last begun anew; `held_words`: what the link may not carry now, and until when.
    """

    is_enrolled: bool
    hub_url: str | None
    contact_at_ms: int | None
    error: str | None
    asked_url: str | None
    asked_at_ms: int | None
    recovery_due: bool
    node_state: str = "active"
    board_changed_at_ms: int | None = None
    left_reason: str | None = None
    left_at_ms: int | None = None
    held_words: str | None = None
    waiting: int
    oldest_since_ms: int | None
    put_aside: int
    dismissed: int
    has_unlisted: bool
    in_conflict: int
    compared: int
    different: int
    explained: int
    verified_at_ms: int | None
    verified_no: int | None


class Line(Struct, frozen=True):
    """One thing to know, and what to do about it; `kind` as a badge's: good, wait, bad, info."""

    kind: str
    title: str
    words: str
    todo: str = ""
