"""Giving a class a course; newcomers get their place; outsiders see nothing."""

import pytest

from appliance.enrolments.commands import enrol_class, enrol_person, start_run
from appliance.enrolments.models import NewRun
from appliance.enrolments.queries import (
    members,
    own_enrolment,
    own_runs,
    run_of,
    taught_classes,
    taught_runs,
    teaches_run,
)
from appliance.errors import Conflict, NotFound
from tests.box import sign_in
from tests.cast import NOW_MS, new_id
from tests.lessons import reads_rain

JOIN = """
INSERT INTO class_member (id, class_group_id, person_id, version, updated_at_ms)
VALUES (?1, ?2, ?3, 1, 0)
"""
LEAVE = """
UPDATE class_member
   SET deleted_at_ms = 1, version = version + 1
 WHERE class_group_id = ?1 AND person_id = ?2
"""


@pytest.fixture
def reading(writer, school):
    return reads_rain(writer, school)


@pytest.fixture
def start(write, school):
    def start(teacher, class_group_id, version_id, run_id=None):
        wanted = NewRun(class_group_id=class_group_id, course_version_id=version_id, id=run_id)
        return write(start_run, school.school_id, teacher, wanted, now_ms=NOW_MS)

    return start


def titles(db, person_id):
    return [run.title for run in own_runs(db, person_id)]


def test_every_pupil_of_the_class_is_in_and_nobody_else(reading, db, school):
    names = [member.display_name for member in members(db, reading.run_id)]
    assert sorted(names) == ["Amina Otieno", "José Álvarez-Núñez", "Nguyễn Thị Ánh", "نور الهدى"]
    assert "Rain" in titles(db, school.amina)
    assert "Rain" not in titles(db, school.jomo)


def test_giving_the_same_course_twice_is_one_run_with_one_place_a_pupil(reading, start, db, school):
    again = start(school.mr_otieno, school.east, reading.course_version_id, new_id())
    assert again.id == reading.run_id
    by_a_colleague = start(school.ms_wanjiru, school.east, reading.course_version_id)
    assert by_a_colleague.id == reading.run_id
    assert len(members(db, reading.run_id)) == 4


def test_the_client_may_name_the_run_and_repeat_it(reading, start, school):
    run_id = new_id()
    first = start(school.baraka, school.west, reading.course_version_id, run_id)
    assert first.id == run_id
    assert start(school.baraka, school.west, reading.course_version_id, run_id) == first


def test_an_id_that_is_another_run_is_refused(reading, start, school):
    with pytest.raises(Conflict):
        start(school.baraka, school.west, reading.course_version_id, reading.run_id)


@pytest.mark.parametrize("teacher", ["baraka", "amina", "keeper"])
def test_only_the_teacher_of_a_class_gives_it_a_course(reading, start, school, teacher):
    with pytest.raises(NotFound):
        start(getattr(school, teacher), school.east, reading.course_version_id)


def test_a_version_that_does_not_exist_is_not_given(start, school):
    with pytest.raises(NotFound):
        start(school.mr_otieno, school.east, new_id())


def test_a_newcomer_gets_a_place_once(reading, write, db, school):
    write(lambda tx: tx.run(JOIN, (new_id(), school.east, school.jomo)))
    assert own_enrolment(db, reading.run_id, school.jomo) is None
    assert write(enrol_person, school.jomo, now_ms=NOW_MS) == 2  # rain, and the cast's water
    assert write(enrol_person, school.jomo, now_ms=NOW_MS) == 0
    assert write(enrol_class, reading.run_id, now_ms=NOW_MS) == 0
    assert "Rain" in titles(db, school.jomo)


def test_a_pupil_who_leaves_the_class_sees_the_course_no_more_and_loses_nothing(
    reading, write, db, school
):
    write(lambda tx: tx.run(LEAVE, (school.east, school.amina)))
    assert titles(db, school.amina) == []
    assert own_enrolment(db, reading.run_id, school.amina) is None
    assert school.amina not in {member.person_id for member in members(db, reading.run_id)}
    assert db.value("SELECT state FROM enrolment WHERE id = ?1", (reading.amina,)) == "active"
    write(lambda tx: tx.run(JOIN, (new_id(), school.east, school.amina)))
    assert write(enrol_person, school.amina, now_ms=NOW_MS) == 0
    assert own_enrolment(db, reading.run_id, school.amina) == reading.amina


def test_a_teacher_sees_own_classes_and_their_runs(reading, db, school):
    assert [(group.name, group.learners) for group in taught_classes(db, school.mr_otieno)] == [
        ("6 East", 4)
    ]
    assert {run.title for run in taught_runs(db, school.mr_otieno)} == {"Rain", "Water"}
    assert {run.title for run in taught_runs(db, school.baraka)} == {"Water"}
    assert teaches_run(db, reading.run_id, school.ms_wanjiru)
    assert not teaches_run(db, reading.run_id, school.baraka)


def test_a_run_that_is_not_there_is_not_found(db):
    with pytest.raises(NotFound):
        run_of(db, new_id())


@pytest.mark.parametrize(
    ("who", "status"),
    [("mr_otieno", 201), ("baraka", 404), ("amina", 403), ("keeper", 403), (None, 401)],
)
def test_who_may_give_east_a_course(reading, box, school, who, status):
    sign_in(box, who and getattr(school, who))
    body = {"class_group_id": str(school.east), "course_version_id": str(reading.course_version_id)}
    assert box.post("/api/v1/course-runs", json=body).status_code == status
    page = box.post(
        f"/teach/classes/{school.east}/courses",
        data={"course_version_id": str(reading.course_version_id)},
        headers={"accept": "text/html"},
        follow_redirects=False,
    )
    assert page.status_code == {201: 303, 401: 303}.get(status, status)


def test_a_newcomer_finds_the_course_on_the_first_look(reading, write, box, school):
    write(lambda tx: tx.run(JOIN, (new_id(), school.east, school.jomo)))
    sign_in(box, school.jomo)
    runs = box.get("/api/v1/course-runs").json()
    assert {run["title"] for run in runs["learning"]} == {"Rain", "Water"}
    assert runs["teaching"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"class_group_id": "east", "course_version_id": "rain"},
        {"class_group_id": str(new_id()), "course_version_id": str(new_id()), "state": "ended"},
    ],
)
def test_a_body_that_is_no_run_is_refused(box, school, body):
    sign_in(box, school.mr_otieno)
    answer = box.post("/api/v1/course-runs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"]
