"""A register at the border: what comes in, what would change, what did."""

from typing import Annotated, Final
from uuid import UUID

from msgspec import Meta, Struct

from appliance.errors import Forbidden, RuleViolation

TEXT_LENGTH_MAX: Final = 500_000
UPLOADS_MAX: Final = 40
UPLOAD_BYTES_MAX: Final = 8 << 20  # base64 in JSON or a form; a register zips to 300 KB


class OnlyAdminsImport(Forbidden):
    """A teacher without the administrator's role sends more than a class list."""

    code = "only-admins-import"
    title = "Only an administrator imports a whole register"
    hint = "Choose one of your classes and paste its names, one on each line."


class ProblemsLeft(RuleViolation):
    """Some lines make no sense, and nobody has said to leave them out."""

    code = "problems-left"
    title = "Some lines were not understood"
    hint = "Look at the preview. Correct the lines, or say that they may be left out."


class Upload(Struct, frozen=True, forbid_unknown_fields=True):
    """A file; `content` is base64 in JSON."""

    name: Annotated[str, Meta(min_length=1, max_length=300)]
    content: bytes


class RosterUpload(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A pasted list or files. `class_group_id` takes in whoever has no class in the list."""

    text: Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)] | None = None
    files: Annotated[list[Upload], Meta(max_length=UPLOADS_MAX)] = []
    class_group_id: UUID | None = None
    skip_problems: bool = False

    def __post_init__(self) -> None:
        """Refuse nothing at all, and both at once."""
        if bool(self.text and self.text.strip()) == bool(self.files):
            raise ValueError("send either text or files")


class Counts(Struct):
    """How many of a kind."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def changes(self) -> int:
        """Whatever is not as it was."""
        return self.created + self.updated


class Line(Struct, frozen=True):
    """Where it stands and what it says."""

    place: str
    message: str


class Twin(Struct, frozen=True):
    """A new name that somebody has already."""

    place: str
    display_name: str
    like: list[str]


class ImportReport(Struct, frozen=True, kw_only=True):
    """What an import changes, or has changed. It never takes anybody out of a class."""

    is_applied: bool
    people: Counts
    classes: Counts
    places: Counts
    created: list[str]
    updated: list[str]
    possible_duplicates: list[Twin]
    problems: list[Line]
    notes: list[str]

    @property
    def changes(self) -> int:
        """0 when the school is already as the register says."""
        return self.people.changes + self.classes.changes + self.places.changes
