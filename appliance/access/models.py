"""Who is asking, and what they type to prove it."""

from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

Who = Literal["anonymous", "learner", "teacher", "school_admin"]

PIN_LENGTH: Final = 4
PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 200  # argon2id takes more, but a hash must not become a load test

Pin = Annotated[str, Meta(pattern=rf"^[0-9]{{{PIN_LENGTH}}}$", description="Four digits.")]
Password = Annotated[str, Meta(min_length=1, max_length=PASSWORD_LENGTH_MAX)]
NewPassword = Annotated[str, Meta(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]
SignInName = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^\S+$")]


class Actor(Struct, frozen=True):
    """A signed-in person of this school."""

    person_id: UUID
    display_name: str
    school_id: UUID
    locale: str
    roles: frozenset[str]

    @property
    def is_learner(self) -> bool:
        """A pupil of the school."""
        return "learner" in self.roles

    @property
    def is_teacher(self) -> bool:
        """Teaches at the school; which classes is asked of the database."""
        return "teacher" in self.roles

    @property
    def is_school_admin(self) -> bool:
        """Looks after people, PINs, the box and its district."""
        return "school_admin" in self.roles


class SignIn(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Either a pupil's name and PIN or a member of staff's name and password."""

    person_id: UUID | None = None
    pin: Pin | None = None
    sign_in_name: SignInName | None = None
    password: Password | None = None

    def __post_init__(self) -> None:
        """Refuse half of one pair and half of the other."""
        as_pupil = (self.person_id is not None, self.pin is not None)
        as_staff = (self.sign_in_name is not None, self.password is not None)
        if (as_pupil, as_staff) not in {
            ((True, True), (False, False)),
            ((False, False), (True, True)),
        }:
            raise ValueError("send person_id and pin, or sign_in_name and password")


class Me(Struct, frozen=True, kw_only=True):
    """The signed-in person as JSON."""

    person_id: UUID
    display_name: str
    school_id: UUID
    locale: str
    roles: list[str]


def me_of(actor: Actor) -> Me:
    """Say who `actor` is."""
    return Me(
        person_id=actor.person_id,
        display_name=actor.display_name,
        school_id=actor.school_id,
        locale=actor.locale,
        roles=sorted(actor.roles),
    )
