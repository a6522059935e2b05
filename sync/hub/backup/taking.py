"""A base backup of the whole server, and the write-ahead log between two of them.

    DIR/20261121T083000Z/    one base backup: a directory PostgreSQL starts from
    DIR/wal/                 what `darasa-hub archive-wal` put there, for any moment since

A backup counts only after it was restored elsewhere and looked at (verifying.py). Older ones
are removed when a newer one has passed.
"""

import filecmp
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from appliance.durable import sync_path
from sync.hub.faults import BackupFailed
from sync.hub.launcher import PostgresUnavailable, give_to_server_user, run_program

KEEP: Final = 7  # a week of nights
FORMAT: Final = "%Y%m%dT%H%M%SZ"
DEBIAN: Final = "/usr/lib/postgresql/{major}/bin"
MADE_BY: Final = "pg_basebackup"


def programs(configured: Path | None, major: int) -> Path:
    """Find the programs of the server's own release. Raises BackupFailed."""
    found = shutil.which("postgres")
    places = [configured] if configured else [Path(DEBIAN.format(major=major))]
    places += [Path(found).resolve().parent] if found and not configured else []
    for place in places:
        if (place / MADE_BY).exists():
            return place
    raise BackupFailed(f"no {MADE_BY} of PostgreSQL {major} in {', '.join(map(str, places))}")


def take(folder: Path, bin_dir: Path, dsn: str, *, now_ms: int) -> Path:
    """Copy the running server into a new directory of `folder`. Raises BackupFailed."""
    name = datetime.fromtimestamp(now_ms / 1_000, UTC).strftime(FORMAT)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    try:
        give_to_server_user(part)
        run_program(
            [bin_dir / MADE_BY, "-D", part, "-d", dsn, "-X", "stream", "-c", "fast"],
            failed=MADE_BY,
        )
    except PostgresUnavailable as error:
        shutil.rmtree(part, ignore_errors=True)
        raise BackupFailed(str(error)) from error
    return part.rename(folder / name)


def taken(folder: Path) -> list[Path]:
    """Return the base backups in `folder`, oldest first."""
    return sorted(path for path in folder.glob("*Z") if path.is_dir())


def remove_older(folder: Path) -> list[Path]:
    """Keep the newest few; called when the newest has passed."""
    old = taken(folder)[:-KEEP]
    for path in old:
        shutil.rmtree(path)
    return old


def size_bytes(backup: Path) -> int:
    """What it takes on the disk."""
    return sum(path.stat().st_size for path in backup.rglob("*") if path.is_file())


def archive_wal(segment: Path, folder: Path) -> None:
    """Keep one segment of the log; PostgreSQL's archive_command.

    Repeating is harmless; other content under the same name is refused (BackupFailed), as
    PostgreSQL asks of every archive_command.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / segment.name
    if kept.exists():
        if filecmp.cmp(segment, kept, shallow=False):
            return
        raise BackupFailed(f"{kept} holds another log; two servers archive into one folder")
    part = kept.with_suffix(".part")
    shutil.copyfile(segment, part)
    sync_path(part)
    part.rename(kept)
    sync_path(folder)
