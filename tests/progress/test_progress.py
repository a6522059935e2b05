"""What was read is kept once, never goes backwards, and is shown to those it concerns."""

import itertools
import random
from uuid import UUID

import pytest

from appliance.enrolments.commands import start_run
from appliance.enrolments.models import NewRun
from appliance.errors import Conflict, NotFound
from appliance.progress.commands import keep_facts
from appliance.progress.models import FACTS_MAX, ProgressFact
from appliance.progress.queries import run_progress, run_view
from sync.projections import SQLITE_SECTION_PROGRESS
from tests.cast import NOW_MS, new_id
from tests.enrolments.test_enrolments import LEAVE
from tests.lessons import RAIN, reads_rain


@pytest.fixture
def reading(writer, school):
    return reads_rain(writer, school)


@pytest.fixture
def report(write, school, reading):
    """Send facts as Amina: pairs of a section's place and a percent."""

    def report(*seen, person=None, enrolment=None):
        facts = [
            ProgressFact(new_id(), enrolment or reading.amina, reading.sections[place], percent, 5)
            for place, percent in seen
        ]
        write(keep_facts, person or school.amina, facts)
        return facts

    return report


def percents(db, enrolment_id, reading):
    rows = {
        place: db.value(
            "SELECT percent FROM section_progress WHERE enrolment_id = ?1 AND section_id = ?2",
            (enrolment_id, section),
        )
        for place, section in enumerate(reading.sections)
    }
    return {place: percent for place, percent in rows.items() if percent is not None}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], {}),
        ([(0, 100)], {0: 100}),
        ([(0, 50), (1, 100)], {0: 50, 1: 100}),
        ([(0, 80), (0, 30)], {0: 80}),  # a late, lower report does not undo work
        ([(0, 30), (0, 80)], {0: 80}),
    ],
)
def test_progress_is_the_most_that_was_ever_seen(report, db, reading, seen, expected):
    for one in seen:
        report(one)
    assert percents(db, reading.amina, reading) == expected


def test_the_order_in_which_facts_arrive_does_not_matter(report, db, reading, write):
    chance = random.Random(7)
    facts = [(chance.randrange(6), chance.randrange(101)) for _ in range(60)]
    highest = {
        place: max(percent for _, percent in group)
        for place, group in itertools.groupby(sorted(facts), key=lambda fact: fact[0])
    }
    chance.shuffle(facts)
    report(*facts)
    assert percents(db, reading.amina, reading) == highest


def test_the_box_projects_with_the_very_statement_that_the_hub_was_generated_beside(db):
    kept = db.value("SELECT sql FROM sqlite_schema WHERE name = 'progress_fact_projected'")
    assert " ".join(str(kept).split()) == " ".join(SQLITE_SECTION_PROGRESS.rstrip("; \n").split())


def test_sending_again_changes_nothing(report, write, db, school):
    facts = report((0, 100), (1, 40))
    write(keep_facts, school.amina, facts)
    write(keep_facts, school.amina, [facts[1], facts[1]])
    assert db.value("SELECT count(*) FROM progress_fact") == 2


def test_the_same_id_with_other_content_is_a_conflict_and_the_first_stays(
    report, write, db, school, reading
):
    (fact,) = report((0, 40))
    other = ProgressFact(fact.id, fact.enrolment_id, fact.section_id, 90, fact.at_ms)
    with pytest.raises(Conflict):
        write(keep_facts, school.amina, [other])
    assert percents(db, reading.amina, reading) == {0: 40}


def test_another_pupils_id_or_enrolment_is_not_found(report, write, school, reading):
    (fact,) = report((0, 40))
    mine = ProgressFact(fact.id, reading.jose, fact.section_id, 40, fact.at_ms)
    for facts in ([mine], [ProgressFact(new_id(), reading.amina, fact.section_id, 40, 5)]):
        with pytest.raises(NotFound):
            write(keep_facts, school.jose, facts)


def test_a_section_of_another_course_is_not_found(write, school, writer, reading):
    other = {"a.md": b"# Other\n\nText\n"}
    elsewhere = reads_rain(writer, school, other | {"config.yaml": b"title: Other"})
    fact = ProgressFact(new_id(), reading.amina, elsewhere.sections[0], 100, 5)
    with pytest.raises(NotFound):
        write(keep_facts, school.amina, [fact])


def test_one_wrong_fact_keeps_the_whole_handful_out(write, db, school, reading):
    facts = [
        ProgressFact(new_id(), reading.amina, reading.sections[0], 100, 5),
        ProgressFact(new_id(), reading.amina, new_id(), 100, 5),
    ]
    with pytest.raises(NotFound):
        write(keep_facts, school.amina, facts)
    assert db.value("SELECT count(*) FROM progress_fact") == 0
    assert percents(db, reading.amina, reading) == {}


def test_facts_that_waited_on_a_phone_are_kept_after_the_pupil_left_the_class(
    report, write, db, school, reading
):
    write(lambda tx: tx.run(LEAVE, (school.east, school.amina)))
    report((0, 100))
    assert percents(db, reading.amina, reading) == {0: 100}


def test_a_fact_says_that_a_phone_told_the_time(report, db):
    (fact,) = report((0, 100))
    row = db.value(
        "SELECT at_ms || ' ' || clock_quality FROM progress_fact WHERE id = ?1", (fact.id,)
    )
    assert row == "5 2"


def test_a_course_is_read_when_every_section_is(report, db, school, reading):
    report(*[(place, 100) for place in range(5)])
    assert run_view(db, reading.run_id, school.amina).percent == 83
    report((5, 99))
    assert run_view(db, reading.run_id, school.amina).percent == 99
    report((5, 100))
    view = run_view(db, reading.run_id, school.amina)
    assert view.percent == 100
    assert [lesson.percent for m in view.modules for lesson in m.lessons] == [100, 100, 100]


def test_a_class_is_in_the_order_of_every_other_list(write, db, school, reading):
    write(
        lambda tx: tx.run(
            "UPDATE person SET display_name = 'Ádébáyọ̀ Baako', version = version + 1 WHERE id = ?1",
            (school.noor,),
        )
    )
    names = [
        one.display_name for one in run_progress(db, reading.run_id, school.ms_wanjiru).learners
    ]
    assert names[:2] == ["Ádébáyọ̀ Baako", "Amina Otieno"]


def test_a_class_is_shown_to_its_teacher_by_pupil_and_by_lesson(report, db, school, reading):
    report((0, 100), (1, 100), (2, 50))
    report((0, 100), person=school.jose, enrolment=reading.jose)
    progress = run_progress(db, reading.run_id, school.ms_wanjiru)
    table = {one.display_name: (one.percent, one.sections_done) for one in progress.learners}
    assert table == {
        "Amina Otieno": (41, 2),
        "José Álvarez-Núñez": (16, 1),
        "Nguyễn Thị Ánh": (0, 0),
        "نور الهدى": (0, 0),
    }
    assert [(one.title, one.percent) for one in progress.lessons] == [
        ("Rain", 50),
        ("Measuring rain", 12),
        ("Clouds", 0),
    ]


@pytest.mark.parametrize("who", ["baraka", "amina", "keeper"])
def test_a_class_is_shown_to_nobody_else(db, school, reading, who):
    with pytest.raises(NotFound):
        run_progress(db, reading.run_id, getattr(school, who))


def test_a_second_class_that_reads_the_same_does_not_leak_in(writer, report, db, school, reading):
    wanted = NewRun(class_group_id=school.west, course_version_id=reading.course_version_id)
    west = writer.write_blocking(start_run, school.school_id, school.baraka, wanted, now_ms=NOW_MS)
    report((0, 100))
    assert [one.percent for one in run_progress(db, west.id, school.baraka).learners] == [0]
    assert run_view(db, west.id, school.jomo).percent == 0


def fact_body(reading, **changes):
    fact = {
        "id": str(new_id()),
        "enrolment_id": str(reading.amina),
        "section_id": str(reading.sections[0]),
        "percent": 100,
        "at_ms": NOW_MS,
    }
    return {"facts": [fact | changes]}


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("amina", 204),
        ("jose", 404),
        ("jomo", 404),
        ("mr_otieno", 403),
        ("keeper", 403),
        (None, 401),
    ],
)
def test_who_may_report_aminas_progress(reading, as_, who, status):
    assert as_(who).post("/api/v1/progress-facts", json=fact_body(reading)).status_code == status


@pytest.mark.parametrize(
    "changes",
    [
        {"percent": 101},
        {"percent": -1},
        {"percent": "all"},
        {"percent": 50.5},
        {"at_ms": -1},
        {"at_ms": 1 << 48},
        {"id": "7"},
        {"person_id": str(UUID(int=7))},
    ],
)
def test_a_fact_out_of_range_is_refused_by_field(reading, as_, changes):
    answer = as_("amina").post("/api/v1/progress-facts", json=fact_body(reading, **changes))
    assert answer.status_code == 400
    assert next(iter(changes)) in str(answer.json()["errors"])


def test_too_many_facts_at_once_and_none_are_refused(reading, as_):
    client = as_("amina")
    fact = fact_body(reading)["facts"][0]
    many = [fact | {"id": str(new_id())} for _ in range(FACTS_MAX + 1)]
    for facts in (many, []):
        assert client.post("/api/v1/progress-facts", json={"facts": facts}).status_code == 400
    assert client.post("/api/v1/progress-facts", json={"facts": many[:-1]}).status_code == 204


PAGES = ["/api/v1/course-runs/{run}", "/learn/runs/{run}"]
LESSONS = [
    "/api/v1/lessons/{lesson}",
    "/learn/lessons/{lesson}",
    "/learn/lessons/{lesson}?run={run}",
]


@pytest.mark.parametrize(
    ("who", "run", "lesson", "table"),
    [
        ("amina", 200, 200, 403),
        ("mr_otieno", 200, 200, 200),
        ("ms_wanjiru", 200, 200, 200),
        ("baraka", 404, 200, 404),  # a lesson is no secret among the school's teachers
        ("jomo", 404, 404, 403),
        ("keeper", 403, 403, 403),
        (None, 401, 401, 401),
    ],
)
def test_who_may_read_what(reading, as_, who, run, lesson, table):
    client = as_(who)
    ids = {"run": reading.run_id, "lesson": reading.lessons[1]}

    def status(path):
        return client.get(path.format(**ids), headers={"accept": "application/json"}).status_code

    assert {status(path) for path in PAGES} == {run}
    assert {status(path) for path in LESSONS} == {lesson}
    assert status("/api/v1/course-runs/{run}/progress") == table
    assert status("/teach/runs/{run}") == table


def test_a_lesson_page_has_its_text_its_place_and_what_was_read(reading, as_, report):
    report((1, 100))
    page = as_("amina").get(f"/learn/lessons/{reading.lessons[1]}").text
    assert "Cut a bottle." in page
    assert page.count('data-percent="100"') == 1
    assert f"/learn/lessons/{reading.lessons[0]}?run={reading.run_id}" in page
    assert f"/learn/lessons/{reading.lessons[2]}?run={reading.run_id}" in page
    assert f'data-enrolment="{reading.amina}"' in page


def test_nothing_is_recorded_while_a_teacher_reads(reading, as_):
    page = as_("baraka").get(f"/learn/lessons/{reading.lessons[1]}").text
    assert "data-enrolment" not in page
    assert "progress.js" not in page


def test_a_lesson_in_arabic_runs_from_right_to_left(writer, school, as_):
    files = {"a.md": "# المطر\n\nتُسخّن الشمس ماء البحيرة.\n".encode(), "config.yaml": b"lang: ar"}
    reading = reads_rain(writer, school, files)
    page = as_("noor").get(f"/learn/lessons/{reading.lessons[0]}").text
    assert '<div class="lesson" dir="rtl"' in page


def test_the_class_table_is_sent_again_only_when_it_changed(reading, as_, report):
    client = as_("mr_otieno")
    path = f"/api/v1/course-runs/{reading.run_id}/progress"
    first = client.get(path)
    asked = {"if-none-match": first.headers["etag"]}
    assert client.get(path, headers=asked).status_code == 304
    report((0, 100))
    assert client.get(path, headers=asked).status_code == 200


def test_a_lesson_of_a_run_the_pupil_is_not_in_is_not_found(reading, as_, school):
    client = as_("amina")
    path = f"/learn/lessons/{reading.lessons[0]}?run={school.west_run}"
    assert client.get(path, headers={"accept": "application/json"}).status_code == 404


def test_the_folder_of_the_tests_is_what_these_numbers_mean(reading):
    assert (len(RAIN), len(reading.lessons), len(reading.sections)) == (4, 3, 6)
