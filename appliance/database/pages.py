"""A database file as the pages it consists of, for when SQLite itself refuses to read it.

The file and the write-ahead log are read as bytes and never written. Every page is tried by
itself: a page that makes no sense costs the rows on it and no others. The format is SQLite's
published one (sqlite.org/fileformat2.html); only what our own files use is understood: pages
of 4 KiB, UTF-8, nothing reserved, and pointer maps, because they are `auto_vacuum`.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from appliance.database.connection import PAGE_SIZE_BYTES
from appliance.database.reader import SQLiteValue
from appliance.database.wal import read_wal

MAGIC: Final = b"SQLite format 3\0"
HEADER_BYTES: Final = 100
TABLE_LEAF, TABLE_INTERIOR, INDEX_LEAF, INDEX_INTERIOR = 0x0D, 0x05, 0x0A, 0x02
INTERIORS: Final = frozenset({TABLE_INTERIOR, INDEX_INTERIOR})
TABLE_KINDS: Final = frozenset({TABLE_LEAF, TABLE_INTERIOR})
INDEX_KINDS: Final = frozenset({INDEX_LEAF, INDEX_INTERIOR})

# How much of a cell stays on its own page (fileformat2.html, 1.6).
TABLE_LOCAL_MAX: Final = PAGE_SIZE_BYTES - 35
INDEX_LOCAL_MAX: Final = (PAGE_SIZE_BYTES - 12) * 64 // 255 - 23
LOCAL_MIN: Final = (PAGE_SIZE_BYTES - 12) * 32 // 255 - 23

MAP_ENTRY_BYTES: Final = 5
MAPPED_BY_ONE: Final = PAGE_SIZE_BYTES // MAP_ENTRY_BYTES
FIRST_MAP: Final = 2
IS_ROOT, IS_FREE, IS_BTREE = 1, 2, 5

INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8)
REAL: Final = 7
ZERO, ONE = 8, 9
FIRST_BLOB: Final = 12


class Unreadable(Exception):
    """This page or cell makes no sense."""


class Cell(NamedTuple):
    """One row as it lies there: the number SQLite gave it (None in an index), and its columns."""

    rowid: int | None
    values: list[SQLiteValue]


class MapEntry(NamedTuple):
    """What a page is for, and which page points at it."""

    kind: int
    parent: int


class Pages:
    """The newest committed state of every page, as far as there is one."""

    def __init__(self, path: Path) -> None:
        self._main: Final = _mapped(path)
        self._log: Final = read_wal(path.with_name(path.name + "-wal"))
        self.in_file: Final = max(len(self._main) // PAGE_SIZE_BYTES, self._log.pages)
        self.has_header: Final = self.page(1)[: len(MAGIC)] == MAGIC
        # What the file says of itself: pages behind its end were cut off.
        told = int.from_bytes(self.page(1)[28:32]) if self.has_header else 0
        self.count: Final = max(self.in_file, min(told, self.in_file * 16 + 1_024))

    @property
    def user_version(self) -> int:
        """The schema's number; 0 when the header is gone."""
        return int.from_bytes(self.page(1)[60:64]) if self.has_header else 0

    def page(self, number: int) -> bytes:
        """The bytes of a page; none when it is behind the end."""
        found = self._log.latest.get(number)
        if found is not None:
            return found
        begin = (number - 1) * PAGE_SIZE_BYTES
        return bytes(self._main[begin : begin + PAGE_SIZE_BYTES])

    def kind(self, number: int) -> int:
        """The letter a b-tree page begins with; 0 when there is no such page."""
        page = self.page(number)
        return page[_begin(number)] if len(page) == PAGE_SIZE_BYTES else 0

    def children(self, number: int) -> list[int]:
        """The pages an interior page points at; those that cannot be are left out."""
        page, begin = self.page(number), _begin(number)
        found = [int.from_bytes(page[at : at + 4]) for at in self._cell_places(number)]
        found.append(int.from_bytes(page[begin + 8 : begin + 12]))
        return [child for child in found if 1 < child <= self.count]

    def cells(self, number: int) -> Iterator[Cell | None]:
        """The rows of a page; None for each that makes no sense."""
        kind = self.kind(number)
        for at in self._cell_places(number):
            try:
                yield self._cell(number, at, kind)
            except Unreadable:
                yield None

    def map_entry(self, number: int) -> MapEntry:
        """What the pointer map says of a page."""
        if number < FIRST_MAP:
            return MapEntry(IS_ROOT, 0)
        place = map_page(number)
        at = MAP_ENTRY_BYTES * (number - place - 1)
        entry = self.page(place)[at : at + MAP_ENTRY_BYTES]
        if len(entry) < MAP_ENTRY_BYTES:
            return MapEntry(0, 0)
        return MapEntry(entry[0], int.from_bytes(entry[1:]))

    def _cell_places(self, number: int) -> Iterator[int]:
        page, begin = self.page(number), _begin(number)
        if len(page) < PAGE_SIZE_BYTES:
            return
        cells = int.from_bytes(page[begin + 3 : begin + 5])
        first = begin + (12 if page[begin] in INTERIORS else 8)
        for place in range(first, min(first + 2 * cells, PAGE_SIZE_BYTES - 1), 2):
            yield int.from_bytes(page[place : place + 2])

    def _cell(self, number: int, at: int, kind: int) -> Cell:
        page = self.page(number)
        if kind == INDEX_INTERIOR:
            at += 4
        size, at = varint(page, at)
        rowid = None
        if kind == TABLE_LEAF:
            rowid, at = varint(page, at)
        local = local_bytes(size, kind)
        payload = page[at : at + local]
        if local < size:
            first = int.from_bytes(page[at + local : at + local + 4])
            payload += self._overflow(first, size - local)
        if len(payload) != size:
            raise Unreadable
        return Cell(_signed(rowid), record(payload))

    def _overflow(self, number: int, missing: int) -> bytes:
        found = []
        while missing > 0:
            page = self.page(number) if 2 < number <= self.count else b""
            if len(page) < PAGE_SIZE_BYTES:
                raise Unreadable
            part = page[4 : 4 + missing]
            found.append(part)
            missing -= len(part)
            number = int.from_bytes(page[:4])
        if number != 0:  # the last one ends the chain; another number was never ours
            raise Unreadable
        return b"".join(found)


def map_page(number: int) -> int:
    """The page that holds a page's entry in the pointer map."""
    return (number - FIRST_MAP) // (MAPPED_BY_ONE + 1) * (MAPPED_BY_ONE + 1) + FIRST_MAP


def is_map(number: int) -> bool:
    """Whether a page is part of the pointer map itself."""
    return number >= FIRST_MAP and map_page(number) == number


def local_bytes(size: int, kind: int) -> int:
    """How many bytes of a cell's content are on its own page."""
    most = TABLE_LOCAL_MAX if kind == TABLE_LEAF else INDEX_LOCAL_MAX
    if size <= most:
        return size
    some = LOCAL_MIN + (size - LOCAL_MIN) % (PAGE_SIZE_BYTES - 4)
    return some if some <= most else LOCAL_MIN


def varint(page: Sequence[int], at: int) -> tuple[int, int]:
    """Read SQLite's variable-length integer; return it and the place behind it."""
    value = 0
    try:
        for step in range(8):
            byte = page[at + step]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value, at + step + 1
        return value << 8 | page[at + 8], at + 9
    except IndexError as error:
        raise Unreadable from error


def record(payload: bytes) -> list[SQLiteValue]:
    """Take a record apart. Raises Unreadable unless every byte of it is accounted for."""
    header, at = varint(payload, 0)
    types = []
    while at < header:
        serial, at = varint(payload, at)
        types.append(serial)
    if at != header:
        raise Unreadable
    values: list[SQLiteValue] = []
    for serial in types:
        size = _size(serial)
        values.append(_value(serial, payload[at : at + size]))
        at += size
    if at != len(payload):
        raise Unreadable
    return values


def _size(serial: int) -> int:
    if serial >= FIRST_BLOB:
        return (serial - FIRST_BLOB) // 2
    if serial in {10, 11}:
        raise Unreadable
    return 8 if serial == REAL else 0 if serial in {ZERO, ONE} else INTEGER_BYTES[serial]


def _value(serial: int, content: bytes) -> SQLiteValue:
    if serial == 0:
        return None
    if serial in {ZERO, ONE}:
        return serial - ZERO
    if serial < REAL:
        return int.from_bytes(content, signed=True)
    if serial == REAL:
        raise Unreadable  # no table of ours holds one
    if serial % 2 == 0:
        return content
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Unreadable from error


def _signed(rowid: int | None) -> int | None:
    return rowid - (1 << 64) if rowid is not None and rowid >= 1 << 63 else rowid


def _begin(number: int) -> int:
    return HEADER_BYTES if number == 1 else 0


def _mapped(path: Path) -> bytes | mmap.mmap:
    if not path.exists() or path.stat().st_size == 0:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
