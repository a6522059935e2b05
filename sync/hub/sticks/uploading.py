"""A stick's files through a browser: for a district whose clerk has no shell at the hub.

They are laid into a folder of the hub's own and taken in by the same way as from a stick; what
that puts there, the answers, is packed for whoever carries the stick back. Nothing here is
readable without the hub's key or the box's.
"""

import asyncio
import itertools
import shutil
import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final
from uuid import UUID

from msgspec import Struct

from appliance.archives import read_zip
from appliance.errors import NotFound
from appliance.ids import uuid7
from sync.core.bundle import TOP, read_id
from sync.hub.faults import StickEmpty, StickTrouble
from sync.hub.running import Hub
from sync.hub.sticks.came import Came
from sync.hub.sticks.importing import boards_on, import_stream
from sync.stick import Stick, StickFailed

STICK_BYTES_MAX: Final = 64 << 20  # a large school's year without files; the command takes more
FILES_MAX: Final = 20_000
KEPT_MS: Final = 7 * 24 * 60 * 60 * 1_000  # an answer may be fetched again; it says nothing new
BELOW_MAX: Final = 3  # <lane>/<n>.seg.box, and one level to spare
ANSWER: Final = "answer.zip"


class Taken(Struct, frozen=True):
    """What became of each board's files, and under which number its answer may be fetched."""

    boards: list[Came]
    answer_id: UUID | None


def unpacked(name: str, content: bytes, bytes_max: int) -> dict[str, bytes]:
    """Return the files of a zip, or the one file itself. Raises BrokenArchive, TooLarge."""
    if name.lower().endswith(".zip"):
        return read_zip(content, files_max=FILES_MAX, bytes_max=bytes_max)
    return {name: content}


def places(files: Mapping[str, bytes]) -> dict[PurePosixPath, bytes]:
    """Say where on a stick each file lies, from whatever folder above it was chosen.

    Raises StickEmpty when none lies in a box's folder: `<box>/<epoch>/…`.
    """
    found = {place: files[path] for path in files for place in _place(path)}
    if not found:
        raise StickEmpty("no file of a box is among them")
    return found


def _place(path: str) -> Iterator[PurePosixPath]:
    parts = PurePosixPath(path.replace("\\", "/")).parts
    for at, (first, second) in enumerate(itertools.pairwise(parts)):
        below = parts[at + 2 :]
        is_inside = ".." not in below and 0 < len(below) <= BELOW_MAX
        if read_id(first) and read_id(second) and is_inside:
            yield PurePosixPath(TOP, *parts[at:])
            return


async def take_upload(hub: Hub, files: Mapping[str, bytes]) -> Taken:
    """Take everything in. Raises StickEmpty, StickTrouble."""
    brought = places(files)
    sticks = hub.settings.sticks_folder
    await asyncio.to_thread(_forget_old, sticks, hub.clock())
    upload_id = uuid7(hub.clock())
    root = sticks / str(upload_id) / "stick"
    try:
        await asyncio.to_thread(_lay_out, root, brought)
        boards = await _import(hub, root)
        has_answer = await asyncio.to_thread(_pack_answer, root, brought.keys())
    except (StickFailed, OSError) as error:
        raise StickTrouble(str(error)) from error
    finally:
        await asyncio.to_thread(shutil.rmtree, root, ignore_errors=True)
    return Taken(boards, upload_id if has_answer else None)


def answer_file(hub: Hub, upload_id: UUID) -> Path:
    """Find an answer that was packed this week. Raises NotFound."""
    path = hub.settings.sticks_folder / str(upload_id) / ANSWER
    if not path.is_file():
        raise NotFound(f"answer {upload_id}")
    return path


async def _import(hub: Hub, root: Path) -> list[Came]:
    stick = Stick(root)
    return [await import_stream(hub, stick, came) for came in boards_on(stick)]


def _lay_out(root: Path, brought: Mapping[PurePosixPath, bytes]) -> None:
    root.mkdir(mode=0o700, parents=True)
    for place, content in brought.items():
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _pack_answer(root: Path, brought: Collection[PurePosixPath]) -> bool:
    """Put into a zip what the import added; say whether there was anything."""
    added = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and PurePosixPath(path.relative_to(root)) not in brought
    ]
    if added:
        with zipfile.ZipFile(root.parent / ANSWER, "w", zipfile.ZIP_STORED) as archive:
            for path in added:
                archive.write(path, str(path.relative_to(root)))
    return bool(added)


def _forget_old(sticks: Path, now_ms: int) -> None:
    """Remove answers of more than a week ago, and what a killed import left."""
    for path in sticks.iterdir() if sticks.is_dir() else ():
        upload_id = read_id(path.name)
        if upload_id is not None and upload_id.int >> 80 < now_ms - KEPT_MS:
            shutil.rmtree(path, ignore_errors=True)
