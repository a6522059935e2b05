"""Start a copy of a backup and hold it against what this hub has promised.

Every acknowledged segment is a link of its school's log (sync/protocol.py). In a good backup
each link follows from the one before, the raw segments are what their links say, and the
copy's streams stand where the running hub has stood, too. Only then do boxes hear that their
work is in the district's backup.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, LiteralString
from uuid import UUID

import asyncpg
from msgspec import Struct

from sync.core.segment import SegmentRefused, read_segment
from sync.hub.database import Link, rows, set_scope
from sync.hub.faults import BackupFailed
from sync.hub.identity import Identity, identity
from sync.hub.intake.receipts import school_log
from sync.hub.launcher import (
    PostgresServer,
    PostgresUnavailable,
    give_to_server_user,
    run_program,
    running,
)
from sync.protocol import LOG_BEGIN, next_log_hash
from sync.registry import TABLES

# Nobody but us reaches the copy's socket; the passwords of the real server are not asked.
TRUST: Final = "local all all trust\n"
LINKS_AT_ONCE: Final = 500
COPY_SETTINGS: Final = {
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",
    "archive_mode": "off",
    "ssl": "off",
    "max_wal_senders": "10",
}

SCHOOLS: Final[LiteralString] = """
SELECT s.school_id
  FROM school AS s
 ORDER BY s.school_id
"""

LINKS: Final[LiteralString] = """
SELECT i.log_no, i.hash, i.log_hash, coalesce(r.raw, i.raw) AS raw
  FROM sync_inbox AS i
  LEFT JOIN sync_raw AS r
    ON r.school_id      = i.school_id
   AND r.received_at_ms = i.received_at_ms
   AND r.log_no         = i.log_no
 WHERE i.school_id = $1
   AND i.log_no    > $2
 ORDER BY i.log_no
 LIMIT $3
"""

STREAMS: Final[LiteralString] = """
SELECT s.node_id, s.epoch, s.lane, s.applied_n AS n, i.hash
  FROM sync_stream AS s
  JOIN sync_inbox AS i
    ON i.school_id = s.school_id
   AND i.node_id   = s.node_id
   AND i.epoch     = s.epoch
   AND i.lane      = s.lane
   AND i.n         = s.applied_n
 WHERE s.school_id = $1
"""

COUNT_ROWS: Final = {
    table.name: f"SELECT count(*) FROM {table.name} WHERE school_id = $1"  # noqa: S608 -- names from the registry
    for table in TABLES
}


class KeptLink(Struct, frozen=True):
    """One segment of a school's log; raws may have been dropped by age or erasure."""

    log_no: int
    hash: bytes
    log_hash: bytes
    raw: bytes | None


class Stand(Struct, frozen=True):
    """How far one stream is applied in the copy."""

    node_id: UUID
    epoch: UUID
    lane: int
    n: int
    hash: bytes


class Found(Struct, frozen=True):
    """What a backup holds: streams by school, and how many segments were looked at."""

    streams: dict[UUID, list[Stand]]
    segments: int


@contextmanager
def restored(backup: Path, bin_dir: Path) -> Iterator[PostgresServer]:
    """Start a copy of `backup` beside it, and remove the copy. Raises BackupFailed."""
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=backup.parent) as place:
        Path(place).chmod(0o755)
        copy = Path(place) / "data"
        shutil.copytree(backup, copy, symlinks=True)
        _give_all(copy)
        (Path(place) / "hba").write_text(TRUST)
        (Path(place) / "hba").chmod(0o644)
        settings = COPY_SETTINGS | {"hba_file": str(Path(place) / "hba")}
        try:
            run_program([bin_dir / "pg_verifybackup", backup], failed="pg_verifybackup")
            with running(copy, bin_dir, settings) as server:
                yield server
        except PostgresUnavailable as error:
            raise BackupFailed(str(error)) from error


def _give_all(copy: Path) -> None:
    give_to_server_user(copy)
    owner = copy.stat()
    for path in copy.rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@asynccontextmanager
async def reading(server: PostgresServer, database: str) -> AsyncIterator[Link]:
    """Read the copy as what takes in segments: it sees one school at a time."""
    connection = await asyncpg.connect(server.dsn(database, user="darasa_ingest"))
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


async def look(link: Link, expected: Identity) -> Found:
    """Read everything that was acknowledged. Raises BackupFailed at the first doubt."""
    who = await identity(link)
    if who.hub_id != expected.hub_id:
        raise BackupFailed(f"this is a backup of another hub, {who.hub_id}")
    await set_scope(link, district_id=who.district_id)
    streams, segments = {}, 0
    for school_id in [found["school_id"] for found in await link.fetch(SCHOOLS)]:
        await set_scope(link, school_id=school_id)
        segments += await _follow_log(link, school_id)
        streams[school_id] = await rows(link, Stand, STREAMS, school_id)
        for sql in COUNT_ROWS.values():  # reads every page of every table
            await link.fetchval(sql, school_id)
    return Found(streams, segments)


async def _follow_log(link: Link, school_id: UUID) -> int:
    """Check each link of one school's log, and each raw segment; return how many."""
    head = await school_log(link, school_id)
    number, log_hash = 0, LOG_BEGIN
    while found := await rows(link, KeptLink, LINKS, school_id, number, LINKS_AT_ONCE):
        for kept in found:
            number, log_hash = number + 1, next_log_hash(log_hash, kept.hash)
            if (kept.log_no, kept.log_hash) != (number, log_hash) or not _is_whole(kept):
                raise BackupFailed(f"school {school_id}: segment {kept.log_no} is not what it was")
    if (number, log_hash) != (head.log_no, head.log_hash):
        raise BackupFailed(f"school {school_id}: the log ends at {number}, not {head.log_no}")
    return number


def _is_whole(kept: KeptLink) -> bool:
    if kept.raw is None:
        return True
    try:
        return read_segment(kept.raw).hash == kept.hash
    except SegmentRefused:
        return False
