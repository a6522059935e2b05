"""A backup takes the place of the database. What was there is kept beside it."""

import shutil
from contextlib import closing, suppress
from pathlib import Path

import apsw

from appliance.database.backup import restore
from appliance.database.connection import APPLICATION_ID
from appliance.database.faults import BackupUnusable
from appliance.database.integrity import quick_check
from appliance.durable import sync_path

BESIDE = ("", "-wal", "-shm")  # a database is these three until it is closed


def restore_backup(backup: Path, path: Path, aside: Path) -> None:
    """Put the content of `backup` at `path`; the present files move to the folder `aside`.

    Not into the present file, which may be too broken to be written. The caller holds the
    files alone. Raises BackupUnusable; then everything is as it was.
    """
    fresh = path.with_name(f"{path.name}.restored")
    try:
        _build(backup, fresh)
    except BackupUnusable:
        _remove(fresh)
        raise
    _move_aside(path, aside)
    fresh.rename(path)
    sync_path(path.parent)


def _build(backup: Path, fresh: Path) -> None:
    _remove(fresh)
    try:
        _require_school(backup)
        restore(backup, fresh)
    except apsw.Error as error:
        raise BackupUnusable(f"restore {backup}: {error}") from error
    report = quick_check(fresh)
    if not report.is_ok:
        raise BackupUnusable(f"restore {backup}: {(report.problems or report.dangling)[0]}")


def _require_school(backup: Path) -> None:
    """An empty file is a sound database, too, but nobody's."""
    flags = apsw.SQLITE_OPEN_READONLY
    with closing(apsw.Connection(str(backup), flags=flags)) as connection:
        if connection.pragma("application_id") != APPLICATION_ID:
            raise BackupUnusable(f"restore {backup}: this is not a school's database")


def _move_aside(path: Path, aside: Path) -> None:
    if not path.exists():
        return
    aside.mkdir(mode=0o700)
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            shutil.move(path.with_name(path.name + ending), aside)


def _remove(path: Path) -> None:
    for ending in BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)
