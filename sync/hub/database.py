"""The pools, and the only way into them: a transaction that says whose rows it may see.

Row security reads `app.school_id` and `app.district`, which live as long as the
transaction. A connection outside of one sees no school at all. Nothing outlives a
transaction, so a pooler may hand each one another server connection.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, LiteralString, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from asyncpg import Connection, Pool
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from sync.hub.settings import HubSettings

# Quoted: the driver's classes are generic in its stubs only.
Link: TypeAlias = "Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Isolation = Literal["read_committed", "repeatable_read"]
LinkPool: TypeAlias = "Pool[asyncpg.Record]"
Row = TypeVar("Row", bound=Struct)

CONNECT_S_MAX: Final = 10.0
STATEMENTS_KEPT: Final = 100  # the driver's own default: more than the hub has in its hot paths
STATEMENT_S_MAX: Final = 60.0  # a report of one school takes milliseconds; a lock may wait

SCOPE: Final[LiteralString] = (
    "SELECT set_config('app.school_id', $1, true), set_config('app.district', $2, true)"
)


class Pools:
    """`ingest` writes what schools send, `web` reads it and keeps the district's own accounts.

    `reports` is the replica where there is one: what it shows may be some seconds old. Nothing
    that is acknowledged was ever read there.
    """

    def __init__(self, *, ingest: LinkPool, web: LinkPool, reports: LinkPool) -> None:
        self.ingest: Final = ingest
        self.web: Final = web
        self.reports: Final = reports

    async def close(self) -> None:
        """Finish what runs and hang up."""
        for pool in {self.ingest, self.web, self.reports}:
            await pool.close()


async def open_pools(settings: HubSettings) -> Pools:
    """Connect as darasa_ingest and darasa_web."""
    ingest = await _pool(
        settings, settings.ingest_dsn, "darasa_ingest", settings.ingest_at_once + 1
    )
    web = await _pool(settings, settings.web_dsn, "darasa_web", settings.web_connections)
    reports = web
    if settings.read_dsn:
        reports = await _pool(settings, settings.read_dsn, "darasa_web", settings.web_connections)
    return Pools(ingest=ingest, web=web, reports=reports)


@asynccontextmanager
async def scoped(
    pool: LinkPool,
    *,
    school_id: UUID | None = None,
    district_id: UUID | None = None,
    at_one_moment: bool = False,
) -> AsyncIterator[Link]:
    """Open a transaction that sees `school_id`'s rows, and reads what its district may read.

    `at_one_moment`: all its statements see one state of the database.
    """
    level: Isolation = "repeatable_read" if at_one_moment else "read_committed"
    async with pool.acquire() as connection, connection.transaction(isolation=level):
        await set_scope(connection, school_id=school_id, district_id=district_id)
        yield connection


async def set_scope(
    connection: Link, *, school_id: UUID | None = None, district_id: UUID | None = None
) -> None:
    """Say whose rows the rest of this transaction may see."""
    await connection.fetchval(SCOPE, str(school_id or ""), str(district_id or ""))


async def row(connection: Link, shape: type[Row], sql: LiteralString, *args: Any) -> Row | None:
    """Return the one row as `shape`, filled by column name."""
    found = await connection.fetchrow(sql, *args)
    return None if found is None else _as(shape, found)


async def rows(connection: Link, shape: type[Row], sql: LiteralString, *args: Any) -> list[Row]:
    """Return every row as `shape`."""
    return [_as(shape, found) for found in await connection.fetch(sql, *args)]


def _as(shape: type[Row], found: asyncpg.Record) -> Row:
    return shape(**dict(found))


async def _pool(settings: HubSettings, dsn: str, role: str, connections_max: int) -> LinkPool:
    return await asyncpg.create_pool(
        dsn or settings.dsn,
        user=None if dsn else role,
        min_size=1,
        max_size=connections_max,
        timeout=CONNECT_S_MAX,
        command_timeout=STATEMENT_S_MAX,
        server_settings={"application_name": role},
        reset=_leave_as_it_is,
        # Named statements belong to one server connection; a pooler changes it each time.
        statement_cache_size=0 if settings.is_pooled else STATEMENTS_KEPT,
    )


async def _leave_as_it_is(_connection: Link) -> None:
    """Everything we set ends with its transaction; the driver's reset is a round trip more."""
