"""What the district's staff say, ask and decide, and what they read about it."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from appliance.orders.payloads import PAYLOADS, Instant, Kind, Name, Payload
from appliance.orders.settable import Settable, checked

BODY_LENGTH_MAX: Final = 10_000  # the schema's CHECK
REASON_LENGTH_MAX: Final = 500  # the schema's CHECK
PUPILS_MAX: Final = 5_000  # a large secondary school twice over, as on the box

# No NUL: PostgreSQL's text cannot hold it.
Title = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Body = Annotated[str, Meta(max_length=BODY_LENGTH_MAX, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, Meta(max_length=REASON_LENGTH_MAX, pattern=r"^[^\x00]*$")]
ClassName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]
Outcome = Literal["new", "changed", "same"]
Decision = Literal["accepted", "refused"]


class NewAnnouncement(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Words to one school, or to all of them when `scope_id` is left out."""

    scope_id: UUID | None = None
    title: Title
    body: Body = ""
    from_at_ms: Instant
    until_at_ms: Instant | None = None


class AnnouncementListed(Struct, frozen=True, kw_only=True):
    """An announcement, and whom it is for."""

    id: UUID
    scope_id: UUID
    scope_name: str
    title: str
    body: str
    from_at_ms: int
    until_at_ms: int | None
    is_withdrawn: bool


class NewSetting(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A value for one school, or for all of them when `scope_id` is left out."""

    scope_id: UUID | None = None
    key: Settable
    value: Any

    def __post_init__(self) -> None:
        """Raises msgspec.ValidationError when no box would take the value."""
        checked(self.key, self.value)


class SettingListed(Struct, frozen=True, kw_only=True):
    """A setting; `value` is canonical JSON."""

    id: UUID
    scope_id: UUID
    scope_name: str
    key: str
    value: str
    updated_at_ms: int


class NewCommand(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a school's box is asked to do."""

    kind: Kind
    payload: dict[str, Any]
    expires_at_ms: Instant | None = None

    def asked(self) -> Payload:
        """Raises msgspec.ValidationError when the payload is not of its kind."""
        return msgspec.convert(self.payload, PAYLOADS[self.kind])


class CommandListed(Struct, frozen=True, kw_only=True):
    """A command and what became of it: pending until the box has said something else."""

    id: UUID
    kind: str
    about: str | None
    detail: str | None
    due_at_ms: int | None
    by_name: str | None
    issued_at_ms: int
    expires_at_ms: int | None
    state: str
    reason: str | None
    at_ms: int | None


class NewDecision(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the district says to a proposal; `name` is what the person or class is called then."""

    state: Decision
    reason: Reason = ""
    name: ClassName | None = None

    def __post_init__(self) -> None:
        """Refuse to rename what was not agreed to."""
        if self.name is not None and self.state != "accepted":
            raise ValueError("a name comes with accepted only")


class ProposalListed(Struct, frozen=True, kw_only=True):
    """A school's proposal; `open` until it is decided."""

    id: UUID
    school_id: UUID
    school_name: str
    kind: str
    about_id: UUID | None
    about_name: str | None
    wish: str
    by_name: str | None
    at_ms: int
    state: str
    reason: str | None
    decided_at_ms: int | None


class CourseListed(Struct, frozen=True, kw_only=True):
    """A course of the district's with its published version."""

    id: UUID
    title: str
    language: str
    course_version_id: UUID
    number: int
    lessons: int
    sections: int
    updated_at_ms: int


class CoursePublished(Struct, frozen=True, kw_only=True):
    """What publishing a folder did."""

    outcome: Outcome
    course_id: UUID
    course_version_id: UUID
    title: str
    number: int
    lessons: int
    sections: int


class Pupil(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of a roster."""

    class_name: ClassName
    display_name: Name
    student_no: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class NewRoster(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The classes and pupils of one school, as the district has them."""

    pupils: Annotated[list[Pupil], Meta(min_length=1, max_length=PUPILS_MAX)]


class RosterReport(Struct, frozen=True, kw_only=True):
    """How many rows a roster wrote; the same roster again writes none."""

    classes: int
    pupils: int
    written: int


class Choice(Struct, frozen=True, kw_only=True):
    """Something to choose in a form."""

    id: UUID
    name: str
    note: str | None = None


class Choices(Struct, frozen=True, kw_only=True):
    """What the orders to one school may be about."""

    classes: list[Choice]
    pupils: list[Choice]
    tasks: list[Choice]
    versions: list[Choice]
