"""Courses that teachers really have, read where they lie."""

import os
from pathlib import Path

import pytest

from appliance.courses.commands import import_course
from appliance.courses.disk import course_on_disk
from appliance.courses.queries import course_outline, lesson_sections
from appliance.courses.rendering import render
from tests.cast import NOW_MS

CONTENT = (
    Path(os.environ.get("DARASA_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
    / "content"
)
pytestmark = pytest.mark.skipif(
    not CONTENT.is_dir(), reason=f"no sample courses at {CONTENT}; set DARASA_TEST_DATA"
)


def test_a_carpentries_lesson_keeps_its_order_its_boxes_and_all_its_links(write, db, school):
    course = course_on_disk(CONTENT / "carpentries-python", language="en")
    report = write(import_course, school.school_id, course, now_ms=NOW_MS)
    assert (report.modules, report.lessons, report.sections) == (3, 15, 54)
    assert "episodes/12-cmdline.md" in {item.path for item in report.left_out}
    outline = course_outline(db, report.course_id)
    titles = [lesson.title for lesson in outline.modules[1].lessons]
    assert titles[:2] == ["Python Fundamentals", "Analyzing Patient Data"]
    bodies = [
        section.body
        for module in outline.modules
        for lesson in module.lessons
        for section in lesson_sections(db, lesson.id)
    ]
    html = "".join(map(render, bodies))
    assert ":::" not in html
    assert html.count("<details>") == html.count("</details>") == 56
    assert html.count("<aside") == html.count("</aside>") == 102
    assert html.count('href="/learn/lessons/') > 30


@pytest.mark.parametrize(
    ("folder", "language"), [("am", "am"), ("en", "en"), ("fr", "fr"), ("sw", "sw")]
)
def test_stories_in_every_language_become_numbered_pages(folder, language):
    course = course_on_disk(CONTENT / "african-storybook" / folder, language="en")
    assert course.language == language
    for module in course.modules:
        for lesson in module.lessons:
            numbers = [int(section.title) for section in lesson.sections]
            assert numbers == sorted(set(numbers)), lesson.path


def test_a_whole_library_is_one_transaction(write, db, school):
    course = course_on_disk(CONTENT / "african-storybook", language="en")
    report = write(import_course, school.school_id, course, now_ms=NOW_MS)
    assert report.sections == db.value("SELECT count(*) FROM section")
    assert {module.title for module in course.modules} >= {"Kiswahili", "አማርኛ"}
