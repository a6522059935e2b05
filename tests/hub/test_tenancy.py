"""One school never sees or touches another, even when our own SQL forgets to say which."""

from uuid import UUID

import asyncpg
import pytest

from sync.registry import TABLES
from tests.hub.cast import rows, values

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

SCOPE = "SELECT set_config('app.school_id', $1, true), set_config('app.district', $2, true)"
SYNCED = [table.name for table in TABLES]
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
    "section_progress",
]


@pytest.fixture
async def two(district):
    """Two schools with a row in every synced table."""
    schools = [await district.school(name) for name in ("Hilltop School", "Riverside School")]
    for box in schools:
        await box.send(*(rows(name, values(name, box.school_id)) for name in SYNCED))
        await box.hello()
        await box.send(rows("person", values("person", UUID(int=4))))  # quarantined
    return schools


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
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with web.transaction():
                    await web.execute(f"UPDATE {table} SET change_no = 0")


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
