"""The write-ahead log as SQLite would read it, and whether something behind it is missing.

SQLite takes the log up to the first frame whose checksum is wrong and says nothing about the
rest, because after a power cut a torn end is normal. But each commit was synced before the
next one began: two commits behind the first bad frame prove that the card lost one in between.
"""

from pathlib import Path
from typing import Final, NamedTuple

from appliance.database.connection import PAGE_SIZE_BYTES

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAGE_SIZE_BYTES
MAGICS: Final = {0x377F0682: "little", 0x377F0683: "big"}
WORD: Final = 0xFFFF_FFFF
COMMITS_THAT_PROVE: Final = 2  # the first may belong to the very frame that is torn
RUNS_MAX: Final = 1 << 20  # a run is megabytes: nobody starts a million on top of one frame


class Log(NamedTuple):
    """What the log holds: the newest image of each page, and how many pages the file has.

    `is_cut`: the end is torn, as after any power cut. `is_damaged`: a commit that was synced
    cannot be read.
    """

    latest: dict[int, bytes]
    pages: int = 0
    is_cut: bool = False
    is_damaged: bool = False


def read_wal(path: Path) -> Log:
    """Read every whole transaction, up to the first frame that makes no sense."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Log({})
    if not content:
        return Log({})
    order = MAGICS.get(int.from_bytes(content[:4]))
    is_whole = order is not None and _sum(content[:24], order, (0, 0)) == _pair(content, 24)
    if order is None or not is_whole:
        return Log({}, is_damaged=any(content[:HEADER_BYTES]))
    return _frames(content, order)


def _frames(content: bytes, order: str) -> Log:
    latest: dict[int, bytes] = {}
    open_pages: dict[int, bytes] = {}
    pages, running, at = 0, _pair(content, 24), HEADER_BYTES
    while at + FRAME_BYTES <= len(content):
        head = content[at : at + FRAME_HEADER_BYTES]
        page = content[at + FRAME_HEADER_BYTES : at + FRAME_BYTES]
        running = _sum(page, order, _sum(head[:8], order, running))
        if head[8:16] != content[16:24] or running != _pair(head, 16):
            break
        open_pages[int.from_bytes(head[:4])] = page
        if size := int.from_bytes(head[4:8]):
            latest |= open_pages
            open_pages, pages = {}, size
        at += FRAME_BYTES
    return Log(latest, pages, *_end(content, at))


def _end(content: bytes, at: int) -> tuple[bool, bool]:
    """Judge what stopped the reading at `at`: a clean end, a torn one, or a lost commit."""
    head = content[at : at + FRAME_HEADER_BYTES]
    if len(content) - at < FRAME_BYTES:
        return bool(head), False
    is_ours = head[8:16] == content[16:24]
    is_commit = is_ours and any(head[4:8])
    behind = _commits_behind(content, at + FRAME_BYTES)
    is_noise = not is_ours and any(head) and not _is_of_earlier_run(head, content)
    is_damaged = is_noise or behind >= (1 if is_commit else COMMITS_THAT_PROVE)
    return is_ours or behind > 0, is_damaged


def _is_of_earlier_run(head: bytes, content: bytes) -> bool:
    """The log is written anew from its beginning, and each time its first salt is one more."""
    runs_ago = (int.from_bytes(content[16:20]) - int.from_bytes(head[8:12])) & WORD
    return 0 < runs_ago < RUNS_MAX


def _commits_behind(content: bytes, at: int) -> int:
    """Count commits of this same run of the log behind the frame that ended it."""
    found = 0
    for place in range(at, len(content) - FRAME_BYTES + 1, FRAME_BYTES):
        is_ours = content[place + 8 : place + 16] == content[16:24]
        found += is_ours and any(content[place + 4 : place + 8])
    return found


def _pair(content: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(content[at : at + 4]), int.from_bytes(content[at + 4 : at + 8])


def _sum(content: bytes, order: str, start: tuple[int, int]) -> tuple[int, int]:
    """Fold eight bytes at a time, as wal.c does."""
    words = memoryview(content).cast("I") if order == "little" else _swapped(content)
    first, second = start
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & WORD
        second = (second + words[place + 1] + first) & WORD
    return first, second


def _swapped(content: bytes) -> memoryview:
    turned = bytearray(len(content))
    for place in range(4):
        turned[place::4] = content[3 - place :: 4]
    return memoryview(bytes(turned)).cast("I")
