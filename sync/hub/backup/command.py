"""`darasa-hub backup DIR`: take one, restore a copy, look at it, tell the boxes.

Every step says what it does. Whatever fails, the running hub is not touched and no box is told.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, LiteralString

import asyncpg

from appliance.clock import Clock
from sync.hub.backup.recording import record
from sync.hub.backup.taking import programs, remove_older, size_bytes, take
from sync.hub.backup.verifying import Found, look, reading, restored
from sync.hub.faults import BackupFailed
from sync.hub.identity import Identity, change_incarnation, identity
from sync.hub.settings import HubSettings

WHERE: Final[LiteralString] = """
SELECT current_database()::text AS name, current_setting('server_version_num')::int / 10000 AS major
"""

Say = Callable[[str], None]


async def back_up(settings: HubSettings, folder: Path, clock: Clock, say: Say) -> None:
    """Raise BackupFailed when there is no backup that may be trusted."""
    live = await asyncpg.connect(
        settings.ingest_dsn or settings.dsn,
        user=None if settings.ingest_dsn else "darasa_ingest",
    )
    try:
        who = await identity(live)
        if who.district_id is None:
            raise BackupFailed("this hub has no district yet: there is nothing to back up")
        where = await live.fetchrow(WHERE)
        assert where is not None
        bin_dir = programs(settings.postgres_bin, where["major"])
        taken_at_ms = clock()
        backup = take(folder, bin_dir, settings.backup_dsn or settings.dsn, now_ms=taken_at_ms)
        size = size_bytes(backup)
        say(f"taken: {backup} ({size / 1_000_000:.0f} MB); now restoring a copy of it")
        found = await verify(backup, bin_dir, where["name"], who)
        async with live.transaction():
            await record(
                live,
                who.district_id,
                found,
                size_bytes=size,
                taken_at_ms=taken_at_ms,
                now_ms=clock(),
            )
    finally:
        await live.close()
    for old in remove_older(folder):
        say(f"removed: {old}")
    say(f"backup PASS: schools {len(found.streams)}, segments {found.segments}, all as promised")


async def verify(backup: Path, bin_dir: Path, database: str, who: Identity) -> Found:
    """Restore a copy of a backup and look at everything in it. Raises BackupFailed."""
    try:
        with restored(backup, bin_dir) as server:
            async with reading(server, database) as link:
                return await look(link, who)
    except asyncpg.PostgresError as error:
        raise BackupFailed(f"{backup}: the copy does not answer: {error}") from error


async def note_restored(settings: HubSettings, clock: Clock, say: Say) -> None:
    """After a restore: every box hears at its next hello that this hub was somewhere else."""
    live = await asyncpg.connect(
        settings.ingest_dsn or settings.dsn,
        user=None if settings.ingest_dsn else "darasa_ingest",
    )
    try:
        async with live.transaction():
            before = await identity(live)
            await change_incarnation(live, before.incarnation, now_ms=clock())
    finally:
        await live.close()
    say("Noted. Every box sends what this hub does not have, beginning with its next hello.")
