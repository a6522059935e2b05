"""One school never sees or touches another, even when our own SQL forgets to say which."""

from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest

from sync.hub.database import scoped
from sync.hub.outlet.authoring import put_row
from sync.registry import TABLE, TABLES
from tests.hub.cast import NOW_MS, rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

SCOPE = "SELECT set_config('app.school_id', $1, true), set_config('app.district', $2, true)"
SYNCED = [table.name for table in TABLES]
BY_THE_HUB = [table.name for table in TABLES if table.owner == "hub"]
BY_THE_BOX = [table.name for table in TABLES if table.owner != "hub"]
PRIVATE = ["credential", "session", "enrolment_token"]
OF_SYNC = [
    "school_sync",
    "node",
    "node_epoch",
    "sync_stream",
    "sync_inbox",
    "sync_quarantine",
    "sync_conflict",
    "sync_feed_head",
    "sync_feed",
    "section_progress",
]


@pytest.fixture
async def two(app, district):
    """Two schools with a row in every synced table: their own, and the hub's of them."""
    schools = [await district.school(name) for name in ("Hilltop School", "Riverside School")]
    for box in schools:
        await box.send(*(rows(name, values(name, box.school_id)) for name in BY_THE_BOX))
        async with scoped(app.state.hub.pools.web, school_id=box.school_id) as link:
            for name in BY_THE_HUB:
                await put_row(
                    link, box.school_id, name, by_the_hub(name, box.school_id), now_ms=NOW_MS
                )
        await box.hello()
        await box.send(rows("person", values("person", UUID(int=4))))  # quarantined
    return schools


def by_the_hub(name, school_id):
    """A row as the hub's staff write it: who owns it and which version is not theirs to say."""
    names = (column.name for column in TABLE[name].columns[:-5])
    return dict(zip(names, values(name, school_id), strict=False))


async def seen(connection, table, school_id="", district_id=""):
    async with connection.transaction():
        await connection.execute(SCOPE, str(school_id), str(district_id))
        return await connection.fetchval(f"SELECT count(DISTINCT school_id) FROM {table}")


@pytest.mark.parametrize("role", ["darasa_ingest", "darasa_web"])
async def test_a_transaction_sees_its_own_school_only(two, as_role, role):
    connection = await as_role(role)
    for table in SYNCED + OF_SYNC:
        if table == "sync_conflict":
            continue
        assert await seen(connection, table, two[0].school_id) == 1, table
        assert await seen(connection, table, two[1].school_id) == 1, table


@pytest.mark.parametrize("role", ["darasa_ingest", "darasa_web", "darasa_owner"])
async def test_a_transaction_that_names_nobody_sees_nothing(two, as_role, role):
    connection = await as_role(role)
    for table in [*SYNCED, *OF_SYNC]:
        assert await seen(connection, table) == 0, table
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_the_district_reads_all_its_schools_and_ingest_does_not(two, district, as_role):
    web, ingest = await as_role("darasa_web"), await as_role("darasa_ingest")
    for table in SYNCED:
        extra = table in {"org_unit", "person", "role_assignment"}  # the district's own rows
        assert await seen(web, table, district_id=district.id) == 2 + extra, table
        assert await seen(ingest, table, district_id=district.id) == 0, table


async def test_another_district_reads_nothing(two, as_role):
    web = await as_role("darasa_web")
    for table in [*SYNCED, *OF_SYNC, "school"]:
        assert await seen(web, table, district_id=UUID(int=8)) == 0, table


async def test_the_district_s_reading_is_no_writing(two, district, as_role):
    web = await as_role("darasa_web")
    for table in SYNCED:
        async with web.transaction():
            await web.execute(SCOPE, "", str(district.id))
            with suppress(asyncpg.InsufficientPrivilegeError):
                async with web.transaction():
                    assert await web.execute(f"UPDATE {table} SET change_no = 0") == "UPDATE 0"


async def test_ingest_cannot_write_into_another_school(two, as_role):
    mine, other = two
    ingest = await as_role("darasa_ingest")
    for table in SYNCED:
        async with ingest.transaction():
            await ingest.execute(SCOPE, str(mine.school_id), "")
            touched = await ingest.execute(
                f"UPDATE {table} SET change_no = 0 WHERE school_id = $1", other.school_id
            )
            assert touched == "UPDATE 0", table
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with ingest.transaction():
                    await ingest.execute(f"UPDATE {table} SET school_id = $1", other.school_id)
    async with ingest.transaction():
        await ingest.execute(SCOPE, str(mine.school_id), "")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with ingest.transaction():
                await ingest.execute(
                    "INSERT INTO school_sync VALUES ($1, 0, 0, $2)", UUID(int=3), bytes(32)
                )


async def test_ingest_never_reads_the_district_s_secrets(two, district, as_role):
    ingest = await as_role("darasa_ingest")
    for table in ("credential", "session"):
        async with ingest.transaction():
            await ingest.execute(SCOPE, str(district.id), str(district.id))
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with ingest.transaction():
                    await ingest.fetch(f"SELECT * FROM {table}")


async def test_a_school_s_transaction_does_not_see_secrets_or_tokens(two, as_role):
    web = await as_role("darasa_web")
    for table in PRIVATE:
        assert await seen(web, table, two[0].school_id) == 0, table


@pytest.mark.parametrize("role", ["darasa_ingest", "darasa_web"])
async def test_nobody_may_delete_a_school_s_rows(two, as_role, role):
    connection = await as_role(role)
    for table in SYNCED + OF_SYNC:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"DELETE FROM {table}")
