"""The district's schools as its staff see them, and the tokens that bring new ones."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from sync.hub.accounts.models import Name

HOURS_MIN = 1
HOURS_MAX = 7 * 24
HOURS_DEFAULT = 24

State = Literal["well", "waiting", "silent", "new", "trouble"]


class School(Struct, frozen=True, kw_only=True):
    """One school: is it alive, is its work here, must somebody look.

    The last eleven: what its box last said of itself; None while it has not. A box that says
    whether its voltage is too low (1) or not (0) means never by None in the last two.
    """

    school_id: UUID
    name: str
    state: State
    contact_at_ms: int | None
    waiting: int
    oldest_since_ms: int | None
    app_version: str | None
    quarantined: int
    conflicts: int
    has_two_live_epochs: bool
    clock_offset_ms: int | None = None
    sampled_at_ms: int | None = None
    disk_free_bytes: int | None = None
    temperature_mc: int | None = None
    database_bytes: int | None = None
    clients_max: int | None = None
    wal_bytes: int | None = None
    memory_bytes: int | None = None
    under_voltage: int | None = None
    backup_away_at_ms: int | None = None
    copy_checked_at_ms: int | None = None


class NewToken(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the token is for; `school_id` is needed to replace a box.

    Adopting a school that is named and known gives a second board of it an identity of its own.
    """

    mode: Literal["adopt", "replace"]
    school_id: UUID | None = None
    school_name: Name | None = None
    hours: Annotated[int, Meta(ge=HOURS_MIN, le=HOURS_MAX)] = HOURS_DEFAULT

    def __post_init__(self) -> None:
        """Refuse a replacement that replaces nobody."""
        if self.mode == "replace" and self.school_id is None:
            raise ValueError("school_id is needed to replace a school's box")


class TokenMade(Struct, frozen=True, kw_only=True):
    """The token, shown this once."""

    id: UUID
    token: str
    mode: str
    expires_at_ms: int


class TokenListed(Struct, frozen=True, kw_only=True):
    """A token as it is kept: what it is for and what became of it."""

    id: UUID
    mode: str
    school_name: str | None
    created_at_ms: int
    expires_at_ms: int
    used_at_ms: int | None
