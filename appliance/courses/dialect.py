"""From the Markdown people have to the Markdown we keep.

Folders come from text editors, from Pandoc and from the Carpentries Workbench. Here the
extras that are not text for a pupil are taken off, line by line and never inside a code
fence: front matter, comments, attribute braces, notes for teachers. What is left is
CommonMark with tables and fenced divs (`::: callout`).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from msgspec import Struct

CODE_FENCE: Final = re.compile(r"^ {0,3}(?P<fence>`{3,}|~{3,})(?P<info>.*)$")
DIV_OPEN: Final = re.compile(r"^:{3,}\s*\{?\.?(?P<name>[A-Za-z][\w-]*)[^:]*:*\s*$")
DIV_CLOSE: Final = re.compile(r"^:{3,}\s*$")
HEADING: Final = re.compile(r"^(?P<level>#{1,6})(?:[ \t]+(?P<title>.*?))?(?:[ \t]+#*)?$")
SETTING: Final = re.compile(r"^(?P<name>[A-Za-z_][\w-]*):[ \t]*(?P<value>.*)$")
ITEM: Final = re.compile(r"^[ \t]*-[ \t]+(?P<value>.+)$")

COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
PICTURE_ALT: Final = re.compile(
    r"!\[[^\]]*\]\((?P<where>[^)]*)\)\{[^}]*?alt=(?P<quote>['\"])(?P<alt>.*?)(?P=quote)[^}]*\}",
    re.DOTALL,
)
TERM: Final = re.compile(r"^\[(?P<term>[^\]]+)\]\{#[^}]*\}[ \t]*$", re.MULTILINE)
DEFINITION: Final = re.compile(r"^:[ \t]{1,3}(?=\S)", re.MULTILINE)
ATTRIBUTES: Final = re.compile(
    r"(?<=[)\]])\{[^{}]*\}|^\{:[^{}]*\}[ \t]*$|[ \t]+\{[#.][^{}]*\}(?=[ \t]*$)", re.MULTILINE
)
FOR_TEACHERS: Final = frozenset({"instructor"})


class Line(Struct, frozen=True):
    """One line, and whether it is code or stands inside fenced divs."""

    text: str
    is_code: bool
    div_depth: int


class Page(Struct, frozen=True):
    """One file: its front matter, its text, how many notes for teachers were taken out."""

    settings: dict[str, str | list[str]]
    text: str
    teacher_notes: int


def read_page(text: str) -> Page:
    """Take `text` apart."""
    settings, body = split_front_matter(text.replace("\r\n", "\n").replace("\r", "\n"))
    body, teacher_notes = without_teacher_notes(body)
    runs = groupby(walk(body.split("\n")), key=lambda line: line.is_code)
    cleaned = [
        text if is_code else _clean(text)
        for is_code, lines in runs
        for text in ["\n".join(line.text for line in lines)]
    ]
    return Page(settings, "\n".join(cleaned), teacher_notes)


def split_front_matter(text: str) -> tuple[dict[str, str | list[str]], str]:
    """Split `---` settings from the text that follows them."""
    if not text.startswith("---\n"):
        return {}, text
    head, mark, body = text[4:].partition("\n---\n")
    return (read_settings(head), body) if mark else ({}, text)


def read_settings(text: str) -> dict[str, str | list[str]]:
    """Read `name: value` lines and lists of `- item`; of YAML, that is all that courses use."""
    settings: dict[str, str | list[str]] = {}
    name = ""
    for line in text.split("\n"):
        item, setting = ITEM.match(line), SETTING.match(line)
        if setting:
            name = setting["name"]
            settings[name] = _unquote(setting["value"])
        elif item and name:
            before = settings[name]
            items = before if isinstance(before, list) else []
            settings[name] = [*items, _unquote(item["value"])]
    return settings


def walk(lines: Iterable[str]) -> Iterator[Line]:
    """Say of every line whether it is code and how deep in fenced divs it stands."""
    fence, depth = "", 0
    for text in lines:
        mark = CODE_FENCE.match(text)
        if fence:
            yield Line(text, is_code=True, div_depth=depth)
            if mark and mark["fence"].startswith(fence) and not mark["info"].strip():
                fence = ""
        elif mark:
            fence = mark["fence"]
            yield Line(text, is_code=True, div_depth=depth)
        else:
            depth += 1 if DIV_OPEN.match(text) else 0
            yield Line(text, is_code=False, div_depth=depth)
            depth -= 1 if DIV_CLOSE.match(text) and depth else 0


def without_teacher_notes(text: str) -> tuple[str, int]:
    """Take out the divs that only teachers are to read; they must not reach a pupil's phone."""
    kept, notes, until_depth = [], 0, 0
    for line in walk(text.split("\n")):
        opening = None if line.is_code else DIV_OPEN.match(line.text)
        if not until_depth and opening and opening["name"] in FOR_TEACHERS:
            until_depth, notes = line.div_depth, notes + 1
        if not until_depth:
            kept.append(line.text)
        elif line.div_depth == until_depth and not line.is_code and DIV_CLOSE.match(line.text):
            until_depth = 0
    return "\n".join(kept), notes


def plain_title(markdown: str) -> str:
    """A heading as plain text: no emphasis, no code marks, no link targets."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"\\([^\w\s])", r"\1", re.sub(r"(?<!\\)[`*]|(?<!\w)_|_(?!\w)", "", text))
    return " ".join(text.split())


def _clean(text: str) -> str:
    text = PICTURE_ALT.sub(_picture, COMMENT.sub("", text))
    text = DEFINITION.sub("", TERM.sub(r"**\g<term>**\\", text))
    return ATTRIBUTES.sub("", text)


def _picture(found: re.Match[str]) -> str:
    alt = re.sub(r"(?<!\\)([\[\]])", r"\\\1", " ".join(found["alt"].split()))
    return f"![{alt}]({found['where']})"


def _unquote(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] in "'\"" and value[-1] == value[0]:
        return value[1:-1]
    return value.partition(" #")[0].strip()
