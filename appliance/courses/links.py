"""What a course is called for finding it again, and where its links lead."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from posixpath import normpath
from typing import Final
from uuid import UUID

CODE_LENGTH_MAX: Final = 100
LINK_TO_PAGE: Final = re.compile(
    r"\]\((?P<path>[^()\s:#]+\.(?:md|markdown))(?P<anchor>#[^()\s]*)?\)"
)


def course_code(title: str) -> str:
    """Return the name by which the next import finds this course again."""
    code = re.sub(r"[\W_]+", "-", title.casefold()).strip("-")
    return (code or title.strip())[:CODE_LENGTH_MAX]


def rewrite_links(body: str, *, path: str, lesson_ids: Mapping[str, UUID]) -> str:
    """Let links between files lead to the lessons those files became."""
    directory = PurePosixPath(path).parent

    def replaced(found: re.Match[str]) -> str:
        lesson_id = lesson_ids.get(normpath(str(directory / found["path"])))
        anchor = found["anchor"] or ""
        return f"](/learn/lessons/{lesson_id}{anchor})" if lesson_id else found[0]

    return LINK_TO_PAGE.sub(replaced, body)
