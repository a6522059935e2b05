"""From Markdown to HTML that cannot hurt."""

import pytest

from appliance.courses.rendering import render, text_direction


@pytest.mark.parametrize(
    "spite",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[tap](javascript:alert(1))",
        "[tap](JaVaScRiPt:alert(1))",
        "[tap](data:text/html;base64,PHNjcmlwdD4=)",
        "[tap](vbscript:x)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        '[tap](https://a.example "\\"><script>alert(1)</script>")',
        "<kbd onclick=alert(1)>x</kbd>",
        "<kbd><script>alert(1)</script></kbd>",
        "::: callout\n## <script>alert(1)</script>\nx\n:::",
        '::: "><script>alert(1)</script>\nx\n:::',
        '```"><script>alert(1)</script>\nx\n```',
        "&lt;script&gt;alert(1)&lt;/script&gt;",
    ],
)
def test_nothing_that_runs_comes_through(spite):
    html = render(spite)
    assert "<script" not in html.lower()
    assert "<img" not in html
    assert 'href="javascript' not in html.lower()
    assert 'href="data' not in html
    assert "onclick=alert(1)>" not in html


@pytest.mark.parametrize(
    ("written", "html"),
    [
        (
            "[a](https://a.example/x)",
            '<a href="https://a.example/x" rel="noopener noreferrer">a</a>',
        ),
        ("[a](#gauge)", '<a href="#gauge">a</a>'),
        (
            "[a](/learn/lessons/019ab697-e800-75a7-b61e-d2c48ee9d18e#b)",
            '<a href="/learn/lessons/019ab697-e800-75a7-b61e-d2c48ee9d18e#b">a</a>',
        ),
        ("[a](../other.md)", "a"),
        ("[a](/sign-out)", "a"),
        ("[a](//evil.example)", "a"),
        ("press <kbd>Tab</kbd>", "press <kbd>Tab</kbd>"),
        ("2<sup>8</sup>", "2<sup>8</sup>"),
        ("![a lake](lake.png)", '<span class="picture-left-out">Picture: a lake</span>'),
        ("![](lake.png)", '<span class="picture-left-out">Picture</span>'),
    ],
)
def test_links_stay_where_they_lead_somewhere_and_words_stay_always(written, html):
    assert render(written) == f"<p>{html}</p>\n"


def test_boxes_are_called_by_what_they_are_for():
    html = render(
        ":::::: challenge\n\n## Slicing\n\nTry `a[1]`.\n\n"
        "::: solution\n\n## Solution\n\nb\n\n:::\n\n::::::\n\nafter"
    )
    assert (
        '<aside class="block block-challenge">\n<p class="block-name">Try it: Slicing</p>' in html
    )
    assert (
        "<details>\n<summary>Answer</summary>\n<p>b</p>\n</details>\n</aside>\n<p>after</p>" in html
    )


def test_a_box_of_an_unknown_kind_is_a_plain_one():
    assert render("::: weather\nx\n:::") == '<aside class="block">\n<p>x</p>\n</aside>\n'


def test_a_box_that_nobody_closed_ends_with_the_text():
    assert render("::: callout\nx").endswith("<p>x</p>\n</aside>\n")


def test_colons_inside_code_do_not_close_a_box():
    html = render("::: callout\n```\n:::\n```\ny\n:::\nz")
    assert html.endswith("<p>y</p>\n</aside>\n<p>z</p>\n")


def test_headings_stand_below_the_title_of_their_section():
    assert render("### A\n\n#### B\n\n###### C") == "<h4>A</h4>\n<h4>B</h4>\n<h4>C</h4>\n"


@pytest.mark.parametrize(
    "written", ["```python\nprint(1)\n```", "    print(1)", "<pre>\n\n    print(1)"]
)
def test_code_can_be_scrolled_by_keyboard(written):
    assert render(written).count('<pre tabindex="0"><code') == 1
    assert "<pre>" not in render(written)


def test_tables_are_tables():
    assert "<th>day</th>" in render("| day | mm |\n|---|---|\n| Mon | 4 |")


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("Rain", "ltr"),
        ("1. نور", "rtl"),
        ("אור", "rtl"),
        ("123", "ltr"),
        ("", "ltr"),
        ("ዝናብ", "ltr"),
    ],
)
def test_text_runs_the_way_its_letters_do(text, direction):
    assert text_direction(text) == direction
