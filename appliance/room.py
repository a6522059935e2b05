"""Room on the card: what is done without first, and what is kept for hand-ins.

As the card fills, the box does without, in this order: its own journal, readings for the
district, older copies of the database on this very card, new files. Text that is handed in is
never among them. When nothing is left at all the reserve is given up, a file that only takes
up room.

The reserve alone is two days of hand-ins, and `make soak` fails where it is not; what files may not
use comes before it.
"""

import os
import shutil
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from appliance.errors import StorageFull

MIB: Final = 1 << 20
LOGS_BYTES_MIN: Final = 800 * MIB
READINGS_BYTES_MIN: Final = 600 * MIB
COPIES_BYTES_MIN: Final = 400 * MIB
FILES_BYTES_MIN: Final = 200 * MIB  # twenty files of the largest size that is taken
RESERVE_BYTES_MIN: Final = 32 * MIB  # two WAL files of the size they are kept at
CARD_PART: Final = 100  # the reserve is at most this part of the card
SMALL_CARD_BYTES: Final = 10_000 * MIB  # below it everything counts by parts
COURSE_TIMES: Final = 2  # its text lies in the log and in the file: measured 1.8 times
START_BYTES: Final = 512 << 10  # SQLite's index of the log takes 32 KiB, marks and commits a page

Shed = Literal["logs", "readings", "copies", "files", "reserve"]

ORDER: Final[tuple[tuple[Shed, int], ...]] = (
    ("logs", LOGS_BYTES_MIN),
    ("readings", READINGS_BYTES_MIN),
    ("copies", COPIES_BYTES_MIN),
    ("files", FILES_BYTES_MIN),
    ("reserve", RESERVE_BYTES_MIN),
)


class NoRoomForFiles(StorageFull):
    """What is left on the card is for words; files wait."""

    code = "no-room-for-files"
    title = "The school box has no room for files"
    hint = "Hand in your text: that still works. Tell the person who looks after the school box."


class NoRoomForCopies(StorageFull):
    """A backup is made and tried on the card, and what is left of it is for hand-ins."""

    code = "no-room-for-copies"
    title = "There is too little room on the card to make and try a backup"
    hint = "Follow the runbook, section The card is almost full. Earlier backups are still good."


class NoRoomForCourses(StorageFull):
    """A course is lessons for a class, and what is left on the card is for its hand-ins."""

    code = "no-room-for-courses"
    title = "The school box has no room for this course"
    hint = (
        "Nothing was kept; the courses that are there go on as they were. Tell the person who"
        " looks after the school box: space must be freed first."
    )


class Card(Struct, frozen=True):
    """How much of it there is and how much is free."""

    total_bytes: int
    free_bytes: int

    @property
    def sheds(self) -> list[Shed]:
        """What is done without now, first things first. A small card counts by parts."""
        scale = min(1.0, self.total_bytes / SMALL_CARD_BYTES)
        return [name for name, least in ORDER if self.free_bytes < least * scale]


def card_of(folder: Path) -> Card:
    """Ask the file system; a few microseconds."""
    usage = shutil.disk_usage(folder)
    return Card(usage.total, usage.free)


def has_room_for_files(folder: Path) -> bool:
    """Whether files may be kept, whoever brings them; else what is left is for hand-ins."""
    return "files" not in card_of(folder).sheds


def require_room_for_files(folder: Path) -> None:
    """Raises NoRoomForFiles when what is left is for hand-ins."""
    if not has_room_for_files(folder):
        raise NoRoomForFiles(f"{size(card_of(folder).free_bytes)} free")


def require_room_for_copies(folder: Path, size_bytes: int) -> None:
    """Raises NoRoomForCopies unless so much may be written and hand-ins keep their room."""
    _require_room(folder, size_bytes, NoRoomForCopies)


def require_room_for_course(folder: Path, size_bytes: int) -> None:
    """Raises NoRoomForCourses unless so much text may be kept and hand-ins keep their room."""
    _require_room(folder, COURSE_TIMES * size_bytes, NoRoomForCourses)


def _require_room(folder: Path, size_bytes: int, refusal: type[StorageFull]) -> None:
    card = card_of(folder)
    if "files" in Card(card.total_bytes, card.free_bytes - size_bytes).sheds:
        raise refusal(f"{size(card.free_bytes)} free, {size(size_bytes)} needed")


def require_room_to_start(folder: Path, reserve: Path) -> None:
    """Try to write before anything relies on it; without room the reserve is given up first.

    Raises OSError when the card refuses all the same: full to the last block, or read-only.
    """
    probe = folder / "probe"
    try:
        _try_writing(probe)
    except OSError:
        reserve.unlink(missing_ok=True)
        _try_writing(probe)


def can_start(folder: Path) -> bool:
    """Whether a card that refused a start would let one through now; a full one is only asked."""
    try:
        if card_of(folder).free_bytes < START_BYTES:
            return False
        _try_writing(folder / "probe")
    except OSError:
        return False
    return True


def _try_writing(probe: Path) -> None:
    with probe.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, START_BYTES)
        finally:
            probe.unlink()


def reserve_bytes(total_bytes: int, wanted_bytes: int) -> int:
    """How large the reserve is on a card of this size."""
    return min(wanted_bytes, total_bytes // CARD_PART)


def keep_reserve(path: Path, card: Card, wanted_bytes: int) -> str | None:
    """Take room, or give it up when there is no other; say what was done, if anything."""
    has_bytes = path.stat().st_size if path.exists() else 0
    if "reserve" in card.sheds:
        if has_bytes == 0:
            return None
        path.unlink()
        return f"the reserve of {size(has_bytes)} was given up"
    size_bytes = reserve_bytes(card.total_bytes, wanted_bytes)
    has_room = "logs" not in Card(card.total_bytes, card.free_bytes - size_bytes).sheds
    if has_bytes >= size_bytes or not has_room:
        return None
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size_bytes)  # takes room and writes nothing
    return f"a reserve of {size(size_bytes)} is kept"


def size(count: int) -> str:
    """Bytes as shops write them."""
    if count >= 1_000_000_000:
        return f"{count / 1_000_000_000:.1f} GB"
    return f"{count / 1_000_000:.0f} MB" if count >= 1_000_000 else "less than 1 MB"
