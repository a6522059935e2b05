"""Classes at the border."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from appliance.access.models import NewPassword, SignInName

MEMBERS_MAX = 500  # one request; a class of forty many times over

# No NUL: PostgreSQL's text cannot hold it, and a row the hub refuses is a row not safe.
ClassName = Annotated[
    str, Meta(min_length=1, max_length=100, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]


class NewClass(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A class to make."""

    name: ClassName
    grade_level: Annotated[str, Meta(max_length=50, pattern=r"^[^\x00]*$")] | None = None
    id: UUID | None = None


class NewMembers(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Pupils to put into a class."""

    person_ids: Annotated[list[UUID], Meta(min_length=1, max_length=MEMBERS_MAX)]


class NewTeacher(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who shall teach a class."""

    person_id: UUID


class PasswordGift(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sign-in name and a password for a member of staff."""

    sign_in_name: SignInName
    password: NewPassword


class ClassGroup(Struct, frozen=True):
    """One line of a list of classes."""

    id: UUID
    name: str
    grade_level: str | None
    learners: int
    version: int


class Member(Struct, frozen=True):
    """A pupil of a class as staff see one."""

    person_id: UUID
    display_name: str
    has_pin: bool
    is_locked: bool
    is_districts: bool


class ClassTeacher(Struct, frozen=True):
    """Somebody who teaches a class."""

    person_id: UUID
    display_name: str


class ClassPage(Struct, frozen=True, kw_only=True):
    """A class with everybody in it."""

    group: ClassGroup
    members: list[Member]
    teachers: list[ClassTeacher]
    is_districts: bool
