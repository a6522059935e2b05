"""Migrations: once each, by whoever comes first, and never half."""

import asyncio

import asyncpg
import pytest

from sync.hub.app import create_app
from sync.hub.faults import MigrationChanged, NotReady, RolesMissing, SchemaMismatch
from sync.hub.migrate import MIGRATIONS, migrate, migrations_in, require_schema
from sync.hub.settings import HubSettings
from tests.hub.cast import NOW_MS
from tests.hub.conftest import run

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]


def clock():
    return NOW_MS


@pytest.fixture
def folder(tmp_path):
    """Two small migrations of a test's own."""
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE first (school_id uuid);")
    (tmp_path / "0002_second.sql").write_text("CREATE TABLE second (school_id uuid);")
    return tmp_path


async def test_the_second_run_has_nothing_to_do(empty_dsn):
    assert [m.number for m in await migrate(empty_dsn, clock)] == [
        m.number for m in migrations_in(MIGRATIONS)
    ]
    assert await migrate(empty_dsn, clock) == []


async def test_two_at_once_run_each_file_once(empty_dsn):
    both = await asyncio.gather(migrate(empty_dsn, clock), migrate(empty_dsn, clock))
    assert sorted(len(run_now) for run_now in both) == [0, len(migrations_in(MIGRATIONS))]


async def test_a_file_that_fails_leaves_nothing_behind(empty_dsn, folder):
    (folder / "0002_second.sql").write_text("CREATE TABLE second (x int); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_dsn, clock, folder)
    connection = await asyncpg.connect(empty_dsn)
    assert await connection.fetchval("SELECT count(*) FROM schema_migration") == 1
    assert await connection.fetchval("SELECT to_regclass('second')") is None
    await connection.close()
    (folder / "0002_second.sql").write_text("CREATE TABLE second (x int);")
    assert [m.name for m in await migrate(empty_dsn, clock, folder)] == ["second"]


async def test_a_file_that_changed_after_it_ran_is_refused(empty_dsn, folder):
    await migrate(empty_dsn, clock, folder)
    (folder / "0001_first.sql").write_text("CREATE TABLE first (other uuid);")
    with pytest.raises(MigrationChanged):
        await migrate(empty_dsn, clock, folder)


async def test_a_database_of_a_later_release_is_left_alone(empty_dsn, folder):
    await migrate(empty_dsn, clock, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(SchemaMismatch):
        await migrate(empty_dsn, clock, folder)


async def test_the_tables_belong_to_the_owner_role(dsn, as_role):
    connection = await as_role("postgres")
    owners = await connection.fetch(
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    )
    assert [row["tableowner"] for row in owners] == ["darasa_owner"]


async def test_a_role_that_sees_past_row_security_is_refused(server, empty_dsn):
    await run(server.dsn(), "ALTER ROLE darasa_web BYPASSRLS")
    try:
        with pytest.raises(RolesMissing):
            await migrate(empty_dsn, clock)
    finally:
        await run(server.dsn(), "ALTER ROLE darasa_web NOBYPASSRLS")


async def test_whoever_may_not_make_roles_but_finds_them_can_migrate(server, template, empty_dsn):
    """A hosted database: its administrator has made the three roles, and we are the owner."""
    name = empty_dsn.split("?")[0].rsplit("/", 1)[1]
    await run(server.dsn(), f"ALTER DATABASE {name} OWNER TO darasa_owner")
    assert await migrate(server.dsn(name, user="darasa_owner"), clock)


@pytest.mark.parametrize("migrated", [True, False])
async def test_only_a_database_of_this_release_is_served(dsn, empty_dsn, as_role, migrated):
    connection = await asyncpg.connect(dsn if migrated else empty_dsn)
    try:
        if migrated:
            await require_schema(connection)
        else:
            with pytest.raises(SchemaMismatch):
                await require_schema(connection)
    finally:
        await connection.close()


async def test_a_database_made_with_another_key_is_not_served(settings, watch):
    async with create_app(settings, clock=watch).lifespan():
        pass
    settings.key_file.unlink()
    with pytest.RaisesGroup(pytest.RaisesExc(NotReady), flatten_subgroups=True):
        async with create_app(settings, clock=watch).lifespan():
            pass


async def test_an_unmigrated_database_is_not_served(empty_dsn, tmp_path, watch):
    settings = HubSettings(dsn=empty_dsn, data=tmp_path / "hub")
    with pytest.RaisesGroup(pytest.RaisesExc(NotReady), flatten_subgroups=True):
        async with create_app(settings, clock=watch).lifespan():
            pass
