"""Registers as schools really have them, and as they should never be."""

import io
import zipfile

import pytest

from appliance.accounts.roster import PEOPLE_MAX, RosterRefused
from appliance.accounts.roster_reading import FILES_MAX, read_files, read_text
from appliance.archives import BrokenArchive
from appliance.errors import TooLarge


def names(roster):
    return [person.display_name for person in roster.people]


def places(roster):
    classes = {group.key: group.name for group in roster.classes}
    people = {person.key: person.display_name for person in roster.people}
    return {
        (people[each.person_key], classes[each.class_key], each.role) for each in roster.members
    }


def csv(text, name="list.csv", encoding="utf-8"):
    return {name: text.encode(encoding)}


@pytest.mark.parametrize(
    ("pasted", "expected"),
    [
        ("Amina Otieno\nJosé Álvarez-Núñez", ["Amina Otieno", "José Álvarez-Núñez"]),
        (
            "1. Amina Otieno\n2) نور الهدى\n 3 - Nguyễn Thị Ánh",
            ["Amina Otieno", "نور الهدى", "Nguyễn Thị Ánh"],
        ),
        ("- Amina\n* Baraka\n• Þórdís", ["Amina", "Baraka", "Þórdís"]),
        ("\n  Amina   Otieno \r\n\r\nBaraka\t Mushi", ["Amina Otieno", "Baraka Mushi"]),
        ("Otieno, Amina", ["Otieno, Amina"]),
        ("Jose\u0301", ["José"]),
        ("Ami\u202ena", ["Ami na"]),
        ("Muhammad IV.\nO'Brien", ["Muhammad IV.", "O'Brien"]),
    ],
)
def test_a_pasted_class_list_gives_its_names(pasted, expected):
    assert names(read_text(pasted, class_is_chosen=True)) == expected


@pytest.mark.parametrize("between", [",", ";", "\t", " , "])
def test_name_and_class_may_stand_in_two_columns(between):
    roster = read_text(f"Amina Otieno{between}6 East\nJomo{between}6 WEST", class_is_chosen=False)
    assert places(roster) == {
        ("Amina Otieno", "6 East", "learner"),
        ("Jomo", "6 WEST", "learner"),
    }


def test_a_first_column_that_only_counts_is_no_name():
    assert names(read_text("1,Amina,6 East\n2,Jomo,6 West", class_is_chosen=False)) == [
        "Amina",
        "Jomo",
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize(
    "header",
    [
        ("Given Name", "Family Name", "Class"),
        ("first_name", "SURNAME", "Form"),
        ("Prénom", "Nom", "Classe"),
    ],
)
def test_a_spreadsheet_is_read_whatever_wrote_it(encoding, between, header):
    text = "\r\n".join(
        between.join(row) for row in (header, ("René", "Dupont", "6A"), ("Zoë", "N’Diaye", "6A"))
    )
    roster = read_files(csv(text, encoding=encoding), class_is_chosen=False)
    assert names(roster) == ["René Dupont", "Zoë N’Diaye"]
    assert [person.family_name for person in roster.people] == ["Dupont", "N’Diaye"]
    assert [group.name for group in roster.classes] == ["6A"]
    assert bool(roster.notes) is (encoding == "cp1252")


def test_quotes_and_unused_columns_are_understood():
    text = 'Name,Shoe size,Admission No\n"Otieno, Amina",36,A-17\n"O""Neil, Pat",41,\n'
    roster = read_files(csv(text), class_is_chosen=False)
    assert names(roster) == ["Otieno, Amina", 'O"Neil, Pat']
    assert [person.student_no for person in roster.people] == ["A-17", None]
    assert roster.notes == ["Columns that are not used: Shoe size"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1234", "'1234' is not a name"),
        ("x" * 201, "201 characters"),
        ("Amina," + "y" * 101, "class name is 101"),
        ("---", "is not a name"),
    ],
)
def test_a_line_that_makes_no_sense_is_told_with_its_number(line, message):
    roster = read_text(f"Baraka\n\n{line}", class_is_chosen=False)
    assert names(roster) == ["Baraka"]
    assert [(problem.place.line, message in problem.message) for problem in roster.problems] == [
        (3, True)
    ]


ONEROSTER = {
    "users.csv": (
        "sourcedId,status,role,givenName,familyName,middleName,grades,identifier\n"
        "u1,,student,Amina,Otieno,Njeri,6,A-17\n"
        "u2,active,student,José,Álvarez,,6,\n"
        "u3,tobedeleted,student,Gone,Girl,,6,\n"
        "u4,,guardian,Mama,Amina,,,\n"
        "t1,,teacher,Otieno,wa Kamau,,,\n"
    ),
    "classes.csv": "sourcedId,title,grades\nc1,6 East,6\n",
    "enrollments.csv": (
        "sourcedId,classSourcedId,userSourcedId,role\n"
        "e1,c1,u1,student\ne2,c1,u2,student\ne3,c1,u3,student\ne4,c1,t1,teacher\n"
    ),
    "orgs.csv": "sourcedId,name,type\no1,Shule,school\n",
}


def zipped(files, *, folder=""):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(folder + name, text)
    return packed.getvalue()


@pytest.mark.parametrize("shape", ["files", "zip", "zip with a folder"])
def test_oneroster_1_1_is_read_as_files_or_zip(shape):
    files = {name: text.encode() for name, text in ONEROSTER.items()}
    if shape != "files":
        files = {"r.zip": zipped(ONEROSTER, folder="term 1/" if "folder" in shape else "")}
    roster = read_files(files, class_is_chosen=False)
    assert names(roster) == ["Amina Njeri Otieno", "José Álvarez", "Otieno wa Kamau"]
    assert places(roster) == {
        ("Amina Njeri Otieno", "6 East", "learner"),
        ("José Álvarez", "6 East", "learner"),
        ("Otieno wa Kamau", "6 East", "teacher"),
    }
    assert any("guardian" in note for note in roster.notes)
    assert roster.problems == []


def test_oneroster_1_2_keeps_roles_in_a_file_of_their_own():
    files = ONEROSTER | {
        "users.csv": (
            "sourcedId,givenName,familyName\nu1,Amina,Otieno\nt1,Otieno,wa Kamau\np1,Mama,Amina\n"
        ),
        "roles.csv": (
            "sourcedId,userSourcedId,role\n"
            "r1,u1,student\nr2,t1,student\nr3,t1,teacher\nr4,p1,parent\n"
        ),
        "enrollments.csv": "classSourcedId,userSourcedId,role\nc1,u1,student\nc1,t1,teacher\n",
    }
    roster = read_files(
        {name: text.encode() for name, text in files.items()}, class_is_chosen=False
    )
    assert [(person.display_name, person.role) for person in roster.people] == [
        ("Amina Otieno", "learner"),
        ("Otieno wa Kamau", "teacher"),
    ]


def test_lines_that_point_nowhere_and_ids_used_twice_are_told():
    files = ONEROSTER | {
        "users.csv": (
            "sourcedId,role,givenName,familyName\n"
            "u1,student,Amina,Otieno\nu1,student,Jomo,Kamau\n,student,No,Id\nu5,student,,\n"
        ),
        "enrollments.csv": "classSourcedId,userSourcedId,role\nc9,u1,student\nc1,u1,student\n",
    }
    roster = read_files(
        {name: text.encode() for name, text in files.items()}, class_is_chosen=False
    )
    assert names(roster) == ["Amina Otieno"]
    assert [str(problem.place) for problem in roster.problems] == [
        "users.csv, line 3",
        "users.csv, line 4",
        "users.csv, line 5",
        "enrollments.csv, line 2",
    ]
    assert len(roster.members) == 1


@pytest.mark.parametrize(
    ("files", "refusal", "words"),
    [
        (csv("Name\nAmi\0na"), RosterRefused, "not a text file"),
        ({"x.csv": b"Name\nAmina \x81"}, RosterRefused, "broken text in line 2"),
        ({"x.csv": b"\xff\xfeA\x00\x00\xd8"}, RosterRefused, "broken utf-16"),
        ({"x.csv": b"\x89PNG\r\n\x1a\n\x00\x00"}, RosterRefused, "not a text file"),
        (csv('Name\n"Amina'), RosterRefused, "line 2"),
        (csv('Name\n"Amina" Otieno"x'), RosterRefused, "line 2"),
        (csv(""), RosterRefused, "nobody"),
        (csv("\n\n  \n"), RosterRefused, "nobody"),
        (csv("Name\n"), RosterRefused, "nobody"),
        (csv("Name\n1234"), RosterRefused, "nobody"),
        ({"a.csv": b"Name\nA", "b.csv": b"Name\nB"}, RosterRefused, "users.csv"),
        ({"book.xlsx": zipped({"[Content_Types].xml": "<x/>"})}, RosterRefused, "save it as CSV"),
        ({"r.zip": zipped({})}, RosterRefused, "register"),
        ({"r.zip": zipped(ONEROSTER)[:200]}, BrokenArchive, "zip"),
        ({"r.zip": zipped({"../users.csv": "x"})}, BrokenArchive, "leads out"),
        ({"r.zip": zipped({"/users.csv": "x"})}, BrokenArchive, "leads out"),
        ({"r.zip": zipped({f"{n}.csv": "x" for n in range(FILES_MAX + 1)})}, TooLarge, "41 files"),
        ({"r.zip": zipped({"users.csv": "x" * (33 << 20)})}, TooLarge, "unpacked"),
        ({"a/users.csv": b"x", "b/users.csv": b"x"}, RosterRefused, "two files users.csv"),
        (csv("\n".join(f"Pupil {n} x" for n in range(PEOPLE_MAX + 1))), TooLarge, "5000"),
    ],
    ids=range(20),
)
def test_what_is_no_register_is_refused_in_plain_words(files, refusal, words):
    with pytest.raises(refusal, match=words):
        read_files(files, class_is_chosen=False)


def test_a_zip_inside_a_zip_is_not_opened():
    inner = zipped(ONEROSTER)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("users.csv", inner)
    with pytest.raises(RosterRefused, match="inside a zip"):
        read_files({"r.zip": packed.getvalue()}, class_is_chosen=False)
