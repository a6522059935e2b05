"""What a register says, whichever file it came from: people, classes, who is in which.

Reading is pure: bytes in, a Roster out, nothing written. A line that makes no sense is a
Problem with its number; a file that makes no sense is refused whole (Invalid).
"""

import re
import unicodedata
from typing import Final, Literal

from msgspec import Struct, field

from appliance.errors import FieldError, Invalid, TooLarge

PEOPLE_MAX: Final = 5_000  # one transaction of about half a second; larger schools send two
NAME_LENGTH_MAX: Final = 200
CLASS_LENGTH_MAX: Final = 100
SOURCE_LENGTH_MAX: Final = 200

# Characters that reorder or hide the text around them. ZWJ and ZWNJ stay: Persian and
# many Indic names need them.
INVISIBLE: Final = re.compile("[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200b\ufeff]+")

RosterRole = Literal["learner", "teacher"]


class RosterRefused(Invalid):
    """The register cannot be read at all."""

    code = "roster-refused"
    title = "This list could not be read"
    hint = "Correct the file and send it again. Nothing was changed."


class Place(Struct, frozen=True):
    """Where something stands, as a person finds it."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" if self.file else f"line {self.line}"


class RosterPerson(Struct, frozen=True, kw_only=True):
    """A person of the register; None means that the register does not say."""

    place: Place
    key: str
    role: RosterRole
    display_name: str
    is_name_known: bool = True  # False: the file has user names only
    given_name: str | None = None
    family_name: str | None = None
    grade_level: str | None = None
    student_no: str | None = None
    source_id: str | None = None


class RosterClass(Struct, frozen=True, kw_only=True):
    """A class of the register."""

    place: Place
    key: str
    name: str
    grade_level: str | None = None
    source_id: str | None = None


class RosterMember(Struct, frozen=True):
    """Somebody learns in, or teaches, a class."""

    place: Place
    class_key: str
    person_key: str
    role: RosterRole


class Problem(Struct, frozen=True):
    """A line that is left out, and why."""

    place: Place
    message: str


class Roster(Struct):
    """All of it, in the order of the files. `notes` say what was assumed or not used."""

    people: list[RosterPerson] = field(default_factory=list)
    classes: list[RosterClass] = field(default_factory=list)
    members: list[RosterMember] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_person(self, person: RosterPerson, known: dict[str, RosterPerson]) -> bool:
        """Take a person in once; the same key for somebody else is a problem, and False."""
        first = known.setdefault(person.key, person)
        if first is person:
            self.people.append(person)
        elif (first.display_name, first.role) != (person.display_name, person.role):
            message = f"the id {person.key} already stands for {first.display_name} ({first.place})"
            self.problems.append(Problem(person.place, message))
            return False
        return True

    def add_class(self, group: RosterClass, known: dict[str, RosterClass]) -> None:
        """Take a class in once."""
        if known.setdefault(group.key, group) is group:
            self.classes.append(group)

    def refuse(self, place: Place, message: str) -> None:
        """Leave a line out."""
        self.problems.append(Problem(place, message))


def require_useful(roster: Roster) -> Roster:
    """Raises RosterRefused when nobody is in it, TooLarge when too many are."""
    if len(roster.people) > PEOPLE_MAX:
        raise TooLarge(f"the list has {len(roster.people)} people; {PEOPLE_MAX} fit in one import")
    if not roster.people:
        errors = [FieldError(str(each.place), each.message) for each in roster.problems[:20]]
        raise RosterRefused("there is nobody in this list", errors)
    return roster


def tidy(text: str) -> str:
    """One line, composed, single blanks, nothing invisible."""
    plain = INVISIBLE.sub(" ", text)
    return unicodedata.normalize("NFC", " ".join(plain.split()))


def fault_of_name(name: str) -> str | None:
    """Say what is wrong with a person's name, or None."""
    if not name:
        return "there is no name"
    if len(name) > NAME_LENGTH_MAX:
        return f"the name is {len(name)} characters long; {NAME_LENGTH_MAX} are allowed"
    if not any(letter.isalpha() for letter in name):
        return f"{name!r} is not a name"
    return None


def fault_of_class(name: str) -> str | None:
    """Say what is wrong with a class's name, or None."""
    if not name:
        return "the class has no name"
    if len(name) > CLASS_LENGTH_MAX:
        return f"the class name is {len(name)} characters long; {CLASS_LENGTH_MAX} are allowed"
    return None
