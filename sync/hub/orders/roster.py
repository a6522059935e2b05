"""A school's classes and pupils as the district has them: rows the district owns.

Ids are derived from the school and the words, so the same list again finds the same rows. A
pupil's number, where there is one, stays with the pupil through a change of name or class.
"""

import csv
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Final, LiteralString
from uuid import UUID

import msgspec

from sync.hub.orders.faults import BadRoster
from sync.hub.orders.models import NewRoster, Pupil, RosterReport
from sync.hub.orders.rows import Pen, derived_id

ROSTER_BYTES_MAX: Final = 1 << 20  # five thousand pupils with long names
DELIMITERS: Final = ",;\t"
COLUMNS: Final[Mapping[str, str]] = {
    "class": "class_name",
    "name": "display_name",
    "number": "student_no",
}

LOCALE: Final[LiteralString] = """
SELECT o.locale
  FROM org_unit AS o
 WHERE o.school_id = $1
   AND o.id        = $1
"""

PLACES: Final[LiteralString] = """
SELECT m.id, m.class_group_id, m.person_id
  FROM class_member AS m
 WHERE m.school_id = $1
   AND m.person_id = ANY ($2::uuid[])
   AND m.owner_node_id IS NOT NULL
   AND m.deleted_at_ms IS NULL
"""


def read_roster(text: str) -> NewRoster:
    """Read a list with a heading. Raises BadRoster, naming the line."""
    lines = text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    heading = lines[0] if lines else ""
    delimiter = max(DELIMITERS, key=heading.count)
    table = csv.DictReader(
        StringIO(text.lstrip("\N{ZERO WIDTH NO-BREAK SPACE}")), delimiter=delimiter
    )
    names = {name: COLUMNS.get((name or "").strip().casefold()) for name in table.fieldnames or ()}
    if not {"class_name", "display_name"} <= set(names.values()):
        raise BadRoster(f"the first line is {heading[:100]!r}")
    pupils = [_pupil(line, names, table.line_num) for line in table]
    if not pupils:
        raise BadRoster("there is no pupil in it")
    return NewRoster(pupils=pupils)


async def write_roster(pen: Pen, roster: NewRoster) -> RosterReport:
    """Write what is not there yet; pupils who are not in the list stay as they are."""
    locale = await pen.link.fetchval(LOCALE, pen.scope_id) or "en"
    classes: dict[str, UUID] = {}
    places: set[tuple[UUID, UUID]] = set()
    written = 0
    for key, pupil in _keyed(roster.pupils):
        name = _nfc(pupil.class_name)
        if name not in classes:
            classes[name] = derived_id(pen.scope_id, "class", name.casefold())
            written += await _put_class(pen, classes[name], name)
        person_id = derived_id(pen.scope_id, "person", *key)
        places.add((classes[name], person_id))
        written += await _put_pupil(pen, person_id, pupil, locale)
        written += await _put_place(pen, classes[name], person_id)
    written += await _end_other_places(pen, places)
    return RosterReport(classes=len(classes), pupils=len(roster.pupils), written=written)


def _pupil(line: Mapping[str, str | None], names: Mapping[str, str | None], at: int) -> Pupil:
    said = {wanted: (line[name] or "").strip() or None for name, wanted in names.items() if wanted}
    try:
        return msgspec.convert(said, Pupil)
    except msgspec.ValidationError as error:
        raise BadRoster(f"line {at}: {error}") from error


def _keyed(pupils: Sequence[Pupil]) -> Iterator[tuple[tuple[str, ...], Pupil]]:
    """Tell two pupils of one name in one class apart by their order in the list."""
    seen: Counter[tuple[str, ...]] = Counter()
    for pupil in pupils:
        if pupil.student_no is not None:
            yield ("number", pupil.student_no), pupil
            continue
        key = (_nfc(pupil.class_name).casefold(), _nfc(pupil.display_name))
        seen[key] += 1
        yield (*key, str(seen[key])), pupil


async def _put_class(pen: Pen, class_id: UUID, name: str) -> bool:
    return await pen.put_changed(
        "class_group", id=class_id, org_id=pen.scope_id, name=name, deleted_at_ms=None
    )


async def _put_pupil(pen: Pen, person_id: UUID, pupil: Pupil, locale: str) -> int:
    is_new = await pen.put_changed(
        "person",
        id=person_id,
        org_id=pen.scope_id,
        display_name=_nfc(pupil.display_name),
        student_no=pupil.student_no,
        locale=locale,
        state="active",
        deleted_at_ms=None,
    )
    has_role = await pen.put_changed(
        "role_assignment",
        id=derived_id(person_id, "learner"),
        person_id=person_id,
        role="learner",
        scope_kind="org",
        scope_id=pen.scope_id,
        deleted_at_ms=None,
    )
    return is_new + has_role


async def _put_place(pen: Pen, class_id: UUID, person_id: UUID) -> bool:
    return await pen.put_changed(
        "class_member",
        id=derived_id(class_id, person_id),
        class_group_id=class_id,
        person_id=person_id,
        deleted_at_ms=None,
    )


async def _end_other_places(pen: Pen, places: set[tuple[UUID, UUID]]) -> int:
    """A pupil of the list is where the list says, and no longer where an earlier one did."""
    people = [person_id for _, person_id in places]
    found = await pen.link.fetch(PLACES, pen.scope_id, people)
    ended = [
        each["id"] for each in found if (each["class_group_id"], each["person_id"]) not in places
    ]
    for member_id in ended:
        await pen.withdraw("class_member", member_id)
    return len(ended)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))
