"""Files of the schools: taken in piece by piece, hashed when whole, given back the same way.

A file belongs to a school and is kept under its content's hash, and only if a row of that
school names it: nobody can fill the disk with what no work refers to, and nobody learns
whether another school has the same file.
"""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

import asyncpg
from msgspec import Struct

from appliance.durable import sync_path
from appliance.errors import Invalid
from sync.hub.database import Link, row, scoped
from sync.hub.faults import BlobUnknown
from sync.hub.identity import identity
from sync.hub.intake.nodes import NodeClaim, node_of
from sync.hub.running import Hub
from sync.protocol import BLOB_CHUNK_BYTES_MAX, BlobChunk, BlobPart, BlobState

# The row came first, over another stream; what it says of the size holds.
NAMED: Final[LiteralString] = """
SELECT a.size_bytes
  FROM attachment AS a
 WHERE a.school_id = $1
   AND a.sha256    = $2
 LIMIT 1
"""

OPEN_BLOB: Final[LiteralString] = """
INSERT INTO sync_blob (school_id, sha256, size_bytes, have_bytes)
VALUES ($1, $2, $3, 0)
    ON CONFLICT (school_id, sha256) DO NOTHING
"""

# FOR UPDATE: two pieces of one file are written one after the other.
LOCK_BLOB: Final[LiteralString] = """
SELECT b.size_bytes, b.have_bytes, b.whole_at_ms IS NOT NULL AS is_whole
  FROM sync_blob AS b
 WHERE b.school_id = $1
   AND b.sha256    = $2
   FOR UPDATE
"""

WHOLE: Final[LiteralString] = """
SELECT b.sha256, b.size_bytes
  FROM sync_blob AS b
 WHERE b.school_id = $1
   AND b.sha256    = ANY($2)
   AND b.whole_at_ms IS NOT NULL
"""

MOVE_BLOB: Final[LiteralString] = """
UPDATE sync_blob
   SET have_bytes  = $3,
       whole_at_ms = $4
 WHERE school_id = $1
   AND sha256    = $2
"""

FORGET: Final[LiteralString] = "SELECT forget_blobs() AS sha256"


class Held(Struct, frozen=True):
    """What the table says of one file."""

    size_bytes: int
    have_bytes: int
    is_whole: bool


def folder_of(hub: Hub, school_id: UUID) -> Path:
    """Where a school's files lie."""
    return hub.settings.data / "blobs" / str(school_id)


async def take_chunk(hub: Hub, claim: NodeClaim, chunk: BlobChunk) -> BlobState:
    """Keep one piece, or say how much is there. Raises BlobUnknown, Invalid."""
    if chunk.data and hashlib.sha256(chunk.data).digest() != chunk.digest:
        raise Invalid("a piece of a file was damaged on the way")
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        held = await open_blob(link, claim.school_id, chunk.sha256)
        path = folder_of(hub, claim.school_id) / chunk.sha256.hex()
        if held.is_whole and not has_size(path, held.size_bytes):
            held = Held(held.size_bytes, 0, is_whole=False)
        if chunk.data and chunk.offset == held.have_bytes and not held.is_whole:
            held = await _append(link, claim.school_id, path, held, chunk, now_ms=hub.clock())
        return BlobState(
            sha256=chunk.sha256,
            size_bytes=held.size_bytes,
            have_bytes=held.have_bytes,
            is_whole=held.is_whole,
            incarnation=(await identity(link)).incarnation,
        )


async def take_whole(hub: Hub, claim: NodeClaim, sha256: bytes, content: bytes) -> bool:
    """Keep a file that came in one piece; False when it was here. Raises BlobUnknown, Invalid.

    It goes on where another way of coming left off; a wrong beginning is noticed at the end, and
    then it begins anew.
    """
    state = await take_chunk(hub, claim, BlobChunk(sha256=sha256, offset=0))
    was_here = state.is_whole
    if not was_here and state.size_bytes != len(content):
        raise Invalid(f"the file is {len(content)} bytes long, its row says {state.size_bytes}")
    while not state.is_whole:
        data = content[state.have_bytes : state.have_bytes + BLOB_CHUNK_BYTES_MAX]
        digest = hashlib.sha256(data).digest()
        piece = BlobChunk(sha256=sha256, offset=state.have_bytes, data=data, digest=digest)
        state = await take_chunk(hub, claim, piece)
    return not was_here


async def whole_files(hub: Hub, link: Link, school_id: UUID, asked: Sequence[bytes]) -> list[bytes]:
    """Those of `asked` that were hashed here and still lie here."""
    counted = await link.fetch(WHOLE, school_id, list(asked))
    return await asyncio.to_thread(still_there, folder_of(hub, school_id), counted)


def still_there(folder: Path, counted: Sequence[asyncpg.Record]) -> list[bytes]:
    """Those of the counted files that lie here as long as they were."""
    return [
        each["sha256"]
        for each in counted
        if has_size(folder / each["sha256"].hex(), each["size_bytes"])
    ]


def has_size(path: Path, size_bytes: int) -> bool:
    """Say whether a file lies there as long as it was: the folder may be older than its table."""
    try:
        return path.stat().st_size == size_bytes
    except FileNotFoundError:
        return False


async def open_blob(link: Link, school_id: UUID, sha256: bytes) -> Held:
    """Say what is here of a file, and lock it. Raises BlobUnknown."""
    size_bytes = await link.fetchval(NAMED, school_id, sha256)
    if size_bytes is None:
        raise BlobUnknown(f"no work of this school names the file {sha256.hex()[:12]}")
    await link.execute(OPEN_BLOB, school_id, sha256, size_bytes)
    held = await row(link, Held, LOCK_BLOB, school_id, sha256)
    assert held is not None
    return held


async def _append(
    link: Link, school_id: UUID, path: Path, held: Held, chunk: BlobChunk, *, now_ms: int
) -> Held:
    """Write, then count: a crash in between leaves bytes that are written over again."""
    have = held.have_bytes + len(chunk.data)
    if have > held.size_bytes:
        raise Invalid(f"the file is {held.size_bytes} bytes long, and this piece ends at {have}")
    await asyncio.to_thread(write_piece, path, chunk.offset, chunk.data)
    is_whole = have == held.size_bytes and await asyncio.to_thread(is_content, path, chunk.sha256)
    if have == held.size_bytes and not is_whole:
        have = 0  # wrong somewhere: from the beginning
    await link.execute(MOVE_BLOB, school_id, chunk.sha256, have, now_ms if is_whole else None)
    return Held(held.size_bytes, have, is_whole)


def write_piece(path: Path, offset: int, data: bytes) -> None:
    """Put bytes at their place, on disk when this returns."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, offset)
        os.pwrite(descriptor, data, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_path(path.parent)
        sync_path(path.parent.parent)


def is_content(path: Path, sha256: bytes) -> bool:
    """Say whether a file is there and what its name says."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == sha256
    except FileNotFoundError:
        return False


async def read_part(hub: Hub, claim: NodeClaim, sha256: bytes, offset: int) -> BlobPart:
    """Return the piece at `offset` of a whole file of this school. Raises BlobUnknown."""
    async with scoped(hub.pools.ingest, school_id=claim.school_id) as link:
        await node_of(link, claim)
        held = await row(link, Held, LOCK_BLOB, claim.school_id, sha256)
    if held is None or not held.is_whole or offset > held.size_bytes:
        raise BlobUnknown(f"the district does not have the file {sha256.hex()[:12]}")
    path = folder_of(hub, claim.school_id) / sha256.hex()
    try:
        data = await asyncio.to_thread(_read_at, path, offset, held.size_bytes)
    except FileNotFoundError as error:
        raise BlobUnknown(f"the district has lost the file {sha256.hex()[:12]}") from error
    return BlobPart(
        size_bytes=held.size_bytes,
        offset=offset,
        data=data,
        digest=hashlib.sha256(data).digest(),
    )


def _read_at(path: Path, offset: int, size_bytes: int) -> bytes:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size != size_bytes:
            raise FileNotFoundError(path)
        file.seek(offset)
        return file.read(BLOB_CHUNK_BYTES_MAX)


async def forget_unnamed(hub: Hub, link: Link, school_id: UUID) -> int:
    """Remove files that no work names any more, after somebody was erased; return how many."""
    gone = [found["sha256"] for found in await link.fetch(FORGET)]
    await asyncio.to_thread(remove, folder_of(hub, school_id), [each.hex() for each in gone])
    return len(gone)


def remove(folder: Path, names: Sequence[str]) -> None:
    """Take files away for good: before the rows that named them are gone."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if names and folder.is_dir():
        sync_path(folder)
