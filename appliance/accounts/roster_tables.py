"""From the bytes of one file to rows with line numbers.

Registers come out of spreadsheets of every age and country: with and without a byte
order mark, in UTF-8, UTF-16 or Windows-1252, with commas, semicolons or tabs.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from io import StringIO
from typing import Final

from msgspec import Struct

from appliance.accounts.roster import Place, RosterRefused
from appliance.errors import FieldError, TooLarge

ROWS_MAX: Final = 100_000  # enrolments of a large school in every subject
FILE_BYTES_MAX: Final = 16 << 20
DELIMITERS: Final = ",;\t|"
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
NOT_A_LETTER: Final = re.compile(r"[\W_]+")


class Row(Struct, frozen=True):
    """Cells of one line."""

    place: Place
    cells: list[str]


class Decoded(Struct, frozen=True):
    """Text, and a note when the encoding was a guess."""

    text: str
    note: str | None


def decode(name: str, data: bytes) -> Decoded:
    """Find the encoding. Raises RosterRefused when it is no text."""
    if len(data) > FILE_BYTES_MAX:
        raise TooLarge(f"{name} is larger than {FILE_BYTES_MAX} bytes")
    decoded = _decode_marked(name, data) or _decode_unmarked(name, data)
    if "\0" in decoded.text:
        raise _refused(name, "this is not a text file")
    return decoded


def _decode_marked(name: str, data: bytes) -> Decoded | None:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            try:
                return Decoded(data[len(mark) :].decode(encoding), None)
            except UnicodeDecodeError as error:
                raise _refused(name, f"broken {encoding} at byte {error.start}") from error
    return None


def _decode_unmarked(name: str, data: bytes) -> Decoded:
    try:
        return Decoded(data.decode("utf-8"), None)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise _refused(name, f"broken text in line {line}") from error
    note = (
        f"{name or 'The list'} is not UTF-8 and was read as Windows-1252: check é, ñ and the like"
    )
    return Decoded(text, note)


def rows_of(name: str, text: str) -> Iterator[Row]:
    """Cells of every line that has any. Raises RosterRefused for broken quotes."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    count = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                count += 1
                if count > ROWS_MAX:
                    raise TooLarge(f"{name} has more than {ROWS_MAX} lines")
                yield Row(Place(name, reader.line_num), cells)
    except csv.Error as error:
        raise _refused(name, f"line {reader.line_num}: {error}") from error


def delimiter_of(text: str) -> str:
    """Take what separates the cells of the first line; a comma when nothing does."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=outside.count)


def header_key(cell: str) -> str:
    """`Given Name`, `given_name` and `givenName` are one column."""
    return NOT_A_LETTER.sub("", cell).casefold()


def _refused(name: str, message: str) -> RosterRefused:
    return RosterRefused(f"{name or 'the list'}: {message}", [FieldError(name or "text", message)])
