"""The style sheet: readable in the sun and at night, and understood by Chrome 61."""

import re
from pathlib import Path

import pytest

import appliance.web
from appliance.web.static import STATIC

CSS = re.sub(r"/\*.*?\*/", "", (STATIC / "darasa.css").read_text(encoding="utf-8"), flags=re.DOTALL)
AA_TEXT, AA_SHAPE = 4.5, 3.0

TEXT_ON = [
    ("ink", "paper"),
    ("ink", "sheet"),
    ("ink", "sunk"),
    ("soft", "paper"),
    ("soft", "sheet"),
    ("soft", "sunk"),
    ("soft", "line"),
    ("link", "paper"),
    ("link", "sheet"),
    ("on-board", "board"),
    ("board-soft", "board"),
    ("on-act", "act"),
    ("on-danger", "danger"),
    ("info", "info-back"),
    ("good", "good-back"),
    ("good", "sheet"),
    ("warn", "warn-back"),
    ("bad", "bad-back"),
    ("bad", "sheet"),
    ("ink", "info-back"),
    ("ink", "warn-back"),
    ("ink", "good-back"),
    ("soft", "info-back"),
    ("soft", "warn-back"),
    ("soft", "good-back"),
]
SHAPE_ON = [
    ("edge", "sheet"),
    ("edge", "paper"),
    ("act", "sheet"),
    ("act", "line"),
    ("mango", "board"),
    ("focus", "paper"),
    ("focus", "sheet"),
    ("danger", "sheet"),
]


def colours(block):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


LIGHT = colours(CSS.split("@media")[0])
DARK = LIGHT | colours(
    re.search(r"@media \(prefers-color-scheme: dark\) \{(.*?\})\s*\}", CSS, re.DOTALL)[1]
)


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lower, higher = sorted([luminance(one), luminance(other)])
    return (higher + 0.05) / (lower + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT_ON)
def test_text_can_be_read(theme, front, back):
    palette = {"light": LIGHT, "dark": DARK}[theme]
    assert contrast(palette[front], palette[back]) >= AA_TEXT


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), SHAPE_ON)
def test_shapes_that_carry_meaning_can_be_seen(theme, front, back):
    palette = {"light": LIGHT, "dark": DARK}[theme]
    assert contrast(palette[front], palette[back]) >= AA_SHAPE


def test_the_two_themes_differ():
    assert LIGHT["paper"] != DARK["paper"]


@pytest.mark.parametrize(
    "newer",
    [
        r":is\(",
        r":where\(",
        r":has\(",
        r"\b(?:min|max|clamp)\(",
        r"(?:margin|padding|border|inset)-(?:inline|block)",
        r"\binset:",
        r"aspect-ratio",
        r"color-mix\(",
        r"(?<![-\w])gap:",
        r"(?<!-)(?:row|column)-gap:",
        r"&",
        r"@layer",
        r"@container",
    ],
)
def test_nothing_is_used_that_chrome_61_cannot_read(newer):
    assert re.search(newer, CSS.replace("minmax(", "")) is None


def test_left_and_right_are_mirrored_for_arabic():
    sided = re.findall(
        r"^(\.[^{]*?)\{[^}]*(?:margin|padding|border)-(?:left|right):", CSS, re.MULTILINE
    )
    mirrored = " ".join(re.findall(r'\[dir="rtl"\][^{]*', CSS))
    symmetric = {".card > .list-plain", ".card > .list-plain .list-link"}
    for selector in sided:
        for one in selector.split(","):
            name = one.strip().split("::")[0].removeprefix("a")
            assert name in symmetric or name.split()[-1] in mirrored, one


def test_pages_carry_no_inline_style_or_script():
    templates = list(Path(appliance.web.__file__).parents[1].rglob("templates/*.html"))
    assert templates
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=\"|<script(?![^>]*\ssrc=)", text), (
            template
        )
