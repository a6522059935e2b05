"""Bringing the database file to the schema this program was written for.

Numbered SQL files, each one transaction that also writes its own row in
`schema_migration` and the new `user_version`: killed at any statement, the file has the
old schema or the new one. Everything is checked inside the transaction, before COMMIT.
A verified copy is made first, or nothing happens; when a later file fails, the earlier ones
of the same run are undone from it, so that the old release can go on.

A box may also go back to the release before. Each file therefore says in its first line the
oldest schema whose program can still work on what it leaves (`-- works from: 0011`), the
database keeps that, and an older program serves a newer file that allows it. It never
changes such a file's schema. docs/decisions/0020-going-back-serves.md
"""

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, LiteralString

import apsw
from msgspec import Struct

from appliance.database.backup import copy_before_update, restore
from appliance.database.connection import BUSY_TIMEOUT_MS, open_connection
from appliance.database.faults import DatabaseMissing, MigrationFailed, SchemaMismatch
from appliance.database.going_back import make_record, require_workable
from appliance.database.integrity import quick_check
from appliance.database.lock import exclusive_lock
from appliance.database.reader import Reader
from appliance.database.transaction import Transaction

logger = logging.getLogger(__name__)

EDGE_MIGRATIONS: Final = Path(__file__).parents[2] / "migrations" / "edge"
FILE_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")
MARK: Final = re.compile(r"-- works from: (?P<version>\d{4})\n")
UNMARKED_MAX: Final = 11  # released before there was a mark; no program older than them reads one

USER_VERSION: Final[LiteralString] = "PRAGMA user_version"

RECORD_MIGRATION: Final[LiteralString] = """
INSERT INTO schema_migration (version, name, checksum, applied_at_ms, took_ms, works_from)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
"""

RECORDED_MIGRATIONS: Final[LiteralString] = """
SELECT version, checksum
  FROM schema_migration
 ORDER BY version
"""


class Migration(Struct, frozen=True):
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> bytes:
        """SHA-256 of the text: a released file must never change."""
        return hashlib.sha256(self.sql.encode()).digest()

    @property
    def works_from(self) -> int:
        """The oldest schema whose program can still read and write the file after this."""
        mark = MARK.match(self.sql)
        return int(mark["version"]) if mark else self.version


class Applied(Struct, frozen=True):
    """A migration that this run brought in."""

    version: int
    name: str
    took_ms: int


class Recorded(Struct, frozen=True):
    """A migration that the file says it has."""

    version: int
    checksum: bytes


def free_on_card(folder: Path) -> int:
    """How many bytes may still be written beside the school's file."""
    return shutil.disk_usage(folder).free


def migrate(
    path: Path,
    migrations: Path,
    *,
    backups: Path,
    now_ms: int,
    vfs: str | None = None,
    free_bytes: Callable[[Path], int] = free_on_card,
) -> list[Applied]:
    """Apply what is missing, alone with the files, and return what was applied.

    A file that a later release has left and that allows this one is not touched.
    Raises MigrationFailed, NoRoomToMigrate, BackupFailed (the file is as it was), SchemaTooNew,
    SchemaMismatch (a released migration was edited), DataDirInUse (box or agent is running).
    """
    known = read_migrations(migrations)
    with exclusive_lock(path.parent):
        is_new = _is_empty(path)
        with closing(
            open_connection(path, role="writer", mmap_size_bytes=0, vfs=vfs)
        ) as connection:
            _refuse_strangers(connection, known)
            pending = known[_version(connection) :]
        if not pending:
            return []
        backup = backups / f"before-{pending[-1].version:04}-{now_ms}.db"
        if not is_new:
            copy_before_update(path, backup, free_bytes=free_bytes(path.parent))
        try:
            return _apply_all(path, pending, now_ms=now_ms, vfs=vfs)
        except apsw.Error as error:
            _undo(path, None if is_new else backup)
            raise MigrationFailed(f"{path}: {error}") from error
        except MigrationFailed:
            _undo(path, None if is_new else backup)
            raise


def lay_out(path: Path, migrations: Path, *, version: int, now_ms: int) -> None:
    """Make a new, empty file with the schema of a version. The caller holds the files alone."""
    assert not path.exists(), path
    _apply_all(path, read_migrations(migrations)[:version], now_ms=now_ms, vfs=None)


def read_migrations(folder: Path) -> list[Migration]:
    """Read the numbered files: 0001 to the last one, without a gap."""
    found = []
    for version, file in enumerate(sorted(folder.glob("*.sql")), start=1):
        match = FILE_NAME.fullmatch(file.name)
        assert match is not None, f"{file}: not NNNN_name.sql"
        assert int(match["version"]) == version, f"{file}: number {version:04} is missing or double"
        migration = Migration(version, match["name"], file.read_text(encoding="utf-8"))
        is_marked = MARK.match(migration.sql) is not None
        assert is_marked or version <= UNMARKED_MAX, f"{file}: the first line is no `-- works from`"
        assert 0 < migration.works_from <= version, f"{file}: works from a schema to come"
        found.append(migration)
    return found


def schema_version(path: Path) -> int:
    """Return the number of the last migration in the file; 0 when there is none yet."""
    if not path.exists():
        return 0
    with closing(_only_looking(path)) as connection:
        return _version(connection)


def file_version(path: Path) -> int:
    """The same of a file that may be anything; 0 when it is no database of ours."""
    try:
        return schema_version(path)
    except apsw.Error:
        return 0


def require_schema(path: Path, migrations: Path = EDGE_MIGRATIONS) -> None:
    """Raise DatabaseMissing, SchemaMismatch or SchemaTooNew unless this program can work on it."""
    if not path.exists():
        raise DatabaseMissing(f"{path} is not there")
    has, knows = schema_version(path), len(read_migrations(migrations))
    if has < knows:
        raise SchemaMismatch(f"{path} has schema {has}, this program needs {knows}")
    refuse_too_new(path, migrations)


def refuse_too_new(path: Path, migrations: Path = EDGE_MIGRATIONS) -> None:
    """Raise SchemaTooNew when a later release left the file in a way this one cannot work with."""
    with closing(_only_looking(path)) as connection:
        require_workable(connection, knows=len(read_migrations(migrations)))


def migrations_ahead(db: Reader, migrations: Path = EDGE_MIGRATIONS) -> int:
    """How many migrations the file has that this program does not know; 0 on an ordinary box."""
    version = db.value(USER_VERSION)
    assert isinstance(version, int)
    return max(0, version - len(list(migrations.glob("*.sql"))))


def spoken_version(path: Path, migrations: Path = EDGE_MIGRATIONS) -> int:
    """What this program may say it knows: a newer file's further columns it does not."""
    return min(schema_version(path), len(read_migrations(migrations)))


def _is_empty(path: Path) -> bool:
    """Say whether there is nothing to lose: only such a file is taken away after a failure.

    Not by the version: a file that was repaired by dumping and reading it in again has
    lost its number and nothing else.
    """
    if not path.exists():
        return True
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        return not connection.execute("SELECT count(*) FROM sqlite_schema").get


def _version(connection: apsw.Connection) -> int:
    return int(connection.pragma("user_version"))


def _only_looking(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)  # another process may just be recovering
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # asking writes nothing
    return connection


def _refuse_strangers(connection: apsw.Connection, known: list[Migration]) -> None:
    require_workable(connection, knows=len(known))
    if _version(connection) == 0:
        return
    for recorded in Reader(connection).rows(Recorded, RECORDED_MIGRATIONS):
        if recorded.version > len(known):
            continue  # of the release this box went back from
        migration = known[recorded.version - 1]
        if migration.checksum != recorded.checksum:
            raise SchemaMismatch(
                f"{migration.version:04}_{migration.name} was edited after release"
            )


def _apply_all(
    path: Path, pending: list[Migration], *, now_ms: int, vfs: str | None
) -> list[Applied]:
    with closing(open_connection(path, role="writer", mmap_size_bytes=0, vfs=vfs)) as connection:
        # Off, as SQLite's own recipe for rebuilding a table wants it (a DROP would
        # cascade); `_verify` looks at every key before COMMIT instead.
        connection.pragma("foreign_keys", 0)
        return [_apply(connection, migration, now_ms=now_ms) for migration in pending]


def _apply(connection: apsw.Connection, migration: Migration, *, now_ms: int) -> Applied:
    began = time.monotonic_ns()
    transaction = Transaction(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        make_record(transaction)
        connection.execute("SAVEPOINT script")
        for _ in connection.execute(migration.sql):
            pass  # a script goes on only while it is stepped (T5)
        connection.execute("RELEASE script")  # gone if the file holds a COMMIT of its own
        took_ms = (time.monotonic_ns() - began) // 1_000_000
        transaction.run(
            RECORD_MIGRATION,
            (
                migration.version,
                migration.name,
                migration.checksum,
                now_ms,
                took_ms,
                migration.works_from,
            ),
        )
        connection.pragma("user_version", migration.version)
        _verify(transaction, migration)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    logger.info("migrated version=%d name=%s ms=%d", migration.version, migration.name, took_ms)
    return Applied(migration.version, migration.name, took_ms)


def _verify(transaction: Transaction, migration: Migration) -> None:
    report = quick_check(transaction)
    if not report.is_ok:
        found = [*report.problems, *map(str, report.dangling)]
        raise MigrationFailed(f"{migration.version:04}_{migration.name}: {'; '.join(found)}")


def _undo(path: Path, backup: Path | None) -> None:
    """Go back to before this run: from the backup, or to no file where there was none."""
    if backup is not None:
        restore(backup, path)
        return
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
