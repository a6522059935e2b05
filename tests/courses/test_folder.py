"""From a folder to a course."""

import pytest

from appliance.courses import folder
from appliance.courses.faults import EmptyCourse
from appliance.courses.folder import read_folder, split_sections
from appliance.errors import Invalid, TooLarge
from tests.lessons import RAIN


def course_of(files, *, name="", language="en"):
    return read_folder(files, name=name, language=language)


def tree(course):
    return {module.title: [lesson.title for lesson in module.lessons] for module in course.modules}


def test_folders_become_modules_files_lessons_and_headings_sections():
    course = course_of(RAIN)
    assert (course.title, course.language) == ("Rain", "en")
    assert tree(course) == {"Rain": ["Rain"], "Lessons": ["Measuring rain", "Clouds"]}
    measuring = course.modules[1].lessons[0]
    assert [section.title for section in measuring.sections] == ["A gauge", "Every day", "A year"]


def test_a_zip_of_the_folder_is_the_same_course_as_the_folder():
    wrapped = {f"rain-main/{path}": data for path, data in RAIN.items()}
    assert course_of(wrapped).content_hash() == course_of(RAIN).content_hash()


def test_the_order_of_files_on_disk_does_not_matter_but_every_word_does():
    turned = dict(reversed(RAIN.items()))
    assert course_of(turned).content_hash() == course_of(RAIN).content_hash()
    changed = RAIN | {"lessons/clouds.md": b"# Clouds\n\nClouds are wet.\n"}
    assert course_of(changed).content_hash() != course_of(RAIN).content_hash()


def test_without_settings_files_stand_in_the_order_people_count():
    files = {f"stories/{n}-day.md": f"Day {n}".encode() for n in (10, 9, 2)}
    files["a.md"] = b"first"
    course = course_of(files, name="A week")
    assert [lesson.path for m in course.modules for lesson in m.lessons] == [
        "a.md",
        "stories/2-day.md",
        "stories/9-day.md",
        "stories/10-day.md",
    ]
    assert course.title == "A week"


@pytest.mark.parametrize(
    ("files", "name", "title", "language"),
    [
        ({"config.yaml": b"title: A\nlang: sw", "index.md": b"# B\n\nx"}, "C", "A", "sw"),
        ({"index.md": b"---\ntitle: B\n---\nx"}, "C", "B", "en"),
        ({"one.md": b"x"}, "C", "C", "en"),
        ({"am/1_abeba.md": "# አበባ\n\nx".encode()}, "", "አማርኛ", "am"),
        ({"my-first_course/one.md": b"x"}, "", "My first course", "en"),
        ({"one.md": b"# Only\n\nx"}, "", "Only", "en"),
        ({"one.md": b"x"}, "C\0\u202e  D", "C D", "en"),
        ({"config.yaml": b"title: \x01", "one.md": b"x"}, "C", "C", "en"),
    ],
)
def test_where_title_and_language_come_from(files, name, title, language):
    course = course_of(files, name=name)
    assert (course.title, course.language) == (title, language)


def test_what_is_not_used_is_listed_with_its_reason():
    course = course_of(
        RAIN
        | {
            "README.md": b"about",
            "fig/lake.png": b"\x89PNG",
            "instructors/notes.md": b"answers",
            "lessons/empty.md": b"---\ntitle: Empty\n---\n\n",
            "lessons/secret.md": b"text\n\n::: instructor\nanswer\n:::\n",
            "config.yaml": b"title: Rain\nlessons:\n- measuring.md\n- gone.md\n",
        }
    )
    assert {item.path: item.reason for item in course.left_out} == {
        "README.md": "about the folder, not for pupils",
        "fig/lake.png": "not a Markdown file",
        "instructors/notes.md": "for teachers",
        "lessons/empty.md": "has no text",
        "lessons/gone.md": "named in config.yaml, not in the folder",
        "lessons/secret.md": "1 note for teachers",
    }


@pytest.mark.parametrize("files", [{}, {"a.png": b"x"}, {"README.md": b"x"}, {"a.md": b"\n \n"}])
def test_a_folder_without_lessons_is_refused(files):
    with pytest.raises(EmptyCourse):
        course_of(files)


def test_broken_text_is_named_by_its_file():
    with pytest.raises(Invalid, match=r"^lessons/bad\.md is not UTF-8 text: byte 3, line 2$"):
        course_of(RAIN | {"lessons/bad.md": b"ok\n\xff"})


def test_a_course_too_large_for_one_transaction_is_refused(monkeypatch):
    monkeypatch.setattr(folder, "SECTIONS_MAX", 5)
    with pytest.raises(TooLarge, match="6 sections"):
        course_of(RAIN)
    monkeypatch.setattr(folder, "SECTIONS_MAX", 6)
    monkeypatch.setattr(folder, "SECTION_CHARACTERS_MAX", 10)
    with pytest.raises(TooLarge, match=r"index\.md"):
        course_of(RAIN)


def test_headings_inside_code_and_boxes_do_not_start_a_section():
    text = "intro\n## One\na\n```\n## no\n```\n::: challenge\n## no\n:::\n# Two\nb\n### deeper\nc"
    sections = split_sections(text, "Lesson")
    assert [section.title for section in sections] == ["Lesson", "One", "Two"]
    assert sections[2].body == "b\n### deeper\nc"


def test_pages_of_a_story_without_titles_are_counted():
    assert [s.title for s in split_sections("# Tale\n##\none\n##\ntwo", "Tale")] == ["1", "2"]


def test_a_heading_without_text_below_it_makes_no_section():
    assert [s.title for s in split_sections("## One\n\n## Two\ntext", "L")] == ["Two"]
