"""What the district says and asks, and what the school proposes, as people read it."""

from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

from appliance.orders.payloads import Kind

WISH_LENGTH_MAX: Final = 2_000  # a page; more is a conversation, not a proposal

ProposalKind = Literal["edit_person", "edit_class", "edit_enrolment", "edit_course", "other"]
Wish = Annotated[
    str,
    Meta(min_length=1, max_length=WISH_LENGTH_MAX, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"),
]


class Announcement(Struct, frozen=True):
    """Words of the district to everybody in the school."""

    id: UUID
    title: str
    body: str
    from_at_ms: int
    until_at_ms: int | None


class Setting(Struct, frozen=True):
    """What the district has set, as it stands."""

    key: str
    value: str
    updated_at_ms: int


class Order(Struct, frozen=True):
    """A command that has no answer yet."""

    id: UUID
    kind: Kind
    person_id: UUID | None
    payload: str
    by_person_id: UUID
    school_id: UUID
    locale: str
    expires_at_ms: int | None


class OrderListed(Struct, frozen=True):
    """A command and what became of it here."""

    id: UUID
    kind: str
    about: str | None
    issued_at_ms: int
    expires_at_ms: int | None
    state: str
    reason: str | None
    at_ms: int | None


class PinNeeded(Struct, frozen=True):
    """A pupil of the district's doing who has no PIN: somebody must draw one."""

    id: UUID
    display_name: str


class NewProposal(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the school would like changed in a row of the district's."""

    kind: ProposalKind
    about_id: UUID | None = None
    wish: Wish

    def __post_init__(self) -> None:
        """Refuse an edit of nothing."""
        if (self.kind == "other") != (self.about_id is None):
            raise ValueError("about_id is needed, except for kind other")


class About(Struct, frozen=True):
    """The row a proposal is about: whose it is, and whom it concerns."""

    is_districts: bool
    person_id: UUID | None
    name: str


class ProposalListed(Struct, frozen=True):
    """A proposal and what the district has said to it."""

    id: UUID
    kind: str
    about_id: UUID | None
    about_name: str | None
    payload: str
    by_name: str | None
    at_ms: int
    state: str | None
    reason: str | None
    decided_at_ms: int | None


class ProposalRead(Struct, frozen=True, kw_only=True):
    """The same for people: the wish in words, and `open` until it is decided."""

    id: UUID
    kind: str
    about_id: UUID | None
    about_name: str | None
    wish: str
    by_name: str | None
    at_ms: int
    state: str
    reason: str | None
    decided_at_ms: int | None


class FromDistrict(Struct, frozen=True):
    """Everything the district has asked of this box and set for it."""

    orders: list[OrderListed]
    settings: list[Setting]
