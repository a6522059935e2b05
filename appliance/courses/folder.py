"""From a folder of Markdown files to a course: folder, module, lesson, section.

A directory is a module, a file is a lesson, a `##` heading starts a section. `config.yaml`
(as the Carpentries Workbench writes it) may give title, language and order; `index.md` may
give the title. Nothing is refused for being odd: what is not used is listed in `left_out`.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

import msgspec
from msgspec import Struct

from appliance.archives import decode_text
from appliance.courses.dialect import (
    HEADING,
    Page,
    plain_title,
    read_page,
    read_settings,
    walk,
)
from appliance.courses.faults import EmptyCourse
from appliance.courses.models import LeftOut
from appliance.errors import TooLarge

CONFIG: Final = ("config.yaml", "config.yml", "_config.yml")
PAGES: Final = frozenset({".md", ".markdown"})
INDEX: Final = "index"
ABOUT_THE_FOLDER: Final = frozenset(
    {
        "authors",
        "changelog",
        "code_of_conduct",
        "contributing",
        "licence",
        "license",
        "news",
        "readme",
    }
)
FOR_TEACHERS: Final = frozenset({"instructors"})
TITLE_LENGTH_MAX: Final = 300
SECTIONS_MAX: Final = 5_000  # a library of 270 stories has 3,334; one transaction writes them all
SECTION_CHARACTERS_MAX: Final = 200_000  # about a hundred printed pages under one heading

# A folder named after a language is called what its readers call it.
LANGUAGES: Final[Mapping[str, str]] = {
    "am": "አማርኛ",
    "ar": "العربية",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ha": "Hausa",
    "hi": "हिन्दी",
    "lg": "Luganda",
    "ny": "Chichewa",
    "om": "Afaan Oromoo",
    "pt": "Português",
    "rw": "Ikinyarwanda",
    "so": "Soomaali",
    "sw": "Kiswahili",
    "ti": "ትግርኛ",
    "xh": "isiXhosa",
    "yo": "Yorùbá",
    "zu": "isiZulu",
}


class Section(Struct, frozen=True):
    """A piece one reads in a few minutes; progress is counted in these."""

    title: str
    body: str


class Lesson(Struct, frozen=True):
    """One file. `path` is what links between lessons name."""

    path: str
    title: str
    sections: list[Section]


class Module(Struct, frozen=True):
    """One directory."""

    title: str
    lessons: list[Lesson]


class Course(Struct, frozen=True):
    """A whole folder, before it has ids."""

    title: str
    language: str
    modules: list[Module]
    left_out: list[LeftOut]

    @property
    def size_bytes(self) -> int:
        """Of what pupils would read."""
        lessons = (lesson for module in self.modules for lesson in module.lessons)
        return sum(len(each.body.encode()) for lesson in lessons for each in lesson.sections)

    def content_hash(self) -> bytes:
        """SHA-256 over what pupils would see; the same folder gives the same bytes."""
        content = (self.title, self.language, self.modules)
        return hashlib.sha256(msgspec.msgpack.encode(content)).digest()


def read_folder(files: Mapping[str, bytes], *, name: str, language: str) -> Course:
    """Read a course. `name` and `language` are used where the folder itself gives none.

    Raises Invalid for text that is not UTF-8, EmptyCourse when there is nothing to read,
    TooLarge past the limits.
    """
    folder, files = _inside(files)
    settings = _config(files)
    pages, left_out = _read_pages(files)
    left_out += _missing(settings, files)
    title = _title(settings, pages, name=name, folder=folder)
    modules = _modules(pages, settings, title, left_out)
    if not modules:
        raise EmptyCourse("the folder holds no Markdown file with text in it")
    spoken = _text(settings, "lang") or (folder if folder in LANGUAGES else language)
    return Course(title, spoken, modules, left_out)


def split_sections(text: str, lesson_title: str) -> list[Section]:
    """Cut at `#` and `##` outside of code and fenced divs.

    What stands before the first is named like the lesson, whose own title is not repeated.
    """
    sections: list[tuple[str, list[str]]] = [(lesson_title, [])]
    for line in walk(text.split("\n")):
        heading = None if line.is_code or line.div_depth else HEADING.match(line.text)
        if heading is None or len(heading["level"]) > 2:
            sections[-1][1].append(line.text)
            continue
        title = plain_title(heading["title"] or "")
        if heading["level"] == "##" or title != lesson_title:
            sections.append(((title or str(len(sections)))[:TITLE_LENGTH_MAX], []))
    whole = [Section(title, "\n".join(lines).strip()) for title, lines in sections]
    return [section for section in whole if section.body]


def _title(
    settings: Mapping[str, str | list[str]], pages: Mapping[str, Page], *, name: str, folder: str
) -> str:
    index = next((page for path, page in pages.items() if _stem(path) == INDEX), None)
    found = (
        _text(settings, "title")
        or (_text(index.settings, "title") if index else "")
        or _printable(name)
        or LANGUAGES.get(folder, _words(folder))
        or next((_lesson_title(page, _words(_stem(path))) for path, page in pages.items()), "")
    )
    return found[:TITLE_LENGTH_MAX]


def _inside(files: Mapping[str, bytes]) -> tuple[str, dict[str, bytes]]:
    """Step into the one directory that a zip of a folder usually holds."""
    folder, inner = "", dict(files)
    while True:
        tops = {path.partition("/")[0] for path in inner}
        if len(tops) != 1 or any("/" not in path for path in inner):
            return folder, inner
        folder = tops.pop()
        inner = {path.partition("/")[2]: data for path, data in inner.items()}


def _config(files: dict[str, bytes]) -> dict[str, str | list[str]]:
    for name in CONFIG:
        if name in files:
            return read_settings(decode_text(name, files.pop(name)))
    return {}


def _read_pages(files: Mapping[str, bytes]) -> tuple[dict[str, Page], list[LeftOut]]:
    pages, left_out = {}, []
    for path in sorted(files, key=_natural):
        reason = _reason_to_leave_out(path)
        if reason:
            left_out.append(LeftOut(path, reason))
            continue
        page = read_page(decode_text(path, files[path]))
        pages[path] = page
        if page.teacher_notes:
            left_out.append(LeftOut(path, _notes(page.teacher_notes)))
    return pages, left_out


def _notes(count: int) -> str:
    return "1 note for teachers" if count == 1 else f"{count} notes for teachers"


def _reason_to_leave_out(path: str) -> str:
    if PurePosixPath(path).suffix.lower() not in PAGES:
        return "not a Markdown file"
    if _stem(path).lower() in ABOUT_THE_FOLDER:
        return "about the folder, not for pupils"
    if path.partition("/")[0] in FOR_TEACHERS:
        return "for teachers"
    return ""


def _missing(settings: Mapping[str, str | list[str]], files: Mapping[str, bytes]) -> list[LeftOut]:
    return [
        LeftOut(f"{directory}/{name}", "named in config.yaml, not in the folder")
        for directory, names in settings.items()
        if isinstance(names, list)
        for name in names
        if f"{directory}/{name}" not in files and PurePosixPath(name).suffix in PAGES
    ]


def _modules(
    pages: Mapping[str, Page],
    settings: Mapping[str, str | list[str]],
    title: str,
    left_out: list[LeftOut],
) -> list[Module]:
    """Group lessons by directory: the top one first, then as config.yaml says, then by name."""
    by_directory: dict[str, list[Lesson]] = defaultdict(list)
    for path in sorted(pages, key=lambda path: _place(path, settings)):
        lesson = _lesson(path, pages[path], title)
        if lesson.sections:
            by_directory[_directory(path)].append(lesson)
        else:
            left_out.append(LeftOut(path, "has no text"))
    _require_limits(by_directory)
    return [
        Module(_module_title(directory, title), lessons)
        for directory, lessons in by_directory.items()
    ]


def _require_limits(by_directory: Mapping[str, list[Lesson]]) -> None:
    lessons = [lesson for lessons in by_directory.values() for lesson in lessons]
    count = sum(len(lesson.sections) for lesson in lessons)
    if count > SECTIONS_MAX:
        raise TooLarge(f"the course has {count} sections; {SECTIONS_MAX} are allowed")
    for lesson in lessons:
        for section in lesson.sections:
            if len(section.body) > SECTION_CHARACTERS_MAX:
                raise TooLarge(
                    f"{lesson.path}, {section.title!r} has {len(section.body)} characters; "
                    f"{SECTION_CHARACTERS_MAX} are allowed"
                )


def _place(
    path: str, settings: Mapping[str, str | list[str]]
) -> tuple[bool, int, list[tuple[int, str]], bool, int, list[tuple[int, str]]]:
    directory, names = _directory(path), list(settings)
    order = settings.get(directory)
    listed = order if isinstance(order, list) else []
    name = PurePosixPath(path).name
    return (
        directory != "",
        names.index(directory) if directory in names else len(names),
        _natural(directory),
        _stem(path) != INDEX,
        listed.index(name) if name in listed else len(listed),
        _natural(name),
    )


def _lesson(path: str, page: Page, course_title: str) -> Lesson:
    fallback = course_title if path == f"{INDEX}.md" else _words(_stem(path))
    title = _lesson_title(page, fallback)
    return Lesson(path, title, split_sections(page.text, title))


def _lesson_title(page: Page, fallback: str) -> str:
    title = _text(page.settings, "title") or _first_heading(page.text) or fallback
    return title[:TITLE_LENGTH_MAX]


def _first_heading(text: str) -> str:
    for line in walk(text.split("\n")):
        heading = None if line.is_code else HEADING.match(line.text)
        if heading and heading["level"] == "#":
            return plain_title(heading["title"] or "")
    return ""


def _module_title(directory: str, course_title: str) -> str:
    if not directory:
        return course_title[:TITLE_LENGTH_MAX]
    parts = [LANGUAGES.get(part) or _words(part) for part in directory.split("/")]
    return " · ".join(parts)[:TITLE_LENGTH_MAX]


def _text(settings: Mapping[str, str | list[str]], name: str) -> str:
    value = settings.get(name, "")
    return _printable(value) if isinstance(value, str) else ""


def _printable(text: str) -> str:
    """Titles are one line; control characters would travel to the district and break there."""
    return " ".join("".join(filter(str.isprintable, text)).split())


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _directory(path: str) -> str:
    return path.rpartition("/")[0]


def _words(name: str) -> str:
    """`03-read_files` is called "Read files"."""
    name = _printable(name)
    words = re.sub(r"[-_\s]+", " ", re.sub(r"^\d+[-_. ]+", "", name)).strip() or name
    return words[:1].upper() + words[1:]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort `10-b` after `9-a`."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
