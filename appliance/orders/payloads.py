"""What an order of the district says, one shape a kind: the same words at the hub and on a box."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

Kind = Literal[
    "create_person", "reset_pin", "move_person", "publish_course_version", "set_due_date"
]
INSTANT_MS_MAX: Final = 1 << 47

# No NUL: neither side's database may hold what the other's cannot.
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Instant = Annotated[int, Meta(ge=0, lt=INSTANT_MS_MAX, description="UTC milliseconds.")]


class CreatePerson(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Write a new pupil or teacher; PIN and password are given at the school."""

    person_id: UUID
    display_name: Name
    class_group_id: UUID | None = None
    role: Literal["learner", "teacher"] = "learner"


class ResetPin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Let the old PIN open nothing; the teacher draws the new one and sees it."""

    person_id: UUID


class MovePerson(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Take a pupil from one class to another."""

    person_id: UUID
    from_class_id: UUID
    to_class_id: UUID


class PublishCourseVersion(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Put this version of a course on the shelf in place of the present one."""

    course_version_id: UUID


class SetDueDate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Say when a task is due; null takes the due time away."""

    assessment_id: UUID
    due_at_ms: Instant | None


Payload = CreatePerson | ResetPin | MovePerson | PublishCourseVersion | SetDueDate

PAYLOADS: Final[Mapping[Kind, type[Payload]]] = {
    "create_person": CreatePerson,
    "reset_pin": ResetPin,
    "move_person": MovePerson,
    "publish_course_version": PublishCourseVersion,
    "set_due_date": SetDueDate,
}


def read_payload(kind: Kind, text: str) -> Payload:
    """Raises msgspec.DecodeError (ValidationError among them) for anything else."""
    return msgspec.json.decode(text, type=PAYLOADS[kind])


def write_payload(payload: Payload) -> str:
    """Write it in the one spelling both databases keep: sorted keys, no blanks."""
    return msgspec.json.encode(payload, order="deterministic").decode()


def person_of(payload: Payload) -> UUID | None:
    """Return whom an order is about, for erasure to follow."""
    if isinstance(payload, CreatePerson | ResetPin | MovePerson):
        return payload.person_id
    return None
