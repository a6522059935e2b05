"""Files beside the rows: sent after everything else, fetched where this board lacks them.

A file lies in the data folder under its content's hash. It goes up once the row that names
it is at the district, piece by piece from wherever the hub's part ends; a piece that was lost
costs a piece. Between two pieces the agent looks whether work has been handed in: rows go
first. What a board should have and has not comes back the same way and is hashed before it
counts. On a card that is almost full it stays where it is: what is left is for hand-ins.
"""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, LiteralString

from msgspec import Struct

from appliance.attachments.keeping import contents_in, remove_unnamed
from appliance.database.agent import AgentDatabase
from appliance.database.faults import WriteFailed
from appliance.database.reader import Reader
from appliance.durable import sync_path
from appliance.room import has_room_for_files
from sync.agent.faults import Refused
from sync.agent.link import Link
from sync.protocol import BLOB_CHUNK_BYTES_MAX, BlobChunk, BlobPart, BlobState

logger = logging.getLogger(__name__)

AT_ONCE_MAX: Final = 50  # files looked at in one conversation; the next one goes on

# Only files whose row the hub has applied: of others it would say that nothing names them.
NOT_YET_THERE: Final[LiteralString] = """
SELECT DISTINCT a.sha256, a.size_bytes
  FROM attachment AS a
  JOIN sync_identity AS i
    ON i.id = 1
  LEFT JOIN sync_blob AS b
    ON b.sha256      = a.sha256
   AND b.incarnation = i.incarnation
  JOIN sync_custody AS c
    ON c.tbl = 26
   AND c.pk  = a.id
  JOIN sync_stream AS t
    ON t.lane  = c.lane
   AND t.epoch = c.epoch
   AND c.n    <= t.applied_n
 WHERE b.sha256 IS NULL
 ORDER BY a.saved_at_ms DESC
"""

NAMED: Final[LiteralString] = """
SELECT DISTINCT a.sha256, a.size_bytes
  FROM attachment AS a
 ORDER BY a.saved_at_ms DESC
"""

NOTE_WHOLE: Final[LiteralString] = """
INSERT INTO sync_blob (sha256, incarnation, whole_at_ms)
VALUES (?1, ?2, ?3)
    ON CONFLICT (sha256) DO UPDATE
   SET incarnation = excluded.incarnation,
       whole_at_ms = excluded.whole_at_ms
"""


FORGET_WHOLE: Final[LiteralString] = "DELETE FROM sync_blob WHERE sha256 = ?1"


class Named(Struct, frozen=True):
    """A file that a row names."""

    sha256: bytes
    size_bytes: int

    @property
    def name(self) -> str:
        """Its name in the folder."""
        return self.sha256.hex()


class Blobs:
    """One conversation's files. `is_wanted_elsewhere` says that rows wait to be sent."""

    def __init__(
        self,
        db: AgentDatabase,
        link: Link,
        folder: Path,
        now_ms: Callable[[], int],
        is_wanted_elsewhere: Callable[[], bool],
    ) -> None:
        self._db: Final = db
        self._link: Final = link
        self._folder: Final = folder
        self._now_ms: Final = now_ms
        self._is_wanted_elsewhere: Final = is_wanted_elsewhere

    async def run(self) -> int:
        """Send and fetch until done or until rows wait; return how many files moved."""
        sent = came = 0
        here = {path.name for path in self._folder.glob("*")}
        unsent = [each for each in self._db.rows(Named, NOT_YET_THERE) if each.name in here]
        for named in some_of(unsent, self._now_ms()):
            sent += await self._send(named)
        missing = [each for each in named_files(self._db) if each.name not in here]
        for named in some_of(missing, self._now_ms()):
            came += await self._fetch(named)
        if came < len(missing) and not has_room_for_files(self._folder.parent):
            logger.warning("files wait for room on the card count=%d", len(missing) - came)
        return sent + came

    async def _send(self, named: Named) -> bool:
        """Bring one file to the hub; False when it was left half-way or nobody there wants it."""
        chunk = BlobChunk(sha256=named.sha256, offset=0)
        while not self._is_wanted_elsewhere():
            try:
                state = await self._link.post("/sync/v1/blobs", chunk, BlobState)
            except Refused:
                return False  # the hub has not got the row (any more); hello will say why
            if state.is_whole:
                self._note_whole(named, state)
                return True
            chunk = await asyncio.to_thread(self._piece, named, state.have_bytes)
        return False

    def _note_whole(self, named: Named, state: BlobState) -> None:
        with self._db.changing() as tx:
            tx.run(NOTE_WHOLE, (named.sha256, state.incarnation, self._now_ms()))

    def _piece(self, named: Named, offset: int) -> BlobChunk:
        with (self._folder / named.name).open("rb") as file:
            file.seek(offset)
            data = file.read(BLOB_CHUNK_BYTES_MAX)
        digest = hashlib.sha256(data).digest()
        return BlobChunk(sha256=named.sha256, offset=offset, data=data, digest=digest)

    async def _fetch(self, named: Named) -> bool:
        """Bring one file back, from where the part on the disk ends, while there is room."""
        part = self._folder / f"{named.name}.part"
        while not self._is_wanted_elsewhere():
            at = part.stat().st_size if part.exists() else 0
            if at >= named.size_bytes:
                return await asyncio.to_thread(keep_if_whole, part, named)
            if not has_room_for_files(self._folder.parent):
                return False
            path = f"/sync/v1/blobs/{named.name}?offset={at}"
            try:
                piece = await self._link.get(path, BlobPart)
            except Refused:
                return False  # not there (yet): another board may still bring it
            if hashlib.sha256(piece.data).digest() != piece.digest or not piece.data:
                return False
            await asyncio.to_thread(_append, part, piece.data)
        return False


def some_of(wanted: list[Named], chance: int) -> list[Named]:
    """As many as one conversation looks at: the newest, and by turns some of the others.

    Nobody may have the newest any more; the others do not wait behind them for ever.
    """
    number = AT_ONCE_MAX // 2
    newest, others = wanted[:number], wanted[number:]
    start = chance % max(len(others), 1)
    return newest + (others[start:] + others[:start])[: AT_ONCE_MAX - number]


def keep_whole(folder: Path, sha256: bytes, content: bytes) -> None:
    """Keep a file whose content was hashed; on the card when this returns. Raises WriteFailed."""
    part = folder / f"{sha256.hex()}.part"
    part.unlink(missing_ok=True)
    _append(part, content)
    part.rename(part.with_suffix(""))
    sync_path(folder)


def keep_if_whole(part: Path, named: Named) -> bool:
    """Give a fetched file its name, if it is what the name says; else begin anew next time."""
    with part.open("rb") as file:
        is_whole = hashlib.file_digest(file, "sha256").digest() == named.sha256
    if is_whole:
        part.rename(part.with_suffix(""))
        sync_path(part.parent)
    else:
        part.unlink()
    return is_whole


def _append(part: Path, data: bytes) -> None:
    """Raises WriteFailed when the card is full."""
    try:
        part.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise WriteFailed(f"{part.name}: {error.strerror}") from error


def named_files(db: Reader) -> list[Named]:
    """Every file that a row names, the newest first."""
    return db.rows(Named, NAMED)


def orphans(db: Reader, folder: Path) -> list[bytes]:
    """What lies in the folder and no row names."""
    named = {each.sha256 for each in named_files(db)}
    return sorted(contents_in(folder) - named)


def drop_orphans(db: AgentDatabase, folder: Path) -> int:
    """Take away what a power cut has left; return how many files.

    Only for a box that has everything its school wrote: before that, a row may come back that
    names the file, and nobody else has its content.
    """
    found = orphans(db, folder)[:AT_ONCE_MAX]
    if not found:
        return 0
    with db.changing() as tx:
        gone = remove_unnamed(tx, folder, found)
        tx.run_many(FORGET_WHOLE, ((content,) for content in gone))
    return len(gone)
