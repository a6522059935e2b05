"""A compared table gains columns, the box goes back a release and forward again: both agree."""

import shutil

import pytest
from msgspec import structs

from appliance.database.migrate import EDGE_MIGRATIONS, migrate, read_migrations
from sync.agent import rows, verifying
from sync.agent.store import identity
from sync.hub.intake import digests, pulling
from sync.hub.intake.statements import statements
from sync.registry import TABLE, TABLE_NUMBERED, Column
from tests.cast import new_id
from tests.hub.cast import NOW_MS
from tests.hub.real_box import RENAME
from tests.hub.test_verify import verified

pytestmark = [pytest.mark.anyio, pytest.mark.postgres]

NEXT = len(read_migrations(EDGE_MIGRATIONS)) + 1
OLDER = TABLE["person"]
LATE = Column("called", "text", since=NEXT)
NEWER = structs.replace(OLDER, columns=(*OLDER.columns[:-5], LATE, *OLDER.columns[-5:]))
ADD_COLUMN = "ALTER TABLE person ADD COLUMN called text"
BOX_STEP = f"-- works from: {NEXT - 1:04}\n{ADD_COLUMN};\n"
CALL = "UPDATE person SET called = ?2, version = version + 1 WHERE id = ?1"
ADD = """
INSERT INTO person (id, org_id, display_name, locale, state, version, updated_at_ms)
VALUES (?1, ?2, ?3, 'en', 'active', 1, 0)
"""
SAID = "SELECT id, display_name, called FROM person WHERE state = 'active'"
CONFLICTS = "SELECT count(*) FROM sync_conflict"


@pytest.fixture
async def hub(as_role, monkeypatch):
    """A hub of the next release; the tests' database is kept, so it is put back."""
    connection = await as_role("postgres")
    await connection.execute(ADD_COLUMN)
    monkeypatch.setitem(TABLE, "person", NEWER)
    monkeypatch.setitem(TABLE_NUMBERED, NEWER.number, NEWER)
    monkeypatch.setattr(pulling, "TABLES", tuple(TABLE.values()))
    monkeypatch.setitem(pulling.ROWS, "person", pulling.rows_sql(NEWER))
    monkeypatch.setattr(digests, "COMPARED", compared(NEWER))
    statements.cache_clear()
    yield connection
    statements.cache_clear()
    await connection.execute("ALTER TABLE person DROP COLUMN called")


@pytest.fixture
def runs(monkeypatch, tmp_path, box):
    """Start the older or the newer release on the box's file."""
    newer = tmp_path / "newer"
    shutil.copytree(EDGE_MIGRATIONS, newer)
    (newer / f"{NEXT:04}_called.sql").write_text(BOX_STEP)

    def start(table):
        box.close()
        box.releases = newer if table is NEWER else EDGE_MIGRATIONS
        path = box.settings.database
        migrate(path, box.releases, backups=tmp_path / "backups", now_ms=NOW_MS)
        monkeypatch.setattr("sync.agent.rows.TABLE", TABLE | {"person": table})
        known = TABLE_NUMBERED | {table.number: table}
        monkeypatch.setattr("sync.agent.sealing.TABLE_NUMBERED", known)
        monkeypatch.setattr(verifying, "COMPARED", compared(table))
        for found, sql in (
            (rows.READ_ROW, rows._read_row),
            (rows.PUT_ROW, rows._put_row),
            (verifying.OWN_ROWS, verifying._own_sql),
            (verifying.BUCKET_ROWS, verifying._bucket_sql),
        ):
            monkeypatch.setitem(found, "person", sql(table))
        box.open()

    return start


@pytest.fixture
async def back(box, hub, runs):
    """A school in which the older release sealed what the newer one had written.

    Of any two images which is the later one is chance: with this many both orders occur.
    """
    runs(NEWER)
    assert await verified(box) == (0, 0, 0)  # a column that is empty changes nothing
    school, people = identity(box.db).school_id, [new_id() for _ in range(20)]
    for person in people[:10]:
        box.write(ADD, person, school, "Nguyễn Thị Ánh")
        box.write(CALL, person, "Ánh")
    await box.agent.one_try()
    for person in people[10:]:
        box.write(ADD, person, school, "نور الهدى")
        box.write(CALL, person, "نور")
    runs(OLDER)
    for person in people[:5]:
        box.write(RENAME, person, "Ánh Nguyễn")
    box.write(ADD, new_id(), school, "Fatou Diop")
    await box.agent.one_try()
    return box


def compared(table):
    return tuple(table if each.name == table.name else each for each in verifying.COMPARED)


def at_box(box):
    return {row[0]: row[1:] for row in box.db.tuples(SAID)}


async def at_hub(hub, box):
    """What the district has of the school, without its own people."""
    ours = at_box(box)
    found = {row[0].bytes: tuple(row)[1:] for row in await hub.fetch(SAID)}
    return {pk: said for pk, said in found.items() if pk in ours}


async def test_what_the_older_release_sealed_is_found_sent_whole_and_agrees(back, hub, runs):
    runs(NEWER)
    before = at_box(back)
    different, repaired, explained = await verified(back)
    assert (different, repaired, explained) == (15, 15, 0)
    assert await verified(back) == (0, 0, 0)
    assert at_box(back) == before == await at_hub(hub, back)
    assert await back.hub_digests() == back.digests()
    assert (back.db.value(CONFLICTS), await hub.fetchval(CONFLICTS)) == (0, 0)


async def test_the_older_release_does_not_call_different_what_only_the_newer_one_knows(back, hub):
    before = await at_hub(hub, back)
    assert await verified(back) == (0, 0, 0)
    assert await at_hub(hub, back) == before
    assert await hub.fetchval(CONFLICTS) == 0


async def test_a_recovery_after_it_loses_no_value_either(back, hub, runs):
    runs(NEWER)
    before = at_box(back)
    with back.db.changing() as tx:
        tx.run("DELETE FROM sync_stream")  # as after a restore
    await back.agent.one_try()
    assert at_box(back) == before
    await verified(back)
    assert at_box(back) == before == await at_hub(hub, back)
    assert await back.hub_digests() == back.digests()
