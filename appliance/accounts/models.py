"""People at the border: what a claim and a new person bring, what a list shows."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from appliance.access.models import NewPassword, SignInName

# No NUL: PostgreSQL's text cannot hold it, and a row the hub refuses is a row not safe.
Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
Locale = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$", description="e.g. sw-TZ")]
# new: nobody's; asked: a district was asked for a lost box's school; pulling: the school
# is coming back; take-over: it is here and needs somebody with a password; claimed.
ClaimState = Literal["new", "asked", "pulling", "take-over", "claimed"]
StaffRole = Literal["teacher", "school_admin"]


class Claim(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The first person turns the box into a school."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]
    school_name: Name
    locale: Locale = "en"
    admin_name: Name
    sign_in_name: SignInName
    password: NewPassword


class Replacement(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """This board takes the place of a lost one; the district holds the school's data."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]
    hub_url: Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=500)]
    token: Annotated[str, Meta(min_length=8, max_length=200)]


class Takeover(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An administrator of the school that came back gives herself a password here."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]
    person_id: UUID
    sign_in_name: SignInName
    password: NewPassword


class Claimed(Struct, frozen=True, kw_only=True):
    """The new school. `recovery_code` is shown this once and stored nowhere."""

    school_id: UUID
    node_id: UUID
    person_id: UUID
    recovery_code: str


class RecoveryCode(Struct, frozen=True):
    """Shown this once; it opens the sealed keys of this board."""

    recovery_code: str


class ClaimProgress(Struct, frozen=True):
    """How far the box is, and who may take it over."""

    state: ClaimState
    school_name: str | None
    admins: list["NamedPerson"]
    changes_fetched: int = 0


class NewPerson(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A pupil, or a member of staff when a role and a password come along."""

    display_name: Name
    id: UUID | None = None
    class_group_id: UUID | None = None
    roles: list[StaffRole] = []
    sign_in_name: SignInName | None = None
    password: NewPassword | None = None

    def __post_init__(self) -> None:
        """Staff sign in by password, pupils never."""
        has_password = self.sign_in_name is not None and self.password is not None
        has_any = self.sign_in_name is not None or self.password is not None
        if bool(self.roles) != has_password or bool(self.roles) != has_any:
            raise ValueError("staff need roles, sign_in_name and password; pupils none of them")


class Person(Struct, frozen=True):
    """One line of the school's list of people."""

    id: UUID
    display_name: str
    state: str
    roles: str
    has_pin: bool
    is_locked: bool
    version: int
    is_districts: bool


class NamedPerson(Struct, frozen=True):
    """A name to tap."""

    id: UUID
    display_name: str


class NewPin(Struct, frozen=True):
    """A PIN in the clear, shown this once."""

    person_id: UUID
    display_name: str
    pin: str
