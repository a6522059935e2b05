"""The hub's schema: numbered files, one transaction each, run once, by `darasa-hub migrate` only.

Roles come first, because the files grant to them: darasa_owner owns the tables,
darasa_ingest and darasa_web are what the hub works as. None of them may see past row
security; whoever connects here only needs the right to make them, once.
"""

import hashlib
import re
from pathlib import Path
from typing import Final, LiteralString

import asyncpg
from msgspec import Struct

from appliance.clock import Clock
from sync.hub.database import Link
from sync.hub.faults import MigrationChanged, RolesMissing, SchemaMismatch

MIGRATIONS: Final = Path(__file__).parents[2] / "migrations" / "hub"
FILE_NAME: Final = re.compile(r"^(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql$")
ROLES: Final = ("darasa_owner", "darasa_ingest", "darasa_web")
MIGRATION_LOCK: Final = 0x6461_7261_7361  # "darasa": two migrating hubs wait for each other

LOCK: Final[LiteralString] = "SELECT pg_advisory_lock($1)"

FIND_ROLE: Final[LiteralString] = """
SELECT r.rolsuper OR r.rolbypassrls AS sees_everything
  FROM pg_roles AS r
 WHERE r.rolname = $1
"""

# Three constants: a role's name cannot be a parameter.
CREATE_ROLE: Final[dict[str, LiteralString]] = {
    "darasa_owner": "CREATE ROLE darasa_owner LOGIN NOSUPERUSER NOBYPASSRLS",
    "darasa_ingest": "CREATE ROLE darasa_ingest LOGIN NOSUPERUSER NOBYPASSRLS",
    "darasa_web": "CREATE ROLE darasa_web LOGIN NOSUPERUSER NOBYPASSRLS",
}
WHO_AM_I: Final[LiteralString] = "SELECT current_user::text"
LET_OWNER_CREATE: Final[LiteralString] = "GRANT USAGE, CREATE ON SCHEMA public TO darasa_owner"
LET_ME_BE_OWNER: Final[LiteralString] = "GRANT darasa_owner TO CURRENT_USER"
BE_OWNER: Final[LiteralString] = "SET ROLE darasa_owner"

CREATE_HISTORY: Final[LiteralString] = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number        bigint NOT NULL PRIMARY KEY,
    name          text   NOT NULL,
    checksum      bytea  NOT NULL,
    applied_at_ms bigint NOT NULL
)
"""
SHOW_HISTORY: Final[LiteralString] = "GRANT SELECT ON schema_migration TO darasa_ingest, darasa_web"

APPLIED: Final[LiteralString] = """
SELECT m.number, m.name, m.checksum
  FROM schema_migration AS m
 ORDER BY m.number
"""

RECORD: Final[LiteralString] = """
INSERT INTO schema_migration (number, name, checksum, applied_at_ms)
VALUES ($1, $2, $3, $4)
"""

SCHEMA_VERSION: Final[LiteralString] = "SELECT max(m.number) FROM schema_migration AS m"


class Migration(Struct, frozen=True):
    """One file."""

    number: int
    name: str
    sql: str
    checksum: bytes


def migrations_in(folder: Path) -> list[Migration]:
    """Read the files in order; a gap or a strange name is our own mistake."""
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    assert [m.number for m in found] == list(range(1, len(found) + 1)), folder
    return found


async def migrate(dsn: str, clock: Clock, folder: Path = MIGRATIONS) -> list[Migration]:
    """Bring the database to this program's schema; return what was run now.

    Idempotent. Two at once wait for each other. A file that fails leaves nothing behind.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(LOCK, MIGRATION_LOCK)
        await _make_roles(connection)
        return await _run_missing(connection, migrations_in(folder), clock)
    finally:
        await connection.close()  # and with it the lock


async def require_schema(connection: Link) -> None:
    """Raise SchemaMismatch unless the database is exactly what this program was written for."""
    expected = len(migrations_in(MIGRATIONS))
    try:
        found = await connection.fetchval(SCHEMA_VERSION)
    except asyncpg.UndefinedTableError:
        found = None
    if found != expected:
        raise SchemaMismatch(f"the database is at migration {found or 0}, this hub at {expected}")


def _read(path: Path) -> Migration:
    match = FILE_NAME.match(path.name)
    assert match is not None, path
    sql = path.read_text(encoding="utf-8")
    checksum = hashlib.sha256(sql.encode()).digest()
    return Migration(int(match["number"]), match["name"], sql, checksum)


async def _make_roles(connection: Link) -> None:
    for role in ROLES:
        sees_everything = await connection.fetchval(FIND_ROLE, role)
        if sees_everything is None:
            await _create_role(connection, role)
        elif sees_everything:
            raise RolesMissing(f"{role} is a superuser or bypasses row security; it must not")
    if await connection.fetchval(WHO_AM_I) == "darasa_owner":
        return
    await connection.execute(LET_ME_BE_OWNER)
    await connection.execute(LET_OWNER_CREATE)


async def _create_role(connection: Link, role: str) -> None:
    try:
        await connection.execute(CREATE_ROLE[role])
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return  # roles belong to the whole server: another database was migrated just now
    except asyncpg.InsufficientPrivilegeError as error:
        raise RolesMissing(f"cannot create the role {role}: {error}") from error


async def _run_missing(
    connection: Link, migrations: list[Migration], clock: Clock
) -> list[Migration]:
    await connection.execute(BE_OWNER)
    await connection.execute(CREATE_HISTORY)
    await connection.execute(SHOW_HISTORY)
    applied = {row["number"]: row["checksum"] for row in await connection.fetch(APPLIED)}
    if len(applied) > len(migrations):
        raise SchemaMismatch(
            f"the database is at migration {len(applied)}, newer than this hub's {len(migrations)}"
        )
    run = []
    for migration in migrations:
        if migration.number not in applied:
            await _run(connection, migration, now_ms=clock())
            run.append(migration)
        elif applied[migration.number] != migration.checksum:
            raise MigrationChanged(f"migration {migration.number} {migration.name} has changed")
    return run


async def _run(connection: Link, migration: Migration, *, now_ms: int) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            RECORD, migration.number, migration.name, migration.checksum, now_ms
        )
