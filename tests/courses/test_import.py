"""Importing: all of it or nothing, and the same folder twice is one course."""

import pytest

from appliance.courses.commands import foresee_import, import_course
from appliance.courses.disk import course_on_disk, import_from_disk, report_lines
from appliance.courses.faults import EmptyCourse
from appliance.courses.folder import read_folder
from appliance.courses.links import course_code, rewrite_links
from appliance.courses.queries import course_cards, course_outline, lesson_sections
from appliance.errors import NotFound
from tests.cast import NOW_MS, new_id
from tests.lessons import RAIN

CLOUDS = {"lessons/clouds.md": b"# Clouds\n\nClouds are wet.\n"}


def rain(**changes):
    return read_folder(RAIN | changes, name="", language="en")


@pytest.fixture
def keep(write, school):
    return lambda course: write(import_course, school.school_id, course, now_ms=NOW_MS)


def shelf(db, school):
    return {card.title: card for card in course_cards(db, school.school_id)}


def test_a_course_comes_back_as_it_was_written(keep, db, school):
    report = keep(rain())
    assert (report.outcome, report.number) == ("new", 1)
    assert (report.modules, report.lessons, report.sections) == (2, 3, 6)
    outline = course_outline(db, report.course_id)
    assert [module.title for module in outline.modules] == ["Rain", "Lessons"]
    measuring, clouds = outline.modules[1].lessons
    assert [section.title for section in clouds.sections] == ["Clouds", "Shapes"]
    assert [section.body for section in lesson_sections(db, measuring.id)] == [
        "Cut a bottle.",
        "Write it down at eight.",
        "Add it up.",
    ]


def test_links_between_files_lead_to_their_lessons(keep, db):
    outline = course_outline(db, keep(rain()).course_id)
    (welcome,) = lesson_sections(db, outline.modules[0].lessons[0].id)
    measuring = outline.modules[1].lessons[0].id
    assert f"(/learn/lessons/{measuring}#gauge)" in welcome.body


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("[a](b.md)", "[a](/learn/lessons/B)"),
        ("[a](../c.md#x)", "[a](/learn/lessons/C#x)"),
        ("[a](./b.md)", "[a](/learn/lessons/B)"),
        ("[a](gone.md)", "[a](gone.md)"),
        ("[a](https://x.example/b.md)", "[a](https://x.example/b.md)"),
        ("[a](../../../b.md)", "[a](../../../b.md)"),
    ],
)
def test_only_links_to_files_of_the_course_change(written, kept):
    ids = {"d/b.md": "B", "c.md": "C"}
    assert rewrite_links(written, path="d/a.md", lesson_ids=ids) == kept


def test_the_same_folder_again_changes_nothing(keep, write, school):
    first = keep(rain())
    before = write(lambda tx: tx.value("SELECT seq FROM sync_identity"))
    again = keep(rain())
    assert again.outcome == "same"
    assert again.course_version_id == first.course_version_id
    assert write(lambda tx: tx.value("SELECT seq FROM sync_identity")) == before


def test_changed_content_becomes_a_new_version_and_the_old_one_stays_readable(keep, db, school):
    first = keep(rain())
    second = keep(rain(**CLOUDS))
    assert (second.outcome, second.number) == ("changed", 2)
    assert second.course_id == first.course_id
    assert shelf(db, school)["Rain"].course_version_id == second.course_version_id
    states = db.value(
        "SELECT group_concat(state) FROM (SELECT state FROM course_version"
        " WHERE course_id = ?1 ORDER BY number)",
        (first.course_id,),
    )
    assert states == "superseded,published"
    assert keep(rain()).number == 3  # back to the first words: a version again, not a rewind


def test_a_dry_run_says_what_the_import_then_does_and_keeps_nothing(keep, db, school):
    foreseen = foresee_import(db, school.school_id, rain())
    assert (foreseen.outcome, foreseen.number, foreseen.course_id) == ("new", 1, None)
    assert "Rain" not in shelf(db, school)
    keep(rain())
    assert foresee_import(db, school.school_id, rain()).outcome == "same"
    changed = foresee_import(db, school.school_id, rain(**CLOUDS))
    assert (changed.outcome, changed.number, changed.course_version_id) == ("changed", 2, None)


def test_an_import_that_fails_half_way_leaves_nothing(write, db, school):
    def fail(tx):
        import_course(tx, school.school_id, rain(), now_ms=NOW_MS)
        raise NotFound("power")

    with pytest.raises(NotFound):
        write(fail)
    assert "Rain" not in shelf(db, school)
    assert db.value("SELECT count(*) FROM section") == 0


def test_another_school_has_its_own_shelf(keep, db):
    keep(rain())
    assert course_cards(db, new_id()) == []


@pytest.mark.parametrize(
    ("title", "code"),
    [
        ("Rain & Sun, 2nd ed.", "rain-sun-2nd-ed"),
        ("المطر", "المطر"),
        ("???", "???"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_course_is_found_again_by_its_name(title, code):
    assert course_code(title) == code


def test_a_folder_on_this_machine_is_imported_through_a_writer_of_its_own(
    database, readers, school, tmp_path
):
    for path, data in RAIN.items():
        file = tmp_path / "rain" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (tmp_path / "rain" / "secret.md").symlink_to("/etc/passwd")
    course = course_on_disk(tmp_path / "rain", language="en")
    assert course.content_hash() == rain().content_hash()
    report = import_from_disk(database, school.school_id, course, now_ms=NOW_MS)
    assert "Rain" in shelf(readers.here, school)
    assert list(report_lines(report)) == ["Rain: 2 modules, 3 lessons, 6 sections; new, version 1"]


def test_a_path_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(EmptyCourse):
        course_on_disk(tmp_path / "nothing", language="en")
