"""Two versions of one row side by side, as people read them: what differs stands first, marked.

Used by the box for its own rows and by the hub for its schools'; what a version is and where
it comes from is theirs.
"""

from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.web.moments import moment

NOTHING: Final = "–"  # noqa: RUF001 -- as in every table of ours
WORDS_MARKED_MAX: Final = 4_000  # of both texts; comparing words takes the square of them

# What people call the tables; the others are named as they are.
TABLE_WORDS: Final = {
    "org_unit": "school",
    "role_assignment": "role",
    "class_group": "class",
    "class_member": "member of a class",
    "course_version": "version of a course",
    "course_run": "course of a class",
    "progress_fact": "progress",
    "assessment": "task",
    "submission": "state of a hand-in",
    "submission_revision": "hand-in",
    "grade": "mark",
    "attachment": "file of a hand-in",
    "health_sample": "health of the box",
}

# How a row is kept, which nobody needs to see unless it is all that differs.
BOOKKEEPING: Final = frozenset({"version", "owner_epoch", "owner_node_id", "updated_at_ms"})


class Run(Struct, frozen=True):
    """A stretch of text; `differs`: the other version has something else here."""

    text: str
    differs: bool


class Pair(Struct, frozen=True):
    """One column in both versions."""

    name: str
    left: list[Run]
    right: list[Run]
    differs: bool
    is_bookkeeping: bool


def table_words(name: str) -> str:
    """Say what a table holds one of."""
    return TABLE_WORDS.get(name, name.replace("_", " "))


def side_by_side(
    left: Mapping[str, object], right: Mapping[str, object], names: Mapping[bytes, str]
) -> list[Pair]:
    """Put two images beside each other. `names`: what people with these ids are called."""
    columns = [*left, *(name for name in right if name not in left)]
    pairs = [_pair(name, left.get(name), right.get(name), names) for name in columns]
    return sorted(pairs, key=lambda pair: (not pair.differs, pair.is_bookkeeping))


def cells(image: Mapping[str, object], names: Mapping[bytes, str]) -> list[Pair]:
    """One image by itself."""
    return [_pair(name, value, value, names) for name, value in image.items()]


def ids_in(*images: Mapping[str, object]) -> list[bytes]:
    """Ids of people that these images name."""
    found = {
        value
        for image in images
        for name, value in image.items()
        if name.endswith("person_id") and isinstance(value, bytes) and len(value) == 16
    }
    return sorted(found)


def _pair(name: str, left: object, right: object, names: Mapping[bytes, str]) -> Pair:
    said = _said(name, left, names), _said(name, right, names)
    runs = _marked(*said) if left != right else ([Run(said[0], False)], [Run(said[1], False)])  # noqa: FBT003 -- a field
    title = name.removesuffix("_ms").removesuffix("_mp").removesuffix("_id").replace("_", " ")
    return Pair(title, *runs, left != right, name in BOOKKEEPING)


def _said(name: str, value: object, names: Mapping[bytes, str]) -> str:
    """A value in words; ids of people by their names."""
    match value:
        case None:
            said = NOTHING
        case bytes():
            said = names.get(value) or (str(UUID(bytes=value)) if len(value) == 16 else value.hex())
        case int() if name.endswith("_at_ms") and 0 <= value < 1 << 48:
            said = moment(value)
        case int() if name.endswith("_mp"):
            said = f"{value / 1000:g}"
        case _:
            said = str(value)
    return said


def _marked(left: str, right: str) -> tuple[list[Run], list[Run]]:
    """Mark the words that are not in the other text; everything when there are too many."""
    ours, theirs = _words(left), _words(right)
    if len(ours) + len(theirs) > WORDS_MARKED_MAX:
        return [Run(left, True)], [Run(right, True)]  # noqa: FBT003 -- a field
    found: tuple[list[Run], list[Run]] = ([], [])
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, from_left, to_left, from_right, to_right in matcher.get_opcodes():
        for runs, words in (
            (found[0], ours[from_left:to_left]),
            (found[1], theirs[from_right:to_right]),
        ):
            if words:
                runs.append(Run("".join(words), tag != "equal"))
    return found


def _words(text: str) -> list[str]:
    """Cut after each space, so that joining them gives the text again."""
    words = text.split(" ")
    return [f"{word} " for word in words[:-1]] + words[-1:]
