import pytest

from appliance.errors import NotFound
from appliance.grading.commands import return_work, save_grade
from appliance.grading.faults import GradeIdTaken, MarkedMeanwhile, NoMarkYet, TooManyPoints
from appliance.grading.models import NewGrade, Return
from appliance.grading.queries import board, by_need, next_on_the_desk, work
from appliance.grading.rules import points_mp, standing
from appliance.submissions.commands import hand_in, put_draft
from appliance.submissions.models import DraftEdit, HandIn, Stamp
from appliance.submissions.queries import hand_ins, own_hand_in
from tests.cast import HOUR_MS, NOW_MS, new_id


@pytest.fixture
def give(write, school):
    def give(who, body="My village.", task=None, now_ms=NOW_MS):
        return write(
            hand_in,
            who,
            new_id(),
            HandIn(assessment_id=task or school.village, body=body),
            submission_id=new_id(),
            stamp=Stamp(now_ms, 3),
        )

    return give


@pytest.fixture
def mark(write, school):
    def mark(submission_id, points=7_000, comment="Good.", *, version, who=None, grade_id=None):
        new = NewGrade(id=grade_id or new_id(), points_mp=points, comment=comment, version=version)
        return write(save_grade, who or school.mr_otieno, submission_id, new, now_ms=NOW_MS)

    return mark


@pytest.fixture
def give_back(write, school):
    def give_back(submission_id, *, version, who=None, grade_id=None):
        wish = Return(id=grade_id or new_id(), version=version)
        return write(return_work, who or school.mr_otieno, submission_id, wish, now_ms=NOW_MS)

    return give_back


def test_a_saved_mark_is_not_the_pupils_business_until_it_is_returned(
    school, give, mark, give_back, db
):
    submission_id = give(school.amina).submission_id
    before = own_hand_in(db, submission_id, school.amina), hand_ins(db, school.amina)
    saved = mark(submission_id, 8_500, "See the last line.", version=1)
    assert (saved.state, saved.version, saved.grade.seq) == ("graded", 2, 1)
    assert (own_hand_in(db, submission_id, school.amina), hand_ins(db, school.amina)) == before
    returned = give_back(submission_id, version=2)
    assert (returned.state, returned.grade.state, returned.grade.seq) == ("returned", "released", 2)
    marks = own_hand_in(db, submission_id, school.amina).marks
    assert [(m.points_mp, m.comment, m.by_name) for m in marks] == [
        (8_500, "See the last line.", "Otieno wa Kamau")
    ]
    assert hand_ins(db, school.amina)[0].returned_points_mp == 8_500


def test_a_better_mark_saved_after_the_return_stays_hidden(school, give, mark, give_back, db):
    submission_id = give(school.amina).submission_id
    mark(submission_id, 5_000, version=1)
    give_back(submission_id, version=2)
    mark(submission_id, 9_000, "Sorry, my mistake.", version=3)
    assert [m.points_mp for m in own_hand_in(db, submission_id, school.amina).marks] == [5_000]
    give_back(submission_id, version=4)
    assert hand_ins(db, school.amina)[0].returned_points_mp == 9_000


def test_sending_a_mark_twice_saves_it_once(school, give, mark, give_back, db):
    submission_id = give(school.amina).submission_id
    grade_id, release_id = new_id(), new_id()
    assert mark(submission_id, version=1, grade_id=grade_id) == mark(
        submission_id, version=1, grade_id=grade_id
    )
    first = give_back(submission_id, version=2, grade_id=release_id)
    assert give_back(submission_id, version=2, grade_id=release_id) == first
    assert db.value("SELECT count(*) FROM grade") == 2


@pytest.mark.parametrize("change", [{"points": 1}, {"comment": "Other."}, {"who": "ms_wanjiru"}])
def test_the_same_id_with_another_mark_is_refused(school, give, mark, db, change):
    submission_id = give(school.amina).submission_id
    grade_id = new_id()
    mark(submission_id, version=1, grade_id=grade_id)
    if "who" in change:
        change = {"who": getattr(school, change["who"])}
    with pytest.raises(GradeIdTaken):
        mark(submission_id, version=2, grade_id=grade_id, **change)
    assert db.value("SELECT count(*) FROM grade") == 1


def test_the_second_teacher_hears_what_is_there_and_overwrites_nothing(school, give, mark, db):
    submission_id = give(school.amina).submission_id
    mark(submission_id, 7_000, "Good.", version=1)
    with pytest.raises(MarkedMeanwhile) as refused:
        mark(submission_id, 2_000, "Poor.", version=1, who=school.ms_wanjiru)
    told = {error.field: error.message for error in refused.value.errors}
    assert told == {
        "version": "2",
        "state": "graded",
        "points_mp": "7000",
        "comment": "Good.",
        "by_name": "Otieno wa Kamau",
    }
    assert [g.points_mp for g in work(db, submission_id, school.mr_otieno).grades] == [7_000]


def test_a_hand_in_during_marking_makes_the_mark_stale(school, give, mark, give_back, db):
    submission_id = give(school.amina, "One.").submission_id
    mark(submission_id, version=1)
    give(school.amina, "Two.")
    with pytest.raises(MarkedMeanwhile):
        give_back(submission_id, version=2)
    with pytest.raises(NoMarkYet):  # a mark for earlier words is not a mark for these
        give_back(submission_id, version=3)
    assert work(db, submission_id, school.mr_otieno).came_after_mark
    assert hand_ins(db, school.amina)[0].returned_points_mp is None


def test_more_points_than_the_task_gives_are_refused(school, give, mark):
    submission_id = give(school.amina).submission_id
    assert mark(submission_id, 10_000, version=1).grade.points_mp == 10_000
    with pytest.raises(TooManyPoints):
        mark(submission_id, 10_001, version=2)


def test_nothing_is_returned_without_a_mark(school, give, give_back):
    with pytest.raises(NoMarkYet):
        give_back(give(school.amina).submission_id, version=1)


@pytest.mark.parametrize("who", ["baraka", "keeper", "amina", "jomo"])
def test_who_does_not_teach_the_class_finds_nothing(school, give, mark, give_back, db, who):
    submission_id = give(school.amina).submission_id
    outsider = getattr(school, who)
    for attempt in (
        lambda: mark(submission_id, version=1, who=outsider),
        lambda: give_back(submission_id, version=1, who=outsider),
        lambda: work(db, submission_id, outsider),
        lambda: board(db, school.village, outsider),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert db.value("SELECT count(*) FROM grade") == 0


def test_the_board_names_who_handed_in_and_who_did_not(school, give, mark, give_back, write, db):
    late = give(school.amina, now_ms=NOW_MS + 2 * HOUR_MS).submission_id
    returned = give(school.jose).submission_id
    mark(returned, version=1)
    give_back(returned, version=2)
    edit = DraftEdit(assessment_id=school.village, edit_no=1, body="I ")
    write(put_draft, school.noor, new_id(), edit, now_ms=NOW_MS)
    seen = board(db, school.village, school.ms_wanjiru)
    assert (seen.pupils, seen.handed_in, seen.class_name) == (4, 2, "6 East")
    assert {line.display_name: line.standing for line in seen.lines} == {
        "Amina Otieno": "to_mark",
        "José Álvarez-Núñez": "returned",
        "Nguyễn Thị Ánh": "missing",
        "نور الهدى": "writing",
    }
    amina = next(line for line in seen.lines if line.submission_id == late)
    assert (amina.late_ms, amina.is_clock_sure) == (HOUR_MS, True)
    groups = by_need(seen)
    assert [line.display_name for line in groups["missing"]] == ["Nguyễn Thị Ánh"]


def test_who_left_the_class_stays_on_the_board_with_their_work(school, give, write, db):
    give(school.amina)
    for person in (school.amina, school.anh):
        write(
            lambda tx, person=person: tx.run(
                "UPDATE enrolment SET state = 'withdrawn', version = version + 1"
                " WHERE person_id = ?1",
                (person,),
            )
        )
    names = [line.display_name for line in board(db, school.village, school.mr_otieno).lines]
    assert names == ["Amina Otieno", "José Álvarez-Núñez", "نور الهدى"]


def test_the_board_is_in_the_order_of_every_other_list(school, write, db):
    """Ọláolúwa stands at O, as on the class's page, and not behind Z."""
    write(
        lambda tx: tx.run(
            "UPDATE person SET display_name = 'Ádébáyọ̀ Baako', version = version + 1 WHERE id = ?1",
            (school.noor,),
        )
    )
    names = [line.display_name for line in board(db, school.village, school.mr_otieno).lines]
    assert names[:2] == ["Ádébáyọ̀ Baako", "Amina Otieno"]


def test_the_next_pupil_is_the_next_one_with_work_to_mark(school, give, mark, db):
    ids = [give(who).submission_id for who in (school.amina, school.jose, school.noor)]
    seen = board(db, school.village, school.mr_otieno)
    assert next_on_the_desk(seen, ids[0]).submission_id == ids[1]
    assert next_on_the_desk(seen, ids[2]).submission_id == ids[0]  # round again
    mark(ids[0], version=1)
    mark(ids[1], version=1)
    seen = board(db, school.village, school.mr_otieno)
    assert next_on_the_desk(seen, ids[1]).submission_id == ids[2]
    assert next_on_the_desk(seen, ids[2]) is None


@pytest.mark.parametrize(
    ("state", "has_mark", "has_draft", "word"),
    [
        (None, False, False, "missing"),
        (None, False, True, "writing"),
        ("submitted", False, False, "to_mark"),
        ("submitted", True, False, "again"),
        ("in_grading", False, False, "to_mark"),
        ("graded", True, False, "marked"),
        ("returned", True, True, "returned"),
    ],
)
def test_one_word_for_where_work_stands(state, has_mark, has_draft, word):
    assert standing(state, has_mark=has_mark, has_draft=has_draft) == word


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("7", 7_000),
        (" 7.5 ", 7_500),
        ("7,25", 7_250),
        ("0", 0),
        ("0.001", 1),
        ("0.0001", None),
        ("-1", None),
        ("1001", None),
        ("seven", None),
        ("", None),
        ("NaN", None),
        ("1e999999", None),
        ("Infinity", None),
        ("٧", 7_000),  # Arabic digits from an Arabic keyboard
    ],
)
def test_points_as_people_type_them(typed, read):
    assert points_mp(typed) == read


def test_a_saved_marks_id_cannot_become_a_returned_one(school, give, mark, give_back, db):
    submission_id, grade_id = give(school.amina).submission_id, new_id()
    mark(submission_id, version=1, grade_id=grade_id)
    with pytest.raises(GradeIdTaken):
        give_back(submission_id, version=2, grade_id=grade_id)
    assert hand_ins(db, school.amina)[0].returned_points_mp is None
