"""The start pages: what to do next, and nothing of anybody else."""

import pytest

from appliance.home.queries import learner_home, teacher_home
from tests.box import running_box, sign_in
from tests.cast import NOW_MS, new_id
from tests.lessons import reads_rain

HAND_IN = """
INSERT INTO submission (id, assessment_id, person_id, attempt_no, state, submitted_at_ms,
                        late_ms, clock_quality, version, updated_at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 3, 1, 0)
"""


@pytest.fixture
def hand_in(write):
    def hand_in(task_id, person_id, state, attempt_no=1):
        args = (new_id(), task_id, person_id, attempt_no, state, NOW_MS)
        write(lambda tx: tx.run(HAND_IN, args))

    return hand_in


def standings(db, person_id):
    return [(task.title, task.standing) for task in learner_home(db, person_id).tasks]


def test_what_is_due_first_stands_first_and_what_is_done_last(db, school, hand_in):
    assert standings(db, school.amina) == [("My village", "todo"), ("The river", "todo")]
    hand_in(school.village, school.amina, "submitted")
    assert standings(db, school.amina) == [("The river", "todo"), ("My village", "handed_in")]


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        ("submitted", "handed_in"),
        ("in_grading", "handed_in"),
        ("graded", "handed_in"),  # marked, not given back: the pupil must not see it
        ("returned", "returned"),
        ("withdrawn", "todo"),
        ("void", "todo"),
    ],
)
def test_a_pupil_learns_of_a_mark_only_when_it_was_given_back(db, school, hand_in, state, standing):
    hand_in(school.village, school.amina, state)
    assert dict(standings(db, school.amina))["My village"] == standing


def test_the_newest_attempt_counts(db, school, hand_in):
    hand_in(school.river, school.amina, "returned")
    hand_in(school.river, school.amina, "submitted", attempt_no=2)
    assert dict(standings(db, school.amina))["The river"] == "handed_in"


def test_a_teacher_sees_how_many_handed_in_and_how_many_wait_for_a_mark(db, school, hand_in):
    hand_in(school.village, school.amina, "submitted")
    hand_in(school.village, school.jose, "returned")
    hand_in(school.village, school.jose, "submitted", attempt_no=2)
    (east,) = teacher_home(db, school.mr_otieno).classes
    village = next(task for task in east.tasks if task.title == "My village")
    assert (east.group.name, village.handed_in, village.to_mark) == ("6 East", 2, 2)


def test_a_teacher_of_another_class_sees_that_class_only(db, school):
    (west,) = teacher_home(db, school.baraka).classes
    assert west.group.name == "6 West"
    assert [task.title for task in west.tasks] == ["The desert"]


@pytest.fixture
def box(database, writer, school):
    reads_rain(writer, school)
    with running_box(database) as client:
        yield client


@pytest.mark.parametrize(
    ("who", "learn", "teach"),
    [
        ("amina", 200, 403),
        ("jomo", 200, 403),
        ("mr_otieno", 403, 200),
        ("keeper", 403, 403),
        (None, 401, 401),
    ],
)
def test_who_may_open_which_start_page(box, school, who, learn, teach):
    sign_in(box, who and getattr(school, who))
    asked = {"accept": "application/json"}
    assert box.get("/learn", headers=asked).status_code == learn
    assert box.get("/api/v1/home/learner").status_code == learn
    assert box.get("/teach", headers=asked).status_code == teach
    assert box.get("/api/v1/home/teacher").status_code == teach


def test_the_pages_name_what_waits_and_nothing_of_the_other_class(box, school):
    learn = sign_in(box, school.amina).get("/learn").text
    for words in ("Hello <bdi>Amina</bdi>", "My village", "Rain", "To do"):
        assert words in learn
    teach = sign_in(box, school.mr_otieno).get("/teach").text
    for words in ("6 East", "4 pupils", "0 of 4 handed in"):
        assert words in teach
    for page in (learn, teach):
        assert "The desert" not in page
        assert "6 West" not in page
