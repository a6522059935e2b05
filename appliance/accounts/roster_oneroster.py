"""Registers of several files: OneRoster 1.1 and 1.2, and their Microsoft relatives.

    users.csv, classes.csv, enrollments.csv, roles.csv      OneRoster; roles.csv from 1.2 on
    Student.csv, Teacher.csv, Section.csv,
    StudentEnrollment.csv, TeacherRoster.csv                School Data Sync, classic and UK

They say the same things under other names, so each is a table of which column means
what. Guardians and other people who neither learn nor teach stay out.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from appliance.accounts.roster import (
    Place,
    Roster,
    RosterClass,
    RosterMember,
    RosterPerson,
    RosterRefused,
    RosterRole,
    fault_of_class,
    fault_of_name,
    tidy,
)
from appliance.accounts.roster_tables import decode, header_key, rows_of

PEOPLE_FILES: Final = {"users": None, "student": "learner", "teacher": "teacher"}
CLASS_FILES: Final = ("classes", "section")
MEMBER_FILES: Final = {
    "enrollments": None,
    "studentenrollment": "learner",
    "teacherroster": "teacher",
}
ROLES_FILE: Final = "roles"
UNUSED_ON_PURPOSE: Final = frozenset({"manifest", "orgs", "school"})

# The first of these columns that the file has.
PERSON_ID: Final = ("sourcedid", "sisid", "id")
CLASS_ID: Final = ("sourcedid", "sisid", "id")
CLASS_NAME: Final = ("title", "sectionname", "name")
MEMBER_CLASS: Final = ("classsourcedid", "sectionsisid", "sectionid")
MEMBER_PERSON: Final = ("usersourcedid", "sisid", "id")
GIVEN: Final = ("givenname", "firstname")
MIDDLE: Final = ("middlename",)
FAMILY: Final = ("familyname", "lastname")
WHOLE: Final = ("metadatadisplayname",)  # only our own export has it
GRADE: Final = ("grades", "grade")
STUDENT_NO: Final = ("identifier", "studentnumber")

LEARNERS: Final = frozenset({"student", "learner"})
TEACHERS: Final = frozenset(
    {"teacher", "professor", "lecturer", "faculty", "instructor", "adjunct", "primary"}
)


class Record(Struct, frozen=True):
    """One line of one file."""

    place: Place
    cells: dict[str, str]

    def get(self, names: tuple[str, ...]) -> str:
        """Return the first of `names` that the file has and the line fills."""
        return next((self.cells[name] for name in names if self.cells.get(name)), "")


class Reading(Struct):
    """What is known while the files are read one after the other."""

    roster: Roster
    people: dict[str, RosterPerson]
    classes: dict[str, RosterClass]
    roles: dict[str, RosterRole]
    left_out: Counter[str]


def is_oneroster(files: dict[str, bytes]) -> bool:
    """Whether these files are a register of people in files of their own."""
    return any(stem in PEOPLE_FILES for stem in map(stem_of, files))


def read_oneroster(files: dict[str, bytes]) -> Roster:
    """Read people, then classes, then who is in which. Raises RosterRefused."""
    roster = Roster()
    tables = _tables(files, roster)
    reading = Reading(roster, {}, {}, _roles(tables), Counter())
    for stem, role in PEOPLE_FILES.items():
        for record in tables.get(stem, ()):
            _take_person(reading, record, role)
    for stem in CLASS_FILES:
        for record in tables.get(stem, ()):
            _take_class(reading, record)
    for stem, role in MEMBER_FILES.items():
        for record in tables.get(stem, ()):
            _take_member(reading, record, role)
    for what, count in sorted(reading.left_out.items()):
        roster.notes.append(f"{count} left out: {what}")
    return roster


def stem_of(path: str) -> str:
    """`Year 9/Users.CSV` is `users`; anything but a CSV file is nothing."""
    name = path.rpartition("/")[2].casefold()
    return name.removesuffix(".csv") if name.endswith(".csv") else ""


def _tables(files: dict[str, bytes], roster: Roster) -> dict[str, list[Record]]:
    wanted = {*PEOPLE_FILES, *CLASS_FILES, *MEMBER_FILES, ROLES_FILE}
    tables: dict[str, list[Record]] = {}
    for path, data in sorted(files.items()):
        stem = stem_of(path)
        if stem in tables:
            raise RosterRefused(f"there are two files {stem}.csv")
        if stem in wanted:
            decoded = decode(path, data)
            roster.notes += [decoded.note] if decoded.note else []
            tables[stem] = list(_records(path, decoded.text))
        elif stem not in UNUSED_ON_PURPOSE:
            roster.notes.append(f"{path} is not used")
    return tables


def _records(path: str, text: str) -> Iterator[Record]:
    header: list[str] | None = None
    for row in rows_of(path, text):
        if header is None:
            header = [header_key(cell) for cell in row.cells]
        else:
            pairs = zip(header, map(tidy, row.cells), strict=False)
            yield Record(row.place, dict(pairs))


def _roles(tables: dict[str, list[Record]]) -> dict[str, RosterRole]:
    """What roles.csv says (OneRoster 1.2); who both learns and teaches is a teacher."""
    roles: dict[str, RosterRole] = {}
    for record in tables.get(ROLES_FILE, ()):
        role = _role(record.get(("role",)))
        person = record.get(MEMBER_PERSON)
        if role is not None and roles.get(person) != "teacher":
            roles[person] = role
    return roles


def _role(word: str) -> RosterRole | None:
    said = word.casefold()
    if said in LEARNERS:
        return "learner"
    return "teacher" if said in TEACHERS else None


def _take_person(reading: Reading, record: Record, role: str | None) -> None:
    source_id = record.get(PERSON_ID)
    said = record.get(("role",))
    found = _role(role or said) or reading.roles.get(source_id)
    if _is_gone(record):
        reading.left_out["people who left the school"] += 1
    elif found is None:
        reading.left_out[f"people whose role is {said or 'not said'}"] += 1
    else:
        _take_known_person(reading, record, source_id, found)


def _take_known_person(reading: Reading, record: Record, source_id: str, role: RosterRole) -> None:
    given = " ".join(filter(None, (record.get(GIVEN), record.get(MIDDLE))))
    family = record.get(FAMILY)
    known_name = record.get(WHOLE) or f"{given} {family}".strip()
    name = known_name or record.get(("username",))
    fault = fault_of_name(name) or ("" if source_id else "there is no id")
    if fault:
        reading.roster.refuse(record.place, fault)
        return
    is_split = bool(given and family)
    person = RosterPerson(
        place=record.place,
        key=source_id,
        role=role,
        display_name=name,
        is_name_known=bool(known_name),
        given_name=given if is_split else None,
        family_name=family if is_split else None,
        grade_level=record.get(GRADE) or None,
        student_no=record.get(STUDENT_NO) or None,
        source_id=source_id,
    )
    reading.roster.add_person(person, reading.people)


def _take_class(reading: Reading, record: Record) -> None:
    source_id, name = record.get(CLASS_ID), record.get(CLASS_NAME)
    if _is_gone(record):
        reading.left_out["classes that ended"] += 1
        return
    fault = fault_of_class(name) or ("" if source_id else "there is no id")
    if fault:
        reading.roster.refuse(record.place, fault)
        return
    group = RosterClass(
        place=record.place,
        key=source_id,
        name=name,
        grade_level=record.get(GRADE) or None,
        source_id=source_id,
    )
    reading.roster.add_class(group, reading.classes)


def _take_member(reading: Reading, record: Record, role: str | None) -> None:
    class_id, person_id = record.get(MEMBER_CLASS), record.get(MEMBER_PERSON)
    found = _role(role or record.get(("role",)))
    if _is_gone(record):
        reading.left_out["places in classes that ended"] += 1
    elif class_id not in reading.classes:
        reading.roster.refuse(record.place, f"there is no class with the id {class_id!r}")
    elif found is None or person_id not in reading.people:
        reading.left_out["places in classes of people who are left out"] += 1
    else:
        member = RosterMember(record.place, class_id, person_id, found)
        reading.roster.members.append(member)


def _is_gone(record: Record) -> bool:
    return record.get(("status",)).casefold() in {"tobedeleted", "inactive"}
