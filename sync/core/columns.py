"""Rows as columns: what zstd can shorten stands side by side.

Each column is packed in the shortest of four forms, told apart by its first element:

    ["s", value]    the same short value in every row (most counters, all missing owners)
    ["i", bytes]    ids, 16 bytes each, end to end
    ["d", [ints]]   the first number, then differences (instants, positions)
    ["v", [values]] anything else

A body may be hostile: a few KB of it unpack to gigabytes of empty lists. So every list is
bounded before it is read, and a value that could hold others is refused unread.
"""

from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate, pairwise
from struct import iter_unpack
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct

from sync.protocol import SEGMENT_ROWS_MAX, SEGMENT_TABLES_MAX, Block, Cell, decode

ID_BYTES: Final = 16
SAME_BYTES_MAX: Final = 64  # a long value repeated is small here and huge at the hub: refused
INT64_MAX: Final = (1 << 63) - 1

CELL_TYPES: Final = frozenset({type(None), int, str, bytes})
# First bytes of a msgpack list or map.
HOLDS_OTHERS: Final = frozenset((*range(0x80, 0xA0), *range(0xDC, 0xE0)))

Int64 = Annotated[int, Meta(ge=-INT64_MAX - 1, le=INT64_MAX)]


class Same(Struct, frozen=True, array_like=True, tag="s", tag_field="k"):
    """One short value for every row."""

    value: msgspec.Raw


class Ids(Struct, frozen=True, array_like=True, tag="i", tag_field="k"):
    """Ids end to end."""

    joined: bytes


class Differences(Struct, frozen=True, array_like=True, tag="d", tag_field="k"):
    """The first number and what each next one adds; the sum may not leave 64 bits."""

    steps: Annotated[list[Int64], Meta(max_length=SEGMENT_ROWS_MAX)]


class Values(Struct, frozen=True, array_like=True, tag="v", tag_field="k"):
    """Each value by itself."""

    values: msgspec.Raw


Column = Same | Ids | Differences | Values
Body: TypeAlias = Annotated[list[Block], Meta(max_length=SEGMENT_TABLES_MAX)]

# msgspec knows no union of str and bytes, so a column is read as the one or the other.
Texts: TypeAlias = Annotated[list[int | str | None], Meta(max_length=SEGMENT_ROWS_MAX)]
Blobs: TypeAlias = Annotated[list[int | bytes | None], Meta(max_length=SEGMENT_ROWS_MAX)]
Unread: TypeAlias = Annotated[list[msgspec.Raw], Meta(max_length=SEGMENT_ROWS_MAX)]

_encoder: Final = msgspec.msgpack.Encoder()
_column: Final = msgspec.msgpack.Decoder(Column)
_texts: Final = msgspec.msgpack.Decoder(Texts)
_blobs: Final = msgspec.msgpack.Decoder(Blobs)
_unread: Final = msgspec.msgpack.Decoder(Unread)
_cell: Final = msgspec.msgpack.Decoder()


class BlockCorrupt(ValueError):
    """A block's columns do not agree with each other or with what it says of itself."""


class Rows(Struct, frozen=True):
    """Rows of one table, values in the order of `columns`."""

    table: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


def pack(rows: Rows) -> Block:
    """Turn rows into a block."""
    columns = zip(*rows.rows, strict=True)
    packed = [raw(pack_column(column)) for column in columns]
    return Block(t=rows.table, c=list(rows.columns), v=packed, rows=len(rows.rows))


def pack_column(column: Sequence[Cell]) -> Column:
    """Choose the form of one column."""
    first = column[0]
    if column.count(first) == len(column) and is_short(first):
        return Same(raw(first))
    if all(isinstance(value, bytes) and len(value) == ID_BYTES for value in column):
        return Ids(b"".join(column))  # type: ignore[arg-type]  # looked at in the line above
    if all(isinstance(value, int) for value in column):
        return differences(column)  # type: ignore[arg-type]  # looked at in the line above
    return Values(raw(column))


def raw(value: object) -> msgspec.Raw:
    """Bytes of one value, to stand unread in another message."""
    return msgspec.Raw(_encoder.encode(value))


def differences(column: Sequence[int]) -> Column:
    """Code numbers as steps, unless a step would not fit into 64 bits."""
    steps = [column[0], *(after - before for before, after in pairwise(column))]
    if all(is_int64(step) for step in steps):
        return Differences(steps)
    return Values(raw(column))


def is_int64(number: int) -> bool:
    """Say whether both engines can hold a number."""
    return -INT64_MAX - 1 <= number <= INT64_MAX


def is_short(value: Cell) -> bool:
    """Say whether a value may be sent once for all rows."""
    return not isinstance(value, str | bytes) or len(value) <= SAME_BYTES_MAX


def unpack(block: Block) -> Rows:
    """Turn a block into rows. Raises BlockCorrupt, never returns a part."""
    if len(block.c) != len(block.v) or len(set(block.c)) != len(block.c) or not block.c:
        raise BlockCorrupt(f"{block.t}: columns and their names differ")
    try:
        columns = [unpack_column(_column.decode(column), block) for column in block.v]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BlockCorrupt(f"{block.t}: {error}") from error
    return Rows(block.t, tuple(block.c), list(zip(*columns, strict=True)))


def unpack_column(column: Column, block: Block) -> Sequence[Cell]:
    """Read one column of as many values as the block has rows."""
    values = spread(column, block)
    if len(values) != block.rows:
        raise BlockCorrupt(f"{block.t}: {len(values)} values for {block.rows} rows")
    types = set(map(type, values[:1] if isinstance(column, Same) else values))
    if not types <= CELL_TYPES:
        raise BlockCorrupt(f"{block.t}: a value that is no number, text or bytes")
    if int in types and not are_int64(values):
        raise BlockCorrupt(f"{block.t}: a number leaves 64 bits")
    return values


def are_int64(values: Sequence[Any]) -> bool:
    """Say whether both engines can hold every number among `values`."""
    numbers = [value for value in values if type(value) is int]
    return is_int64(min(numbers)) and is_int64(max(numbers))


def spread(column: Column, block: Block) -> Sequence[Any]:
    """Undo the form of a column; the values are not looked at yet."""
    if isinstance(column, Same):
        (value,) = each_cell([column.value], block)
        if not is_short(value):
            raise BlockCorrupt(f"{block.t}: a long value for all rows")
        return [value] * block.rows
    if isinstance(column, Ids):
        return ids(column.joined, block)
    if isinstance(column, Differences):
        return list(accumulate(column.steps))
    return each_value(column.values, block)


def each_value(packed: msgspec.Raw, block: Block) -> Sequence[Any]:
    """Read a column of texts, or of bytes; one that has both, and is poison, cell by cell."""
    for decoder in (_texts, _blobs):
        with suppress(msgspec.ValidationError):
            return decoder.decode(packed)
    return each_cell(_unread.decode(packed), block)


def each_cell(packed: Sequence[msgspec.Raw], block: Block) -> list[Any]:
    """Read cells; one that holds others is not even begun."""
    if any(memoryview(cell)[0] in HOLDS_OTHERS for cell in packed):
        raise BlockCorrupt(f"{block.t}: a value that is no number, text or bytes")
    return [_cell.decode(cell) for cell in packed]


def ids(joined: bytes, block: Block) -> list[bytes]:
    """Cut ids apart, in one pass of C."""
    if len(joined) % ID_BYTES:
        raise BlockCorrupt(f"{block.t}: ids end in the middle of one")
    return [each for (each,) in iter_unpack(f"{ID_BYTES}s", joined)]


def pack_body(tables: Sequence[Rows]) -> bytes:
    """Bytes of a segment's body before compression."""
    return _encoder.encode([pack(rows) for rows in tables])


def unpack_body(packed: bytes) -> list[Rows]:
    """Read a body. Raises BlockCorrupt."""
    try:
        blocks = decode(packed, Body)
    except msgspec.DecodeError as error:
        raise BlockCorrupt(f"the body is not readable: {error}") from error
    if sum(block.rows for block in blocks) > SEGMENT_ROWS_MAX:
        raise BlockCorrupt(f"more than {SEGMENT_ROWS_MAX} rows")
    return [unpack(block) for block in blocks]
