"""The district's staff, and what they type."""

from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

PASSWORD_LENGTH_MIN: Final = 10  # these accounts see every school of the district
PASSWORD_LENGTH_MAX: Final = 200

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S")]
SignInName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^\S+$")]
Password = Annotated[str, Meta(min_length=1, max_length=PASSWORD_LENGTH_MAX)]
NewPassword = Annotated[str, Meta(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]


class Claim(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The console's code, and what the district and its first admin are called."""

    code: Annotated[str, Meta(min_length=1, max_length=60)]
    district_name: Name
    admin_name: Name
    sign_in_name: SignInName
    password: NewPassword


class Claimed(Struct, frozen=True, kw_only=True):
    """What was made."""

    hub_id: UUID
    district_id: UUID
    person_id: UUID


class SignIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A name and a password."""

    sign_in_name: SignInName
    password: Password


class Visitor(Struct, frozen=True):
    """Who is signed in."""

    person_id: UUID
    display_name: str
    district_id: UUID
    district_name: str


class Me(Struct, frozen=True, kw_only=True):
    """The signed-in person as JSON."""

    person_id: UUID
    display_name: str
    district_id: UUID
    district_name: str
    roles: list[str]


def me_of(visitor: Visitor) -> Me:
    """Say who `visitor` is."""
    return Me(
        person_id=visitor.person_id,
        display_name=visitor.display_name,
        district_id=visitor.district_id,
        district_name=visitor.district_name,
        roles=["district_admin"],
    )
