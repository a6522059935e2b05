"""Components and filters that every page is made of."""

import pytest
from jinja2 import UndefinedError

from appliance.web.templates import environment

PARTS = '{% from "web/templates/parts.html" import custody, field, notice, progress %}'


@pytest.fixture(scope="module")
def show():
    built = environment()
    return lambda text, **context: built.from_string(PARTS + text).render(context)


def test_names_and_words_of_pupils_are_text_and_never_markup(show):
    page = show(
        '{{ name }} {{ notice("info", name) }} {{ field("title", "Title", value=name) }}',
        name='<script>alert("Amina")</script>',
    )
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 3


def test_an_unknown_variable_is_an_error_and_not_an_empty_page(show):
    with pytest.raises(UndefinedError):
        show("{{ no_such_thing }}")


@pytest.mark.parametrize(
    ("level", "reached"),
    [
        ("phone", 1),
        ("box", 2),
        ("district", 3),
        ("district_backup", 3),
        ("district_conflict", 3),
    ],
)
def test_the_custody_line_claims_no_more_than_its_level(show, level, reached):
    line = show("{{ custody(level) }}", level=level)
    assert line.count(": yes") == reached
    assert line.count(": not yet") == 3 - reached
    assert ("two versions" in line) == (level == "district_conflict")


def test_a_field_with_an_error_says_so_to_a_screen_reader(show):
    field = show('{{ field("points", "Most points", error="Write a number.", help="Up to 1000") }}')
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="help-points error-points"' in field


@pytest.mark.parametrize(
    ("points_mp", "said"), [(0, "0"), (7_500, "7.5"), (8_000, "8"), (100_000, "100"), (1, "0.001")]
)
def test_points_are_written_as_people_write_them(show, points_mp, said):
    assert show("{{ points_mp|points }}", points_mp=points_mp) == said


def test_an_instant_is_written_for_people_and_for_machines(show):
    assert show("{{ 1764000000000|iso_moment }}") == "2025-11-24T16:00:00Z"
    assert "Nov 2025, " in show("{{ 1764000000000|moment }}")
