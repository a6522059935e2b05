"""From a segment's columns to rows PostgreSQL may copy: types looked at, content hashed.

Work is done by column wherever it can be: 5,000 rows are one pass of C code per column,
and Python touches a row only to hash it and to wrap its ids.

Columns are taken as they come. An older box sends fewer: what it does not send is not
touched. A newer one sends more: the row is merged without them and kept whole beside it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from asyncpg.pgproto import pgproto
from msgspec import Struct, structs

from sync.core.columns import ID_BYTES, Rows
from sync.merge import NOT_HASHED, hash_of, row_hash
from sync.protocol import Cell
from sync.registry import TABLE, Column, ColumnType, Table

CELL_TYPE: Final[dict[ColumnType, type]] = {"id": bytes, "int": int, "text": str, "blob": bytes}

# The column of a row that must name the school it comes from.
SCHOOL_COLUMN: Final = {
    "org_unit": "id",
    "person": "org_id",
    "class_group": "org_id",
    "course": "org_id",
    "course_run": "org_id",
}

# A box sends a row once in a segment: its log holds keys. Each further image of one row is a
# merge of its own with the school locked, 10 ms, so a hostile segment may not hold thousands.
IMAGES_MAX: Final = 4

# Without these two images of a row have no order.
COUNTERS: Final = frozenset({"version", "owner_epoch"})

Values = tuple[Cell, ...]
_encode: Final = msgspec.msgpack.Encoder().encode
_wrap_id: Final[Callable[[bytes], UUID]] = pgproto.UUID  # ten times faster than uuid.UUID


class Batch(Struct, frozen=True):
    """Rows of one table, each id once, and the hash of each.

    `columns`: those that were sent and have a place here, in the registry's order.
    `strangers`: names of those that have none; then `images` are the rows as they were sent.
    """

    table: Table
    rows: Sequence[Values]
    hashes: Sequence[bytes]
    columns: tuple[Column, ...]
    strangers: tuple[str, ...] = ()
    images: Sequence[bytes] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each value of a row."""
        return tuple(column.name for column in self.columns)

    def halves(self) -> "tuple[Batch, Batch]":
        """Cut in two, to find the row that cannot be merged."""
        middle = len(self.rows) // 2
        return self._part(slice(0, middle)), self._part(slice(middle, None))

    def _part(self, of: slice) -> "Batch":
        rows, hashes, images = self.rows[of], self.hashes[of], self.images[of]
        return Batch(self.table, rows, hashes, self.columns, self.strangers, images)

    def only(self, places: Sequence[int]) -> "Batch":
        """Keep the rows at these places."""
        return structs.replace(
            self,
            rows=[self.rows[at] for at in places],
            hashes=[self.hashes[at] for at in places],
            images=[self.images[at] for at in places] if self.images else (),
        )

    def records(self) -> Iterator[tuple[object, ...]]:
        """Rows as the driver copies them: hash, ordinal and what was sent at the end."""
        columns = zip(*self.rows, strict=True)
        own = next(columns)  # the row's own id: no two are the same here
        wrapped = [
            _wrapped(column) if declared.type == "id" else column
            for declared, column in zip(self.columns[1:], columns, strict=True)
        ]
        last: list[Sequence[bytes]] = [self.images] if self.strangers else []
        ordinals = range(1, len(self.rows) + 1)
        return zip(map(_wrap_id, own), *wrapped, self.hashes, ordinals, *last, strict=True)


def _wrapped(column: Sequence[Cell]) -> list[UUID | None]:
    """Wrap each different id once: most columns of ids point at few rows."""
    known: dict[Cell, UUID | None] = {
        value: _wrap_id(value) for value in set(column) if isinstance(value, bytes)
    }
    known[None] = None
    return [known[value] for value in column]


class Refused(Struct, frozen=True):
    """A row that is put aside, as it came, and why."""

    table_name: str
    columns: tuple[str, ...]
    values: Values
    reason: str


class Sorted(Struct, frozen=True):
    """What a block becomes."""

    batches: list[Batch]
    refused: list[Refused]


def sort_rows(block: Rows, school_id: UUID, issued: int = 0) -> Sorted:
    """Tell rows that may be merged from rows that may not.

    `issued`: the highest ownership number this hub has given out.
    """
    table = TABLE.get(block.table)
    if table is None:
        return refuse_all(block, "unknown-table")
    if not _needed(table).issubset(block.columns):
        return refuse_all(block, "columns-missing")
    columns = tuple(column for column in table.columns if column.name in block.columns)
    names = tuple(column.name for column in columns)
    values = block.rows if block.columns == names else _reordered(block, names)
    wrong = _wrong_rows(table, columns, values, school_id)
    wrong |= _usurping(table, columns, values, issued)
    wrong |= _untellable(values)
    refused = [
        Refused(table.name, block.columns, block.rows[at], why) for at, why in sorted(wrong.items())
    ]
    if columns == table.columns and len(block.columns) == len(columns):
        good = _without(values, wrong)
        return Sorted([_batch(table, wave) for wave in _each_id_once(good)], refused)
    good = _without([(*row, at) for at, row in enumerate(values)], wrong)
    return Sorted([_skewed(table, columns, block, wave) for wave in _each_id_once(good)], refused)


def _needed(table: Table) -> frozenset[str]:
    """Columns without which a row cannot be told apart, ordered, or said to be this school's."""
    school = {SCHOOL_COLUMN[table.name]} if table.name in SCHOOL_COLUMN else set()
    return frozenset({"id"} | school | (set() if table.is_fact else COUNTERS))


def _without(rows: Sequence[Any], wrong: dict[int, str]) -> Sequence[Any]:
    return [row for at, row in enumerate(rows) if at not in wrong] if wrong else rows


def refuse_all(block: Rows, reason: str) -> Sorted:
    """Put every row of a block aside."""
    return Sorted([], [Refused(block.table, block.columns, row, reason) for row in block.rows])


def _reordered(block: Rows, names: Sequence[str]) -> list[Values]:
    order = [block.columns.index(name) for name in names]
    return [tuple(row[at] for at in order) for row in block.rows]


def _wrong_rows(
    table: Table, columns: Sequence[Column], rows: Sequence[Values], school_id: UUID
) -> dict[int, str]:
    """Number of each row that cannot be merged, and why."""
    wrong: dict[int, str] = {}
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        for at in _misfits(column.type, values):
            wrong.setdefault(at, f"{column.name}-is-no-{column.type}")
        if SCHOOL_COLUMN.get(table.name) == column.name:
            wrong |= dict.fromkeys(_others(values, school_id.bytes), "foreign-school")
    return wrong


def _usurping(
    table: Table, columns: Sequence[Column], rows: Sequence[Values], issued: int
) -> dict[int, str]:
    """Rows that claim what only the hub gives: its tables, another owner, a number of its own."""
    if table.owner == "hub":
        return dict.fromkeys(range(len(rows)), "foreign-owner")
    wrong: dict[int, str] = {}
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        if column.name == "owner_node_id" and set(values) != {None}:
            owned = [at for at, value in enumerate(values) if value is not None]
            wrong |= dict.fromkeys(owned, "foreign-owner")
        if column.name == "owner_epoch" and set(values) != {0}:
            high = [at for at, value in enumerate(values) if not _is_issued(value, issued)]
            wrong |= dict.fromkeys(high, "owner-epoch-unknown")
    return wrong


def _untellable(rows: Sequence[Values]) -> dict[int, str]:
    """Rows without an id, and those whose id comes more often than any box sends it.

    Then all images of the row wait: one that was merged would answer for the others.
    """
    images = Counter(row[0] for row in rows)
    if len(images) == len(rows) and None not in images:
        return {}
    why = {pk: "repeated-too-often" for pk, count in images.items() if count > IMAGES_MAX}
    why |= {None: "id-is-no-id"}
    return {at: why[row[0]] for at, row in enumerate(rows) if row[0] in why}


def _is_issued(value: Cell, issued: int) -> bool:
    return isinstance(value, int) and 0 <= value <= issued


def _misfits(kind: ColumnType, values: Sequence[Cell]) -> list[int]:
    expected = CELL_TYPE[kind]
    types = set(map(type, values)) - {type(None)}
    if types <= {expected} and (kind != "id" or _id_lengths(values) <= {ID_BYTES}):
        return []
    return [at for at, value in enumerate(values) if value is not None and not fits(kind, value)]


def fits(kind: ColumnType, value: Cell) -> bool:
    """Whether a value is what a column holds; NULL is left to the column's own rules."""
    if type(value) is not CELL_TYPE[kind]:
        return False
    return kind != "id" or (isinstance(value, bytes) and len(value) == ID_BYTES)


def _id_lengths(values: Sequence[Cell]) -> set[int]:
    """Lengths of what may be ids."""
    if None not in values:
        return set(map(len, values))  # type: ignore[arg-type]  # all bytes: asked by the caller
    return {len(value) for value in values if isinstance(value, bytes)}


def _others(values: Sequence[Cell], school: bytes) -> list[int]:
    if set(values) == {school}:
        return []
    return [at for at, value in enumerate(values) if value != school]


def _each_id_once(rows: Sequence[Values]) -> Iterator[Sequence[Values]]:
    """Split rows so that none repeats an id: two images of one row are judged in turn."""
    while rows:
        first = {row[0]: row for row in reversed(rows)}
        if len(first) == len(rows):
            yield rows
            return
        taken = set(map(id, first.values()))
        yield list(first.values())
        rows = [row for row in rows if id(row) not in taken]


def _batch(table: Table, rows: Sequence[Values]) -> Batch:
    return Batch(table, rows, row_hashes(table, rows), table.columns)


def _skewed(
    table: Table, columns: tuple[Column, ...], block: Rows, numbered: Sequence[Values]
) -> Batch:
    """A batch of a box of another release; each row ends in its number in the block."""
    known = {column.name for column in columns}
    strangers = tuple(sorted(set(block.columns) - known))
    places = [cast(int, row[-1]) for row in numbered]
    sent = [dict(zip(block.columns, block.rows[at], strict=True)) for at in places]
    first = [column.name for column in columns if not column.since and column.name != NOT_HASHED]
    late = [*strangers, *(column.name for column in columns if column.since)]
    hashes = [
        hash_of([row[name] for name in first], {name: row[name] for name in late}) for row in sent
    ]
    rows = [row[:-1] for row in numbered]
    images = [_encode(row) for row in sent] if strangers else []
    return Batch(table, rows, hashes, columns, strangers, images)


def row_hashes(table: Table, rows: Sequence[Values]) -> list[bytes]:
    """merge.row_hash of many rows: the one column it leaves out is cut out by place."""
    if any(column.since for column in table.columns):
        return [row_hash(table, row) for row in rows]
    sha256 = hashlib.sha256
    if table.is_fact:
        return [sha256(_encode(row)).digest() for row in rows]
    assert table.columns[-2].name == NOT_HASHED
    return [sha256(_encode((*row[:-2], row[-1]))).digest() for row in rows]
