"""A list of names, pasted or from a simple spreadsheet.

Amina Otieno                     one name a line; numbers and bullets in front are dropped
Amina Otieno, 6 East             name and class
Given name;Family name;Class     any spreadsheet whose first line names its columns
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from appliance.accounts.names import name_key
from appliance.accounts.roster import (
    Place,
    Roster,
    RosterClass,
    RosterMember,
    RosterPerson,
    fault_of_class,
    fault_of_name,
    tidy,
)
from appliance.accounts.roster_tables import Row, header_key, rows_of

COLUMNS: Final = {
    "display_name": {"name", "fullname", "displayname", "studentname", "pupil", "pupilname",
                     "learner", "learnername", "student", "jina", "nomcomplet", "الاسم"},
    "given_name": {"givenname", "firstname", "forename", "prénom", "prenom", "jinalakwanza"},
    "middle_name": {"middlename", "middlenames"},
    "family_name": {"familyname", "lastname", "surname", "nom", "secondname", "jinalaukoo"},
    "class_name": {"class", "classname", "form", "section", "sectionname", "stream", "group",
                   "classe", "darasa", "الصف"},
    "grade_level": {"grade", "gradelevel", "grades", "year", "yeargroup"},
    "student_no": {"studentnumber", "studentno", "admissionnumber", "admissionno", "admno",
                   "admission", "indexnumber", "identifier"},
    "source_id": {"sourcedid", "sourceid", "sisid", "id", "upi"},
}  # fmt: skip
COLUMN_OF: Final = {header_key(word): column for column, words in COLUMNS.items() for word in words}
NAME_COLUMNS: Final = {"display_name", "given_name", "family_name"}
IN_FRONT: Final = re.compile(r"^\s*(?:\d{1,4}\s*[.):\-]\s*|[-*\u2022\u2013]\s+)")


class Line(Struct, frozen=True):
    """One line, its cells by what they mean."""

    place: Place
    cells: dict[str, str]


def read_list(name: str, text: str, *, class_is_chosen: bool) -> Roster:
    """Read a list. With the class chosen beforehand a line without header is one name."""
    roster = Roster()
    rows = list(rows_of(name, text))
    header = [COLUMN_OF.get(header_key(cell)) for cell in rows[0].cells] if rows else []
    if NAME_COLUMNS.isdisjoint(column for column in header if column):
        lines = _plain_lines(rows, text, class_is_chosen)
    else:
        lines = _headed_lines(rows, header)
        unused = [cell for cell, column in zip(rows[0].cells, header, strict=True) if not column]
        if unused:
            roster.notes.append(f"Columns that are not used: {', '.join(map(tidy, unused))}")
    known: dict[str, RosterPerson] = {}
    classes: dict[str, RosterClass] = {}
    for line in lines:
        _take(roster, line, known, classes)
    return roster


def _plain_lines(rows: list[Row], text: str, class_is_chosen: bool) -> Iterator[Line]:  # noqa: FBT001
    if class_is_chosen:  # "Otieno, Amina" is a name then, not a name and a class
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield Line(Place("", number), {"display_name": IN_FRONT.sub("", line)})
        return
    for row in rows:
        cells = [cell for cell in row.cells if cell.strip()]
        if len(cells) > 1 and cells[0].strip().rstrip(".)").isdecimal():
            cells = cells[1:]  # the first column only counts the lines
        class_name = cells[1] if len(cells) > 1 else ""
        yield Line(
            row.place, {"display_name": IN_FRONT.sub("", cells[0]), "class_name": class_name}
        )


def _headed_lines(rows: list[Row], header: list[str | None]) -> Iterator[Line]:
    for row in rows[1:]:
        cells = {column: cell for column, cell in zip(header, row.cells, strict=False) if column}
        yield Line(row.place, cells)


def _take(
    roster: Roster,
    line: Line,
    known: dict[str, RosterPerson],
    classes: dict[str, RosterClass],
) -> None:
    person = _person(line)
    class_name = tidy(line.cells.get("class_name", ""))
    fault = fault_of_name(person.display_name) or (fault_of_class(class_name) if class_name else "")
    if fault:
        roster.refuse(line.place, fault)
        return
    if roster.add_person(person, known) and class_name:
        group = RosterClass(place=line.place, key=name_key(class_name), name=class_name)
        roster.add_class(group, classes)
        roster.members.append(RosterMember(line.place, group.key, person.key, "learner"))


def _person(line: Line) -> RosterPerson:
    cells = {column: tidy(cell) for column, cell in line.cells.items()}
    given = " ".join(filter(None, (cells.get("given_name"), cells.get("middle_name"))))
    family = cells.get("family_name", "")
    whole = cells.get("display_name") or f"{given} {family}".strip()
    is_split = bool(given and family)
    return RosterPerson(
        place=line.place,
        key=cells.get("source_id") or f"line {line.place.line}",
        role="learner",
        display_name=whole,
        given_name=given if is_split else None,
        family_name=family if is_split else None,
        grade_level=cells.get("grade_level") or None,
        student_no=cells.get("student_no") or None,
        source_id=cells.get("source_id") or None,
    )
