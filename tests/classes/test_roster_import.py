"""Importing is foreseen, whole, and the second time nothing."""

import base64
import os
from pathlib import Path

import pytest

from appliance.access.models import Actor
from appliance.accounts.queries import school as school_of_box
from appliance.accounts.roster_reading import read_files, read_text
from appliance.classes.queries import members
from appliance.classes.roster_export import oneroster_zip
from appliance.classes.roster_import import foresee_import, import_roster
from appliance.classes.roster_known import known_school
from appliance.classes.roster_models import OnlyAdminsImport, ProblemsLeft
from appliance.errors import NotFound
from tests.cast import NOW_MS

ROSTERS = (
    Path(os.environ.get("DARASA_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    / "roster"
    / "microsoft-sds"
)
real_rosters = pytest.mark.skipif(
    not ROSTERS.is_dir(), reason=f"no sample registers at {ROSTERS}; set DARASA_TEST_DATA"
)
FOLDERS = sorted({path.parent for path in ROSTERS.rglob("*.csv")})


def actor(school, person_id, *roles):
    return Actor(person_id, "somebody", school.school_id, "en", frozenset(roles))


@pytest.fixture
def keeper(school):
    return actor(school, school.keeper, "school_admin")


@pytest.fixture
def teacher(school):
    return actor(school, school.mr_otieno, "teacher")


@pytest.fixture
def bring(write, keeper):
    """Import as the keeper."""

    def bring(roster, chosen=None, *, who=keeper, skip_problems=False):
        return write(import_roster, who, roster, chosen, skip_problems=skip_problems, now_ms=NOW_MS)

    return bring


def pasted(text, *, chosen):
    return read_text(text, class_is_chosen=chosen)


def counted(report):
    return (report.people.created, report.people.updated, report.people.unchanged)


def folder_of(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_list_twice_changes_nothing_the_second_time(bring, school):
    roster = pasted("Amina Otieno\nNeema Juma\nNEEMA JUMA", chosen=True)
    assert counted(bring(roster, school.east)) == (2, 0, 1)
    again = bring(roster, school.east)
    assert counted(again) == (0, 0, 3)
    assert again.changes == 0


def test_what_is_foreseen_is_what_happens(bring, db, keeper, school):
    roster = pasted("Neema Juma, 6 East\nKwame, 7 North\nJomo Þórsson, 6 West", chosen=False)
    foreseen = foresee_import(db, keeper, roster, None, now_ms=NOW_MS)
    done = bring(roster)
    assert (foreseen.people, foreseen.classes, foreseen.places, foreseen.created) == (
        done.people,
        done.classes,
        done.places,
        done.created,
    )
    assert (foreseen.is_applied, done.is_applied) == (False, True)
    assert counted(done) == (2, 0, 1)
    assert (done.classes.created, done.classes.unchanged) == (1, 2)


def test_an_accent_left_out_finds_the_person_and_keeps_the_accent(bring, db, school):
    report = bring(pasted("jose alvarez-nunez", chosen=True), school.east)
    assert counted(report) == (0, 0, 1)
    assert "José Álvarez-Núñez" in [each.display_name for each in members(db, school.east)]


def test_a_namesake_in_another_class_is_new_and_shown(bring, school):
    report = bring(pasted("Amina Otieno, 6 West", chosen=False))
    assert counted(report) == (1, 0, 0)
    assert [(twin.place, twin.like) for twin in report.possible_duplicates] == [
        ("line 1", ["Amina Otieno (6 East)"])
    ]


def test_a_list_with_nonsense_in_it_is_kept_whole_or_not_at_all(bring, db, school):
    roster = pasted("Neema Juma\n1234", chosen=True)
    before = len(members(db, school.east))
    with pytest.raises(ProblemsLeft, match="line 2"):
        bring(roster, school.east)
    assert len(members(db, school.east)) == before
    report = bring(roster, school.east, skip_problems=True)
    assert counted(report) == (1, 0, 0)
    assert [line.place for line in report.problems] == ["line 2"]


def test_a_register_that_says_less_takes_nothing_away(bring, db, school):
    full = b"sourcedId,role,givenName,familyName,grades\nu1,student,Neema,Juma,6\n"
    less = b"sourcedId,role,username\nu1,student,njuma\n"
    bring(read_files({"users.csv": full}, class_is_chosen=False))
    assert bring(read_files({"users.csv": less}, class_is_chosen=False)).changes == 0
    renamed = full.replace(b"Juma", b"Mushi")
    report = bring(read_files({"users.csv": renamed}, class_is_chosen=False))
    assert counted(report) == (0, 1, 0)
    names = [person.display_name for person in known_school(db, school.school_id).people.values()]
    assert "Neema Mushi" in names
    assert "Neema Juma" not in names


def test_the_schools_own_export_changes_nothing_when_it_comes_back(bring, db, school):
    bring(pasted("Neema Juma\nNeema Juma", chosen=True), school.east)
    packed = oneroster_zip(school_of_box(db), known_school(db, school.school_id))
    report = bring(read_files({"roster.zip": packed}, class_is_chosen=False))
    assert report.changes == 0
    assert report.people.unchanged == 10
    assert report.problems == []


def test_an_export_is_the_same_bytes_for_the_same_school(db, school):
    def export():
        return oneroster_zip(school_of_box(db), known_school(db, school.school_id))

    assert export() == export()


@real_rosters
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROSTERS)))
def test_a_real_register_imports_twice_and_survives_its_own_export(bring, db, school, folder):
    roster = read_files(folder_of(folder), class_is_chosen=False)
    first = bring(roster)
    assert first.people.created == len(roster.people)
    assert first.places.created == len(roster.members)
    assert first.problems == []
    assert bring(roster).changes == 0
    packed = oneroster_zip(school_of_box(db), known_school(db, school.school_id))
    assert bring(read_files({"r.zip": packed}, class_is_chosen=False)).changes == 0


def test_a_teacher_brings_names_into_an_own_class(bring, teacher, school, db):
    report = bring(pasted("Neema Juma\nAmina Otieno", chosen=True), school.east, who=teacher)
    assert counted(report) == (1, 0, 1)
    assert "Neema Juma" in [each.display_name for each in members(db, school.east)]


@pytest.mark.parametrize(
    ("text", "chosen", "refusal"),
    [
        ("Neema Juma", "west", NotFound),
        ("Neema Juma", None, OnlyAdminsImport),
        ("Name,Class\nNeema Juma,6 West", "east", OnlyAdminsImport),
        ("Name,Id\nNeema Juma,u1", "east", OnlyAdminsImport),
    ],
)
def test_a_teacher_brings_nothing_into_other_classes(bring, teacher, school, text, chosen, refusal):
    chosen_id = getattr(school, chosen) if chosen else None
    roster = read_files({"list.csv": text.encode()}, class_is_chosen=True)
    with pytest.raises(refusal):
        bring(roster, chosen_id, who=teacher)


def encoded(files):
    return [
        {"name": name, "content": base64.b64encode(data).decode()} for name, data in files.items()
    ]


def test_importing_over_http_is_all_or_nothing(as_, school):
    client = as_("keeper")
    body = {"text": "Neema Juma\n1234", "class_group_id": str(school.east)}
    foreseen = client.post("/api/v1/people/import/preview", json=body)
    assert foreseen.json()["problems"] == [{"place": "line 2", "message": "'1234' is not a name"}]
    refused = client.post("/api/v1/people/import", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "problems-left")
    done = client.post("/api/v1/people/import", json=body | {"skip_problems": True})
    assert done.json()["people"]["created"] == 1
    exported = client.get("/api/v1/people/export")
    assert exported.headers["content-type"] == "application/zip"
    again = client.post(
        "/api/v1/people/import", json={"files": encoded({"r.zip": exported.content})}
    )
    assert again.json()["people"] == {"created": 0, "updated": 0, "unchanged": 9}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"text": " "}, 400, "invalid"),
        ({"text": "Amina", "files": encoded({"a.csv": b"Amina"})}, 400, "invalid"),
        ({"files": [{"name": "a.csv", "content": "no base64!"}]}, 400, "invalid"),
        ({"files": encoded({"a.csv": b"Name\n\x00"})}, 400, "roster-refused"),
        ({"files": encoded({"a.zip": b"PK\x03\x04 broken"})}, 400, "broken-archive"),
        ({"text": "Amina\0"}, 400, "roster-refused"),
        ({"text": "Amina", "class_group_id": "east"}, 400, "invalid"),
        ({"text": "x" * 500_001}, 400, "invalid"),
    ],
)
def test_an_import_that_cannot_be_read_is_refused_in_plain_words(as_, body, status, code):
    answer = as_("keeper").post("/api/v1/people/import", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["hint"]


def test_a_body_past_the_bound_is_refused_before_it_is_read(as_):
    body = b'{"text": "' + b"x" * (9 << 20) + b'"}'
    answer = as_("keeper").post(
        "/api/v1/people/import", content=body, headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
