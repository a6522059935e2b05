"""Another file takes the place of the database. What was there is kept beside it."""

import shutil
from contextlib import closing, suppress
from pathlib import Path

import apsw

from appliance.database.backup import restore
from appliance.database.connection import APPLICATION_ID, open_connection
from appliance.database.faults import BackupUnusable, SchemaTooNew
from appliance.database.integrity import quick_check
from appliance.database.lineage import leave_lineage
from appliance.database.migrate import refuse_too_new
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
        remove_database(fresh)
        raise
    swap(fresh, path, aside)


def swap(fresh: Path, path: Path, aside: Path) -> None:
    """Put a finished file in place by its name; the files that had it move to `aside`.

    Killed between the two, there is no database at `path`, and the next start finds that out:
    a box with keys and without its database takes the ladder again.
    """
    _move_aside(path, aside)
    with suppress(FileNotFoundError):  # the empty log first: without one the file seems to lack it
        log_of(fresh).rename(log_of(path))
    fresh.rename(path)
    remove_database(fresh)
    sync_path(path.parent)


def log_of(path: Path) -> Path:
    """The write-ahead log of a database."""
    return path.with_name(f"{path.name}-wal")


def _build(backup: Path, fresh: Path) -> None:
    remove_database(fresh)
    try:
        require_school(backup)
        restore(backup, fresh)
        refuse_too_new(fresh)
        _leave_lineage(fresh)
    except (apsw.Error, SchemaTooNew) as error:
        raise BackupUnusable(f"restore {backup}: {error}") from error
    problems = quick_check(fresh).problems
    if problems:
        raise BackupUnusable(f"restore {backup}: {problems[0]}")


def _leave_lineage(fresh: Path) -> None:
    with closing(open_connection(fresh, role="writer")) as connection:
        leave_lineage(connection)


def require_school(backup: Path) -> None:
    """An empty file is a sound database, too, but nobody's. Raises BackupUnusable."""
    if backup.stat().st_size == 0:
        raise BackupUnusable(f"{backup} is empty: it was not copied to its end")
    flags = apsw.SQLITE_OPEN_READONLY
    try:
        with closing(apsw.Connection(str(backup), flags=flags)) as connection:
            number = connection.pragma("application_id")
    except apsw.Error as error:
        raise BackupUnusable(f"{backup} is damaged, or no backup at all") from error
    if number != APPLICATION_ID:
        raise BackupUnusable(f"{backup} is not a school's database")


def _move_aside(path: Path, aside: Path) -> None:
    if not any(path.with_name(path.name + ending).exists() for ending in BESIDE):
        return
    aside.mkdir(mode=0o700, exist_ok=True)
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            shutil.move(path.with_name(path.name + ending), aside)


def remove_database(path: Path) -> None:
    """Take away a file nobody has relied on yet, with what SQLite keeps beside it."""
    for ending in BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)
