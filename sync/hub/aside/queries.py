"""Reading what was put aside, and rows with two versions."""

from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from msgspec import Struct

from appliance.errors import NotFound
from appliance.web.versions import cells, ids_in, side_by_side
from sync.hub.aside.models import (
    AsideDetail,
    AsideRow,
    Choice,
    ConflictDetail,
    ConflictRow,
    ConflictsListed,
    Group,
    RowsListed,
)
from sync.hub.database import Link, row, rows
from sync.hub.intake.pulling import ROWS
from sync.registry import TABLE, TABLE_NUMBERED

GROUPS_MAX: Final = 200
PAGE: Final = 50
FIRST_ID: Final = UUID(int=0)
LAST_ID: Final = UUID(int=(1 << 128) - 1)
OPEN_PRIVACY: Final = frozenset({"P0", "P1"})  # about nobody

GROUPS: Final[LiteralString] = """
SELECT q.tbl, q.reason, count(*) AS rows,
       count(*) FILTER (WHERE q.dismissed_at_ms IS NOT NULL) AS dismissed,
       min(q.first_at_ms) AS since_ms
  FROM sync_quarantine AS q
 WHERE q.school_id = $1
   AND q.resolved_at_ms IS NULL
 GROUP BY q.tbl, q.reason
 ORDER BY count(*) FILTER (WHERE q.dismissed_at_ms IS NULL) DESC, q.tbl, q.reason
 LIMIT $2
"""

# One page of a group, or the one row that is asked for.
ASIDE: Final[LiteralString] = """
SELECT q.id, q.tbl, q.pk, q.reason, q.first_at_ms, q.dismissed_at_ms, q.dismissed_reason,
       p.display_name AS dismissed_by_name
  FROM sync_quarantine AS q
  LEFT JOIN person AS p
    ON p.school_id = $2
   AND p.id        = q.dismissed_by
 WHERE q.school_id = $1
   AND q.id        > $3
   AND ($4::text IS NULL OR q.tbl    = $4)
   AND ($5::text IS NULL OR q.reason = $5)
   AND ($6::uuid IS NULL OR q.id     = $6)
   AND q.resolved_at_ms IS NULL
 ORDER BY q.id
 LIMIT $7
"""

ASIDE_IMAGE: Final[LiteralString] = """
SELECT q.image
  FROM sync_quarantine AS q
 WHERE q.school_id = $1
   AND q.id        = $2
"""

CHOSEN: Final[LiteralString] = """
SELECT q.id
  FROM sync_quarantine AS q
 WHERE q.school_id = $1
   AND ($2::uuid IS NULL OR q.id     = $2)
   AND ($3::text IS NULL OR q.tbl    = $3)
   AND ($4::text IS NULL OR q.reason = $4)
   AND q.resolved_at_ms IS NULL
 ORDER BY q.first_at_ms, q.id
 LIMIT $5
"""

# One page, or the one that is asked for.
CONFLICTS: Final[LiteralString] = """
SELECT c.id, c.tbl, c.pk, c.kept_at_ms, k.at_ms AS looked_at_ms,
       p.display_name AS looked_by_name
  FROM sync_conflict AS c
  LEFT JOIN conflict_look AS k
    ON k.school_id   = c.school_id
   AND k.conflict_id = c.id
  LEFT JOIN person AS p
    ON p.school_id = $2
   AND p.id        = k.by_person_id
 WHERE c.school_id = $1
   AND c.id        < $3
   AND ($4::boolean OR k.at_ms IS NULL)
   AND ($5::uuid IS NULL OR c.id = $5)
 ORDER BY c.id DESC
 LIMIT $6
"""

CONFLICT_IMAGE: Final[LiteralString] = """
SELECT c.image
  FROM sync_conflict AS c
 WHERE c.school_id = $1
   AND c.id        = $2
"""

NAMES: Final[LiteralString] = """
SELECT p.id, p.display_name
  FROM person AS p
 WHERE p.school_id = $1
   AND p.id        = ANY($2::uuid[])
"""

Image = dict[str, Any]


class FoundConflict(Struct, frozen=True, kw_only=True):
    """A row of CONFLICTS."""

    id: UUID
    tbl: int
    pk: UUID
    kept_at_ms: int
    looked_at_ms: int | None
    looked_by_name: str | None

    def named(self) -> ConflictRow:
        """The same with the table's name."""
        table = TABLE_NUMBERED.get(self.tbl)
        return ConflictRow(
            id=self.id,
            tbl=table.name if table else str(self.tbl),
            pk=self.pk,
            kept_at_ms=self.kept_at_ms,
            looked_at_ms=self.looked_at_ms,
            looked_by_name=self.looked_by_name,
        )


async def aside_groups(link: Link, school_id: UUID) -> list[Group]:
    """Everything that is aside, by table and reason; most of it first."""
    return await rows(link, Group, GROUPS, school_id, GROUPS_MAX)


async def aside_rows(
    link: Link, school_id: UUID, district_id: UUID, choice: Choice, after: UUID
) -> RowsListed:
    """One page of a group."""
    args = (district_id, after, choice.tbl, choice.reason, None, PAGE + 1)
    found = await rows(link, AsideRow, ASIDE, school_id, *args)
    more = len(found) > PAGE
    return RowsListed(rows=found[:PAGE], next_after=found[PAGE - 1].id if more else None)


async def aside_detail(link: Link, school_id: UUID, district_id: UUID, row_id: UUID) -> AsideDetail:
    """One row with its content. Raises NotFound."""
    args = (district_id, FIRST_ID, None, None, row_id, 1)
    found = await row(link, AsideRow, ASIDE, school_id, *args)
    if found is None:
        raise NotFound(f"row {row_id} is not aside")
    image = _image(await link.fetchval(ASIDE_IMAGE, school_id, row_id))
    names = await _names(link, school_id, image)
    return AsideDetail(row=found, is_personal=_is_personal(found.tbl), cells=cells(image, names))


async def chosen_rows(link: Link, school_id: UUID, choice: Choice, limit: int) -> list[UUID]:
    """Ids of the rows a choice means, oldest first."""
    args = (choice.row_id, choice.tbl, choice.reason, limit)
    return [found["id"] for found in await link.fetch(CHOSEN, school_id, *args)]


async def conflicts(
    link: Link, school_id: UUID, district_id: UUID, *, before: UUID, is_all: bool
) -> ConflictsListed:
    """One page of rows with two versions: those nobody has looked at, or all."""
    args = (district_id, before, is_all, None, PAGE + 1)
    found = [each.named() for each in await rows(link, FoundConflict, CONFLICTS, school_id, *args)]
    more = len(found) > PAGE
    return ConflictsListed(rows=found[:PAGE], next_before=found[PAGE - 1].id if more else None)


async def conflict_detail(
    link: Link, school_id: UUID, district_id: UUID, conflict_id: UUID
) -> ConflictDetail:
    """Both versions of one row. Raises NotFound."""
    args = (district_id, LAST_ID, True, conflict_id, 1)
    found = await row(link, FoundConflict, CONFLICTS, school_id, *args)
    if found is None:
        raise NotFound(f"conflict {conflict_id}")
    other = _image(await link.fetchval(CONFLICT_IMAGE, school_id, conflict_id))
    current = await _current(link, school_id, found)
    names = await _names(link, school_id, current, other)
    listed = found.named()
    return ConflictDetail(
        row=listed,
        is_personal=_is_personal(listed.tbl),
        is_current_gone=not current,
        cells=side_by_side(current, other, names),
    )


async def _current(link: Link, school_id: UUID, found: FoundConflict) -> Image:
    table = TABLE_NUMBERED.get(found.tbl)
    if table is None:
        return {}
    there = await link.fetch(ROWS[table.name], school_id, [found.pk])
    if not there:
        return {}
    named = dict(there[0])
    return {column.name: _cell(named[column.name]) for column in table.columns}


async def _names(link: Link, school_id: UUID, *images: Image) -> dict[bytes, str]:
    wanted = [UUID(bytes=each) for each in ids_in(*images)]
    found = await link.fetch(NAMES, school_id, wanted)
    return {each["id"].bytes: each["display_name"] for each in found}


def _image(packed: bytes) -> Image:
    return msgspec.msgpack.decode(packed, type=dict[str, Any])


def _cell(value: object) -> object:
    return value.bytes if isinstance(value, UUID) else value


def _is_personal(table_name: str) -> bool:
    """A table of a later release may hold anything."""
    table = TABLE.get(table_name)
    return table is None or table.privacy not in OPEN_PRIVACY
