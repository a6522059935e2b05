"""The folder of files and the database that counts them: brought together once a day.

A piece is on the disk before it is counted, and either of the two may be of yesterday. A file
that a row names and nobody counted whole is hashed and counted; one that no work names goes: at
once where somebody was erased, after a month where only nobody knows it, because a hub that was
rolled back hears of its rows again when the boxes speak. One that was counted and does not lie
here is not counted any more, and the hub changes its incarnation: the boxes were told that it is
safe, and whoever has it sends it again.
"""

import asyncio
import logging
import re
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

from sync.hub.blobs.keeping import (
    MOVE_BLOB,
    folder_of,
    forget_unnamed,
    has_size,
    is_content,
    open_blob,
    remove,
    still_there,
)
from sync.hub.database import scoped
from sync.hub.faults import BlobUnknown
from sync.hub.identity import Identity, change_incarnation, identity
from sync.hub.running import Hub

logger = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
UNKNOWN_MS: Final = 30 * DAY_MS
LOOKED_AT_MAX: Final = 200  # of one school in one run; 2 GB to hash at most
NAME: Final = re.compile(r"[0-9a-f]{64}")

# Not those that were on their way: a replica that lags knows a beginning of what lies there whole.
COUNTED: Final[LiteralString] = """
SELECT b.sha256, b.size_bytes
  FROM sync_blob AS b
 WHERE b.school_id = $1
   AND b.whole_at_ms IS NOT NULL
"""


SCHOOLS: Final[LiteralString] = """
SELECT s.school_id
  FROM school AS s
 WHERE s.district_id = $1
"""


async def tidy_files(hub: Hub) -> int:
    """Look through every school's files; return how many were counted, removed or found lost."""
    async with scoped(hub.pools.ingest) as link:
        who = await identity(link)
    async with scoped(hub.pools.ingest, district_id=who.district_id) as link:
        schools = {found["school_id"] for found in await link.fetch(SCHOOLS, who.district_id)}
    done = 0
    for school_id in sorted(schools.union(schools_in(hub.settings.data / "blobs"))):
        done += await _tidy_school(hub, who, school_id)
    if done:
        logger.info("files tidied count=%d", done)
    return done


async def _tidy_school(hub: Hub, who: Identity, school_id: UUID) -> int:
    folder = folder_of(hub, school_id)
    async with scoped(hub.pools.ingest, school_id=school_id) as link:
        done = await forget_unnamed(hub, link, school_id)
        found = await link.fetch(COUNTED, school_id)
    counted = {each["sha256"] for each in found}
    here = await asyncio.to_thread(still_there, folder, found)
    for sha256 in sorted(counted.difference(here)):
        done += await _uncount(hub, who, school_id, sha256)
    there = await asyncio.to_thread(contents_in, folder)
    for sha256 in todays(sorted(there - counted), hub.clock()):
        done += await _tidy_one(hub, school_id, sha256)
    return done


async def _uncount(hub: Hub, who: Identity, school_id: UUID, sha256: bytes) -> bool:
    """Own up to a loss: with a new incarnation in one transaction, or a cut would hide it."""
    async with scoped(hub.pools.ingest, school_id=school_id) as link:
        try:
            held = await open_blob(link, school_id, sha256)
        except BlobUnknown:
            return False  # somebody was erased since
        if not held.is_whole or has_size(folder_of(hub, school_id) / sha256.hex(), held.size_bytes):
            return False
        await link.execute(MOVE_BLOB, school_id, sha256, 0, None)
        await change_incarnation(link, who.incarnation, now_ms=hub.clock())
    logger.warning("a file is lost here and asked for again school=%s", school_id)
    return True


def todays(uncounted: list[bytes], now_ms: int) -> list[bytes]:
    """As many as one run looks at; the next day's begin where these end."""
    start = now_ms // DAY_MS * LOOKED_AT_MAX % max(len(uncounted), 1)
    return (uncounted[start:] + uncounted[:start])[:LOOKED_AT_MAX]


def schools_in(folder: Path) -> list[UUID]:
    """Whose files lie there."""
    found = []
    for path in sorted(folder.glob("*-*-*-*-*")):
        try:
            found.append(UUID(path.name))
        except ValueError:
            continue
    return found


async def _tidy_one(hub: Hub, school_id: UUID, sha256: bytes) -> bool:
    """Count a file, or remove it; its row is locked, as for a piece that comes."""
    path = folder_of(hub, school_id) / sha256.hex()
    async with scoped(hub.pools.ingest, school_id=school_id) as link:
        try:
            held = await open_blob(link, school_id, sha256)
        except BlobUnknown:
            return await asyncio.to_thread(_remove_old, path.parent, path.name, hub.clock())
        if held.is_whole or not await asyncio.to_thread(is_content, path, sha256):
            return False  # its box sends it, or will
        await link.execute(MOVE_BLOB, school_id, sha256, held.size_bytes, hub.clock())
        return True


def _remove_old(folder: Path, name: str, now_ms: int) -> bool:
    try:
        is_old = (folder / name).stat().st_mtime * 1_000 < now_ms - UNKNOWN_MS
    except FileNotFoundError:  # another process of this hub was first
        return False
    if is_old:
        remove(folder, [name])
    return is_old


def contents_in(folder: Path) -> set[bytes]:
    """The hash of every file that lies there, whole or not."""
    return {bytes.fromhex(path.name) for path in folder.glob("*") if NAME.fullmatch(path.name)}
