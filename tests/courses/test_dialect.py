"""Markdown as people have it."""

import pytest

from appliance.courses.dialect import plain_title, read_page, read_settings, split_front_matter


def test_front_matter_is_settings_and_not_text():
    page = read_page("---\ntitle: 'Measuring rain'\nteaching: 40 # minutes\n---\nText")
    assert (page.settings, page.text) == ({"title": "Measuring rain", "teaching": "40"}, "Text")


@pytest.mark.parametrize("text", ["---\nnever closed", "no front matter", "----\na: b\n----\n"])
def test_text_that_only_looks_like_front_matter_stays_text(text):
    assert split_front_matter(text) == ({}, text)


def test_a_list_of_files_is_read_in_order():
    text = "# comment\ntitle: \"Rain\"\nepisodes:\n- b.md\n- 'a.md'\n\nlearners:\nlang: sw\n"
    assert read_settings(text) == {
        "title": "Rain",
        "episodes": ["b.md", "a.md"],
        "learners": "",
        "lang": "sw",
    }


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a <!-- note\nover lines --> b", "a  b"),
        ("## A gauge {#gauge .big}", "## A gauge"),
        ("[rain](a.md){target='_blank'}", "[rain](a.md)"),
        ("{:toc}", ""),
        ("![](a.png){alt='A lake\n and [sun]'}", "![A lake and \\[sun\\]](a.png)"),
        ("[gauge]{#gauge}\n:   A bottle", "**gauge**\\\nA bottle"),
        ("a {b} c", "a {b} c"),
        ("x = {1: 2}", "x = {1: 2}"),
    ],
)
def test_what_is_not_for_reading_is_taken_off(written, kept):
    assert read_page(written).text == kept


def test_code_is_kept_as_it_is_written():
    code = "```python\nd = f(x){#a}  <!-- no comment -->\n## no heading {#x}\n```"
    assert read_page(code).text == code


def test_windows_line_ends_become_plain_ones():
    assert read_page("one\r\ntwo\rthree").text == "one\ntwo\nthree"


def test_notes_for_teachers_do_not_reach_pupils():
    page = read_page(
        "before\n\n:::: instructor\n\nThe answer is 42.\n\n::: callout\ninner\n:::\n\n::::\n\nafter"
    )
    assert "42" not in page.text
    assert "inner" not in page.text
    assert page.text.split() == ["before", "after"]
    assert page.teacher_notes == 1


def test_a_fence_inside_a_note_does_not_end_it():
    page = read_page("::: instructor\n```\n:::\n```\nsecret\n:::\nafter")
    assert page.text == "after"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("`print` and *loops*", "print and loops"),
        ("[Rain](a.md) today", "Rain today"),
        ("snake_case stays, _this_ does not", "snake_case stays, this does not"),
        ("  two   spaces ", "two spaces"),
        ("نور", "نور"),
    ],
)
def test_a_title_is_plain_text(written, said):
    assert plain_title(written) == said
