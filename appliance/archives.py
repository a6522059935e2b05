"""Reading what people upload: zip files that may be broken, huge or spiteful.

A zip is read whole into memory, so its size is settled before the first byte is
unpacked, and again while unpacking, because a zip may lie about itself.
"""

import zipfile
from io import BytesIO
from pathlib import PurePosixPath
from typing import Final
from zlib import error as ZlibError  # noqa: N812 -- zlib spells it in lower case

from appliance.errors import FieldError, Invalid, TooLarge

CHUNK_BYTES: Final = 64 << 10
NOT_CONTENT: Final = frozenset({"__MACOSX", ".DS_Store", "Thumbs.db", ".git"})


class BrokenArchive(Invalid):
    """The upload is not a zip file we can read."""

    code = "broken-archive"
    title = "This zip file cannot be read"
    hint = "Make the zip file again from the folder and send it once more."


def read_zip(data: bytes, *, files_max: int, bytes_max: int) -> dict[str, bytes]:
    """Return every file of the zip by its path.

    Raises BrokenArchive for what is no zip, is encrypted, or holds a path that leads out
    of its folder; TooLarge past `files_max` files or `bytes_max` unpacked bytes.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if _is_content(entry)]
            if len(entries) > files_max:
                raise TooLarge(f"the zip file holds {len(entries)} files; {files_max} are allowed")
            return _unpack(archive, entries, bytes_max)
    except (zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError) as error:
        raise BrokenArchive(f"the zip file could not be read: {error}") from error


def decode_text(path: str, data: bytes) -> str:
    """Return UTF-8 text with or without its mark. Raises Invalid naming the file and place."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(path, data, error.start, "UTF-8 text") from error
    if "\0" in text:  # PostgreSQL cannot keep it, and no text editor writes it
        raise _not_text(path, data, data.index(b"\0"), "text")
    return text


def _not_text(path: str, data: bytes, place: int, what: str) -> Invalid:
    line = data.count(b"\n", 0, place) + 1
    message = f"is not {what}: byte {place}, line {line}"
    return Invalid(f"{path} {message}", [FieldError(path, message)])


def _is_content(entry: zipfile.ZipInfo) -> bool:
    return not entry.is_dir() and NOT_CONTENT.isdisjoint(PurePosixPath(entry.filename).parts)


def _unpack(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], bytes_max: int
) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    left = bytes_max
    for entry in entries:
        path = _safe_path(entry.filename)
        if path in files:
            raise BrokenArchive(f"the zip file holds {path} twice")
        files[path] = _read(archive, entry, left, bytes_max)
        left -= len(files[path])
    return files


def _safe_path(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in name:
        raise BrokenArchive(f"the zip file holds a path that leads out of it: {name!r}")
    return str(path)


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int, bytes_max: int) -> bytes:
    """Unpack one file in pieces and stop at the limit, whatever size it claims."""
    with archive.open(entry) as packed:
        pieces = []
        while piece := packed.read(CHUNK_BYTES):
            left -= len(piece)
            if left < 0:
                raise TooLarge(f"unpacked, the zip file is larger than {bytes_max} bytes")
            pieces.append(piece)
    return b"".join(pieces)
